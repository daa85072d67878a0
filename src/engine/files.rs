//! Reading RON with errors that name the place, and files that are either there in full or not at all.

use super::{
    sniff::{Kind, sniff},
    text::{self, TextError},
};
use ron::Options;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};
use thiserror::Error;

/// A RON file could not be read.
#[derive(Debug, Error)]
pub enum RonError {
    /// The file is missing or not readable.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is known to be something else than text.
    #[error("{} is {what}, where a text file in RON belongs; {fix}", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
        /// What to do.
        fix: &'static str,
    },
    /// The file is text in an encoding that is not read, or none at all.
    #[error("{}: {source}", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: TextError,
    },
    /// The text does not say what is expected.
    #[error("{name}:{line}:{column}: {message}")]
    Parse {
        /// The file, or what the text is otherwise known as.
        name: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
}

/// The text of the file at `path`, in whatever encoding an editor has left it, and the name under which messages speak
/// of it.
///
/// # Errors
/// When the file cannot be read, or is no text.
pub fn read_text(path: &Path) -> Result<(String, String), RonError> {
    let path = path.to_owned();
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(source) => return Err(RonError::Read { path, source }),
    };
    if let Some(kind) = sniff(&bytes[..bytes.len().min(SNIFFED)]) {
        return Err(RonError::NotText { path, what: kind.to_string(), fix: fix(kind) });
    }
    match text::decode(bytes) {
        Ok(text) => Ok((path.display().to_string(), text)),
        Err(source) => Err(RonError::Encoding { path, source }),
    }
}

/// How many bytes tell what a file is.
const SNIFFED: usize = 512;

/// What to do about a file that is no text.
fn fix(kind: Kind) -> &'static str {
    match kind {
        Kind::WebPage | Kind::Pointer | Kind::Empty => kind.fix(),
        kind if kind.is_archive() => "unpack it and give what is inside",
        _ => "give another file",
    }
}

/// The value that `text` writes in RON; `name` stands in messages.
///
/// # Errors
/// When it does not.
pub fn parse_ron<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, RonError> {
    parse_ron_as(&Options::default(), name, text, |_| None)
}

/// The same, in a dialect; `advice` may say more of what is wrong.
///
/// # Errors
/// As [`parse_ron`].
pub fn parse_ron_as<T: DeserializeOwned>(
    dialect: &Options,
    name: &str,
    text: &str,
    advice: impl Fn(&ron::Error) -> Option<String>,
) -> Result<T, RonError> {
    dialect.from_str(text).map_err(|error| {
        if let Some((place, what)) = strange_character(text) {
            let before = &text[..place];
            let line = 1 + before.matches('\n').count();
            let column = 1 + before[before.rfind('\n').map_or(0, |end| end + 1)..].chars().count();
            return RonError::Parse { name: name.to_owned(), line, column, message: what };
        }
        let (start, what) = (error.span.start, error.code.to_string());
        let place = text
            .split_inclusive('\n')
            .take(start.line.saturating_sub(1))
            .map(str::len)
            .sum::<usize>();
        let line = text.get(place..).unwrap_or_default();
        let column =
            line.char_indices().nth(start.col.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
        let (before, behind) = text.split_at((place + column).min(text.len()));
        let what = in_words(&error.code, before, behind).unwrap_or(what);
        let more = advice(&error.code).map_or_else(String::new, |more| format!("; {more}"));
        let message = format!("{what}{more}");
        RonError::Parse {
            name: name.to_owned(),
            line: error.span.start.line,
            column: error.span.start.col,
            // What the file holds there is a part of some messages, with its line ends.
            message: message.split_whitespace().collect::<Vec<_>>().join(" "),
        }
    })
}

/// What is wrong, where RON's own message leads nowhere; `before` and `behind` are the text on both sides of the place.
fn in_words(code: &ron::Error, before: &str, behind: &str) -> Option<String> {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let name = before.trim_end();
    let name = &name[name.trim_end_matches(is_of_name).len()..];
    let name =
        (!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())).then_some(name);
    let of_number = |c: char| c.is_ascii_digit() || c == '-' || c == '+';
    let fraction = before.ends_with(|c: char| c.is_ascii_digit())
        && (behind.starts_with('.') || behind.starts_with(['e', 'E']))
        && behind[1..].starts_with(of_number);
    let behind = behind.trim_start();
    match (code, name) {
        (ron::Error::ExpectedComma, Some(name)) if behind.starts_with('(') => {
            Some(format!("`{name}` takes no arguments; delete the brackets behind it"))
        }
        (ron::Error::ExpectedComma, None) if fraction => {
            Some("a whole number is expected here".to_owned())
        }
        (ron::Error::ExpectedStructLike, _) if behind.starts_with('[') => {
            Some("round brackets are expected here: `( )` in place of `[ ]`".to_owned())
        }
        (ron::Error::ExpectedStructLike, Some(name)) => {
            Some(format!("`{name}` needs brackets with its arguments: `{name}( )`"))
        }
        (ron::Error::ExpectedArray, _) if behind.starts_with('(') => {
            Some("square brackets are expected here: `[ ]` in place of `( )`".to_owned())
        }
        (ron::Error::IntegerOutOfBounds, _) => {
            Some("the number is too large, or below 0 where it cannot be".to_owned())
        }
        (ron::Error::SuggestRawIdentifier(found) | ron::Error::InvalidIdentifier(found), _) => {
            Some(format!("a name is expected here, and `{found}` is none"))
        }
        _ => None,
    }
}

/// The first character that RON does not have outside of strings and comments, but word processors, web pages and
/// damage put there: where it stands, and what to do.
fn strange_character(text: &str) -> Option<(usize, String)> {
    let mut characters = text.char_indices().peekable();
    while let Some((place, character)) = characters.next() {
        match (character, characters.peek().map(|&(_, next)| next)) {
            ('"', _) => {
                // To the end of the string.
                while let Some((_, inner)) = characters.next() {
                    match inner {
                        '"' => break,
                        '\\' => drop(characters.next()),
                        _ => {}
                    }
                }
            }
            ('/', Some('/')) => drop(characters.find(|&(_, inner)| inner == '\n')),
            ('/', Some('*')) => {
                let end = text[place..].find("*/")? + place;
                while characters.next_if(|&(inner, _)| inner <= end + 1).is_some() {}
            }
            ('\0', _) => {
                let what = "a zero byte: the file is damaged; save it again, or restore it";
                return Some((place, what.to_owned()));
            }
            ('“' | '”' | '„' | '‟' | '«' | '»' | '‘' | '’' | '‚' | '″', _) => {
                let what = format!(
                    "{character} is a typographic quotation mark, as word processors write it; put \" in its place"
                );
                return Some((place, what));
            }
            ('\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{ad}', _) => {
                let code = u32::from(character);
                return Some((place, format!("an invisible character (U+{code:04X}); remove it")));
            }
            _ if character.is_whitespace() && !character.is_ascii() => {
                let code = u32::from(character);
                let what = format!(
                    "a special space (U+{code:04X}), as web pages and word processors write it; put a plain space in its place"
                );
                return Some((place, what));
            }
            _ => {}
        }
    }
    None
}

/// The path with the home folder in place of a `~` that it begins with: shells put it there only at the beginning of a
/// word, and menus and environment variables not at all.
pub fn expand_home(path: &Path) -> PathBuf {
    home_in(path, std::env::home_dir())
}

fn home_in(path: &Path, home: Option<PathBuf>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) if rest.as_os_str().is_empty() => home,
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

/// A file could not be written.
#[derive(Debug, Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

impl WriteError {
    /// The error for the file at `path`.
    pub fn new(path: &Path, source: io::Error) -> Self {
        Self { path: path.to_owned(), source }
    }
}

/// Makes sure that the file at `path` may be written to by anybody at all: replacing it does not ask the system for that.
///
/// # Errors
/// When it is there and read-only.
pub fn check_replaceable(path: &Path) -> Result<(), WriteError> {
    match std::fs::metadata(path) {
        Ok(old) if old.is_file() && old.permissions().readonly() => {
            let reason = "it is read-only; allow writing to it, or choose another name";
            Err(WriteError::new(path, io::Error::new(io::ErrorKind::PermissionDenied, reason)))
        }
        _ => Ok(()),
    }
}

/// Writes `bytes` to `path` through a temporary file in the same folder, synced before it takes the
/// name: a crash leaves the old file or the new one, never a part. What a link leads to is written, not the link.
///
/// # Errors
/// When the folder is missing or not writable, or the disk is full; the old file is then untouched.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let target = std::fs::read_link(path).map(|target| {
        // Relative to the folder of the link. More links behind it are followed by the system, if they lead anywhere.
        let target = path.parent().unwrap_or(Path::new("")).join(target);
        std::fs::canonicalize(&target).unwrap_or(target)
    });
    let path = target.as_deref().unwrap_or(path);
    let write = || -> io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            let reason =
                format!("there is no folder {}; make it, or choose another", folder.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, reason));
        }
        let mut builder = tempfile::Builder::new();
        // A temporary file is private to its owner; the file it becomes has the rights that the old one had, or else
        // those that the system gives new files.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        #[cfg(unix)]
        if let Ok(old) = std::fs::metadata(path) {
            file.as_file().set_permissions(old.permissions())?;
        }
        file.as_file().sync_all()?;
        file.persist(path)?;
        // The rename is only durable once the folder is.
        #[cfg(unix)]
        std::fs::File::open(folder)?.sync_all()?;
        Ok(())
    };
    write().map_err(|source| WriteError::new(path, source))
}

/// JSON writes a number that is infinite or not a number as `null`.
pub(in crate::engine) fn number_or_null<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_a_link_leads_to_is_written_and_what_is_read_only_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        write_atomic(&file, b"old").expect("can be written");
        std::os::unix::fs::symlink("file", &link).expect("can be linked");
        write_atomic(&link, b"new").expect("can be written");
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&file).expect("is there"), b"new");
        let mut rights = std::fs::metadata(&file).expect("is there").permissions();
        rights.set_readonly(true);
        std::fs::set_permissions(&file, rights).expect("can be set");
        for path in [&file, &link] {
            let text = check_replaceable(path).expect_err("is protected").to_string();
            assert!(text.contains("is read-only; allow"), "{text}");
        }
        let [missing, dangling] = ["missing", "dangling"].map(|name| folder.path().join(name));
        std::os::unix::fs::symlink("missing", &dangling).expect("can be linked");
        write_atomic(&dangling, b"new").expect("can be written");
        assert!(dangling.is_symlink() && missing.is_file());
    }

    #[test]
    fn text_is_read_as_editors_write_it_and_lines_are_counted_alike() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.ron");
        let wide = |text: &str, unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(unit).collect()
        };
        for (line_end, value) in [("\n", "2"), ("\r\n", "2"), ("\n", "zwei"), ("\r\n", "zwei")] {
            let text = format!("// grün{line_end}{line_end}(1, {value})");
            let marked = format!("\u{feff}{text}");
            for bytes in [
                text.as_bytes().to_vec(),
                marked.as_bytes().to_vec(),
                wide(&marked, u16::to_le_bytes),
                wide(&marked, u16::to_be_bytes),
            ] {
                std::fs::write(&path, bytes).expect("is written");
                let (name, text) = read_text(&path).expect("is read");
                match parse_ron::<(u8, u8)>(&name, &text) {
                    Ok(read) => assert_eq!((read, value), ((1, 2), "2")),
                    Err(error) => {
                        let place = format!("{name}:3:5: ");
                        assert!(error.to_string().starts_with(&place), "{error}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_text_is_called_what_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.ron");
        for (bytes, says) in [
            (
                &b"<!DOCTYPE html><html>"[..],
                "a web page (HTML), where a text file in RON belongs; download",
            ),
            (b"", "is empty, where"),
            (b"PK\x03\x04 and so on", "a ZIP archive, where a text file in RON belongs; unpack it"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"\x89PNG\r\n\x1a\n", "an image, where a text file in RON belongs; give another file"),
            (b"(\n name: \"caf\xe9\")", "line 2 is not UTF-8 (byte 0xe9); save the file as UTF-8"),
            (b"\xff\xfe(\0\x00\xd8", "line 1 is damaged UTF-16; save the file as UTF-8"),
        ] {
            std::fs::write(&path, bytes).expect("is written");
            let text = read_text(&path).expect_err("is no text").to_string();
            assert!(text.starts_with(&path.display().to_string()), "{text}");
            assert!(text.contains(says), "{text}");
        }
    }

    #[test]
    fn characters_that_only_look_right_are_named_with_their_place() {
        let read = |text: &str| {
            parse_ron::<(u8, String)>("a.ron", text).map_err(|error| error.to_string())
        };
        for (text, says) in [
            ("(1,\n “b”)", "a.ron:2:2: “ is a typographic quotation mark"),
            ("(1, „b“)", "a.ron:1:5: „ is a typographic quotation mark"),
            ("(1,\u{a0}b)", "a.ron:1:4: a special space (U+00A0)"),
            ("(1, /* “ */\u{202f}b)", "a.ron:1:12: a special space (U+202F)"),
            ("// “\n(1, \"“ \\\" “\" \0)", "a.ron:2:14: a zero byte"),
            ("(1,\u{feff} b)", "a.ron:1:4: an invisible character (U+FEFF)"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(says), "{text:?}: {error}");
        }
        let fine = "(1, /* “ */ \"“\u{a0}\\\"”\") // „";
        assert_eq!(read(fine), Ok((1, "“\u{a0}\"”".to_owned())));
        let error = read("(1, \"“\" // „\n x)").unwrap_err();
        assert!(!error.contains("typographic") && error.starts_with("a.ron:2"), "{error}");
    }

    #[test]
    fn the_home_folder_takes_the_place_of_a_tilde_at_the_beginning() {
        for (path, wanted) in [
            ("~", "/home/me"),
            ("~/", "/home/me"),
            ("~/a/~/b", "/home/me/a/~/b"),
            ("~other/a", "~other/a"),
            ("./~/a", "./~/a"),
            ("a/~", "a/~"),
            ("", ""),
        ] {
            assert_eq!(home_in(Path::new(path), Some("/home/me".into())), Path::new(wanted));
        }
        assert_eq!(home_in(Path::new("~/a"), None), Path::new("~/a"));
    }

    #[test]
    fn replaces_the_content_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        write_atomic(&path, b"one").expect("is written");
        write_atomic(&path, b"two").expect("is replaced");
        assert_eq!(std::fs::read(&path).expect("is there"), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_has_the_rights_of_new_files_and_one_that_is_replaced_keeps_its_own() {
        use std::{fs, os::unix::fs::PermissionsExt};
        let folder = tempfile::tempdir().expect("a folder");
        let [plain, path] = ["plain", "ours"].map(|name| folder.path().join(name));
        let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode();
        fs::write(&plain, "x").expect("is written");
        write_atomic(&path, b"x").expect("is written");
        assert_eq!(mode(&path), mode(&plain));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o100_600)).expect("is ours");
        write_atomic(&path, b"y").expect("is replaced");
        assert_eq!(mode(&path), 0o100_600);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = write_atomic(Path::new("/no/such/folder/a.txt"), b"x").expect_err("no folder");
        let text = error.to_string();
        assert!(text.contains("/no/such/folder/a.txt") && text.contains("make it"), "{text}");
    }
}
