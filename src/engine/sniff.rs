//! Recognises files that are not what their names say: downloads that went wrong, and archives that were not unpacked.

use std::{fmt, path::Path};

/// A kind of file that turns up where another one is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An error or log-in page that was saved under the name of the file.
    WebPage,
    /// A web page or XML that a program saved as a workbook.
    WebTable,
    /// What a large-file store of a version control system leaves in place of the file.
    Pointer,
    /// Python's pickles.
    Pickle,
    /// Arrays of `NumPy`, one or (in a ZIP archive) several.
    Numpy,
    /// MATLAB's files, HDF5 ones included.
    Matlab,
    /// HDF5.
    Hdf5,
    /// Parquet.
    Parquet,
    /// SPSS.
    Spss,
    /// A database of `SQLite`.
    Sqlite,
    /// Arrow or Feather.
    Arrow,
    /// Stata.
    Stata,
    /// What R saves.
    R,
    /// A file that is packed by another program than gzip.
    Packed,
    /// A workbook of Excel or `LibreOffice`.
    Workbook,
    /// A workbook of Excel before 2007.
    OldWorkbook,
    /// A ZIP archive.
    Zip,
    /// gzip, of a tar archive or a single file.
    Gzip,
    /// A tar archive.
    Tar,
    /// Another archive.
    Archive,
    /// An image.
    Image,
    /// A PDF document.
    Pdf,
    /// Nothing at all.
    Empty,
}

impl Kind {
    /// Whether something else is inside that has to be unpacked first.
    pub(in crate::engine) fn is_archive(self) -> bool {
        matches!(self, Self::Zip | Self::Gzip | Self::Tar | Self::Archive | Self::Packed)
    }

    /// How to unpack the file at `path`, where it is an archive.
    pub(in crate::engine) fn unpack(self, path: &Path) -> Option<String> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        let is_tar = name.contains(".tar.") || ends(&[".tgz", ".tbz", ".tbz2", ".txz", ".tzst"]);
        let program = match self {
            Self::Zip => "unzip",
            Self::Tar => "tar xf",
            Self::Gzip | Self::Packed if is_tar => "tar xf",
            Self::Gzip => "gunzip",
            Self::Packed if ends(&[".bz2"]) => "bunzip2",
            Self::Packed if ends(&[".xz"]) => "unxz",
            Self::Packed if ends(&[".zst"]) => "unzstd",
            // 7-Zip reads them all.
            Self::Packed | Self::Archive => "7z x",
            _ => return None,
        };
        let shown = path.display().to_string();
        let quote = if shown.contains(char::is_whitespace) { "'" } else { "" };
        Some(format!(
            "unpack it (`{program} {quote}{shown}{quote}`) and give the folder that comes out"
        ))
    }

    /// What a user who wanted data can do about it.
    pub(in crate::engine) fn fix(self) -> &'static str {
        match self {
            Self::WebPage => {
                "download the file again: the server has sent an error or log-in page in its place"
            }
            Self::Pointer => "fetch the file itself, for example with `git lfs pull`",
            Self::Pickle
            | Self::Numpy
            | Self::Matlab
            | Self::Hdf5
            | Self::Parquet
            | Self::Spss
            | Self::Sqlite
            | Self::Arrow
            | Self::Stata
            | Self::R => "export it in a format that is read",
            Self::WebTable => {
                "open it in Excel and save the sheet as \"CSV UTF-8\" (File, Save as)"
            }
            Self::Workbook | Self::OldWorkbook => {
                "open it and save the sheet as \"CSV UTF-8\" (File, Save as)"
            }
            Self::Zip | Self::Gzip | Self::Tar | Self::Archive | Self::Packed => {
                "unpack it and name the folder that comes out"
            }
            Self::Image | Self::Pdf => "give the file with the data",
            Self::Empty => "download or copy it again",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WebPage => "a web page (HTML)",
            Self::WebTable => "a web page or XML that a program saved as .xls",
            Self::Spss => "an SPSS file",
            Self::Sqlite => "an SQLite database",
            Self::Arrow => "an Arrow or Feather file",
            Self::Stata => "a Stata file",
            Self::R => "a file of R (rds or RData)",
            Self::Packed => "a file packed with bzip2, xz or Zstandard",
            Self::Pointer => "a pointer of Git LFS, not the file itself",
            Self::Pickle => "a Python pickle",
            Self::Numpy => "a NumPy file",
            Self::Matlab => "a MATLAB file",
            Self::Hdf5 => "an HDF5 file",
            Self::Parquet => "a Parquet file",
            Self::Workbook => "a workbook (xlsx or ods)",
            Self::OldWorkbook => "a workbook of an old Excel (xls)",
            Self::Zip => "a ZIP archive",
            Self::Gzip => "a gzip archive",
            Self::Tar => "a tar archive",
            Self::Archive => "an archive",
            Self::Image => "an image",
            Self::Pdf => "a PDF document",
            Self::Empty => "empty",
        })
    }
}

/// What a file that begins with `bytes` (512 of them or more, or all there are) is; `None` for what is not known.
pub(in crate::engine) fn sniff(bytes: &[u8]) -> Option<Kind> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let begins =
        |word: &[u8]| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let holds = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
    let kind = match bytes {
        [] => Kind::Empty,
        _ if begins(b"<table")
            || begins(b"<")
                && (holds(b"urn:schemas-microsoft-com:office") || holds(b"<?mso-application")) =>
        {
            Kind::WebTable
        }
        _ if bytes.starts_with(b"$FL2@(#)") || bytes.starts_with(b"$FL3@(#)") => Kind::Spss,
        _ if bytes.starts_with(b"SQLite format 3\0") => Kind::Sqlite,
        _ if bytes.starts_with(b"ARROW1\0") || bytes.starts_with(b"FEA1") => Kind::Arrow,
        _ if bytes.starts_with(b"<stata_dta>") => Kind::Stata,
        _ if bytes.starts_with(b"X\n\0\0\0")
            || bytes.starts_with(b"RDX2\n")
            || bytes.starts_with(b"RDX3\n") =>
        {
            Kind::R
        }
        _ if [&b"<!doctype html"[..], b"<html", b"<head", b"<?xml", b"<!--"]
            .iter()
            .any(|&word| begins(word)) =>
        {
            Kind::WebPage
        }
        _ if bytes.starts_with(b"version https://git-lfs") => Kind::Pointer,
        // Protocol 2 to 5; the older ones are text.
        [0x80, 2..=5, ..] => Kind::Pickle,
        _ if bytes.starts_with(b"\x93NUMPY") => Kind::Numpy,
        _ if bytes.starts_with(b"MATLAB ") => Kind::Matlab,
        _ if bytes.starts_with(b"\x89HDF\r\n\x1a\n") => Kind::Hdf5,
        _ if bytes.starts_with(b"PAR1") => Kind::Parquet,
        _ if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") => {
            let inside =
                [&b"[Content_Types].xml"[..], b"xl/", b"_rels/", b"opendocument.spreadsheet"];
            if first_member(bytes).is_some_and(|name| name.ends_with(b".npy")) {
                Kind::Numpy
            } else if inside.iter().any(|&name| holds(name)) {
                Kind::Workbook
            } else {
                Kind::Zip
            }
        }
        _ if bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") => Kind::OldWorkbook,
        [0x1f, 0x8b, ..] => Kind::Gzip,
        _ if bytes.get(257..262) == Some(b"ustar") => Kind::Tar,
        _ if bytes.starts_with(b"7z\xbc\xaf\x27\x1c") || bytes.starts_with(b"Rar!\x1a\x07") => {
            Kind::Archive
        }
        _ if [&b"BZh"[..], b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"]
            .iter()
            .any(|&magic| bytes.starts_with(magic)) =>
        {
            Kind::Packed
        }
        _ if bytes.starts_with(b"%PDF-") => Kind::Pdf,
        _ if image::guess_format(bytes).is_ok() => Kind::Image,
        _ => return None,
    };
    Some(kind)
}

/// What a file that begins with `bytes` is, where it is text: a server's message, say, in place of the file.
pub(in crate::engine) fn text(bytes: &[u8]) -> Option<String> {
    /// The most characters that are shown.
    const SHOWN: usize = 40;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // Cut off within a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() || text.contains(|c: char| c.is_control() && !c.is_whitespace()) {
        return None;
    }
    let words: Vec<_> = text.split_whitespace().collect();
    let line = words.join(" ");
    let more = if line.chars().count() > SHOWN { "..." } else { "" };
    let line: String = line.chars().take(SHOWN).collect();
    Some(format!("text (`{line}{more}`)"))
}

/// What to do about text in place of a file of data.
pub(in crate::engine) const TEXT_FIX: &str =
    "download the file again: a server may have sent this message in its place";

/// The name of the first file in a ZIP archive.
fn first_member(zip: &[u8]) -> Option<&[u8]> {
    let &[low, high] = zip.get(26..)?.first_chunk()?;
    zip.get(30..)?.get(..usize::from(u16::from_le_bytes([low, high])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        let mut tar = vec![b'a'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let zip = |name: &str| {
            let mut bytes = b"PK\x03\x04".to_vec();
            bytes.resize(26, 0);
            bytes.extend([name.len() as u8, 0, 0, 0]);
            bytes.extend(name.as_bytes());
            bytes.extend(b"content");
            bytes
        };
        for (bytes, kind) in [
            (&b""[..], Some(Kind::Empty)),
            (b"\r\n <!DOCTYPE HTML PUBLIC", Some(Kind::WebPage)),
            (b"\xef\xbb\xbf<html>", Some(Kind::WebPage)),
            (b"version https://git-lfs.github.com/spec/v1\n", Some(Kind::Pointer)),
            (b"\x80\x04\x95\x00", Some(Kind::Pickle)),
            (b"\x93NUMPY\x01\0", Some(Kind::Numpy)),
            (b"PK\x03\x04....[Content_Types].xml", Some(Kind::Workbook)),
            (b"PK\x03\x04....train/cat/0.png", Some(Kind::Zip)),
            (&zip("x_train.npy"), Some(Kind::Numpy)),
            (&zip("x_train.npy.png"), Some(Kind::Zip)),
            (&zip("train/cat/0.png")[..35], Some(Kind::Zip)),
            (b"PK\x03\x04", Some(Kind::Zip)),
            (b"\x1f\x8b\x08", Some(Kind::Gzip)),
            (&tar, Some(Kind::Tar)),
            (b"Rar!\x1a\x07\0", Some(Kind::Archive)),
            (b"\x89PNG\r\n\x1a\n", Some(Kind::Image)),
            (b"BZh91AY&SY", Some(Kind::Packed)),
            (b"$FL2@(#) SPSS DATA FILE", Some(Kind::Spss)),
            (b"SQLite format 3\0", Some(Kind::Sqlite)),
            (b"ARROW1\0\0", Some(Kind::Arrow)),
            (b"<stata_dta><header>", Some(Kind::Stata)),
            (b"X\n\0\0\0\x03", Some(Kind::R)),
            (b"<table><tr>", Some(Kind::WebTable)),
            (b"<?xml version=\"1.0\"?><?mso-application progid", Some(Kind::WebTable)),
            (b"%PDF-1.7", Some(Kind::Pdf)),
            (b"\0\0\x08\x03", None),
            (b"a,b,c\n1,2,3\n", None),
        ] {
            assert_eq!(sniff(bytes), kind, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn text_is_told_by_its_first_words() {
        assert_eq!(text(b"404: Not Found").as_deref(), Some("text (`404: Not Found`)"));
        let json = b"\xef\xbb\xbf{\n  \"message\": \"Not Found\",\n  \"documentation\": 1}";
        let wanted = "text (`{ \"message\": \"Not Found\", \"documentation...`)";
        assert_eq!(text(json).as_deref(), Some(wanted));
        assert!(text("Datei nicht gefunden: f\u{fc}r".as_bytes()).is_some());
        assert!(text(b"cut within a character \xc3").is_some());
        for bytes in [&b""[..], b" \n", b"\0\0\x08\x03", b"abc\0", b"caf\xe9 au lait"] {
            assert_eq!(text(bytes), None);
        }
    }

    #[test]
    fn archives_are_unpacked_with_a_program_that_can() {
        for (kind, path, program) in [
            (Kind::Zip, "a.zip", "unzip a.zip"),
            (Kind::Tar, "a.tar.gz", "tar xf a.tar.gz"),
            (Kind::Gzip, "a.TGZ", "tar xf a.TGZ"),
            (Kind::Gzip, "a.gz", "gunzip a.gz"),
            (Kind::Packed, "a.tar.xz", "tar xf a.tar.xz"),
            (Kind::Packed, "a.tar.zst", "tar xf a.tar.zst"),
            (Kind::Packed, "my data/a.tbz2", "tar xf 'my data/a.tbz2'"),
            (Kind::Packed, "a.bz2", "bunzip2 a.bz2"),
            (Kind::Archive, "a.7z", "7z x a.7z"),
            (Kind::Archive, "a.rar", "7z x a.rar"),
        ] {
            let told = kind.unpack(Path::new(path)).unwrap();
            assert!(told.contains(&format!("`{program}`")) && kind.is_archive(), "{told}");
        }
        assert_eq!(Kind::Pdf.unpack(Path::new("a.pdf")), None);
    }
}
