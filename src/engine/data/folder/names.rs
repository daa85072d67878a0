//! What names of files and folders tell: endings, splits, and what the system has put there.

use crate::engine::data::Split;
use std::path::Path;
use unicode_normalization::UnicodeNormalization;

/// The endings of images that are read.
const READ: [&str; 13] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jfif", "pjpeg", "webp", "bmp", "dib", "gif", "tif",
    "tiff",
];

/// The endings of images that are not read.
const NOT_READ: [&str; 27] = [
    "heic", "heif", "avif", "jxl", "jp2", "j2k", "svg", "psd", "ico", "tga", "ppm", "pgm", "pbm",
    "pnm", "exr", "hdr", "qoi", "dds", "dcm", "nii", "raw", "dng", "cr2", "cr3", "nef", "arw",
    "eps",
];

/// Files that desktops and tools leave in folders, in lower case.
const OF_THE_SYSTEM: [&str; 6] =
    ["thumbs.db", "ehthumbs.db", "desktop.ini", "picasa.ini", "icon\r", ".ds_store"];

/// Folders that systems, network storage and tools leave beside the classes, in lower case.
const SYSTEM_FOLDERS: [&str; 10] = [
    "__macosx",
    "@eadir",
    "#recycle",
    "#snapshot",
    "@recycle",
    "$recycle.bin",
    "recycler",
    "system volume information",
    "lost+found",
    "__pycache__",
];

/// Folders of a validation or test split whose images have no label, in lower case.
const UNLABELLED: [&str; 6] =
    ["unknown", "unlabelled", "unlabeled", "unclassified", "unsorted", "no_label"];

/// Folders of data sets for segmentation and detection, in lower case and without a plural's `s`.
const PARTS: [&str; 14] = [
    "image",
    "img",
    "jpegimage",
    "mask",
    "label",
    "annotation",
    "annot",
    "segmentation",
    "segmentationclas",
    "segmentationobject",
    "groundtruth",
    "ground_truth",
    "gt",
    "bbox",
];

/// Words in the name of a split's folder that say nothing.
const FILLERS: [&str; 12] = [
    "set", "sets", "data", "dataset", "image", "images", "img", "imgs", "seg", "split", "photos",
    "pictures",
];

/// The name of a file or folder as it is shown.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The name of a file or folder with all that is not ASCII escaped: `K\xe4se`, `Ka\u{308}se`.
pub(super) fn escaped_name_of(path: &Path) -> String {
    let mut escaped = String::new();
    for chunk in path.file_name().unwrap_or_default().as_encoded_bytes().utf8_chunks() {
        escaped.extend(chunk.valid().chars().map(|c| match c {
            ' '..='~' => c.to_string(),
            _ => c.escape_unicode().to_string(),
        }));
        escaped.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    escaped
}

/// A name with each letter and its accent in one character: macOS writes them as two, other systems as one.
pub(super) fn composed(name: &str) -> String {
    name.nfc().collect()
}

/// What a name is compared by where capitals, blanks around it and the way in which accents are written do not count.
pub(super) fn alike(name: &str) -> String {
    composed(&name.trim().to_lowercase())
}

/// The ending of a name in lower case, or nothing where there is none.
pub(super) fn ending(name: &str) -> Option<String> {
    let ending = Path::new(name).extension()?.to_str()?.to_lowercase();
    (!ending.is_empty()).then_some(ending)
}

/// Whether files of this name are images that are read, whatever is in them.
pub(super) fn is_image(name: &str) -> bool {
    ending(name).is_some_and(|ending| READ.contains(&ending.as_str()))
}

/// Whether files of this name are images of a format that is not read.
pub(super) fn is_other_image(name: &str) -> bool {
    ending(name).is_some_and(|ending| NOT_READ.contains(&ending.as_str()))
}

/// Whether a file has been left by a desktop or tool, so that there is no need to tell of it.
pub(super) fn is_of_the_system(name: &str) -> bool {
    name.starts_with("._")
        || OF_THE_SYSTEM.contains(&name.to_lowercase().as_str())
        || is_hidden(name) && !is_image(name)
}

/// Whether a file or folder is hidden.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

/// Whether a folder is hidden or has been left by a system or tool: it never is a class.
pub(super) fn is_system_folder(name: &str) -> bool {
    is_hidden(name) || SYSTEM_FOLDERS.contains(&name.to_lowercase().as_str())
}

/// Whether a folder of a validation or test split says that its images have no label.
pub(super) fn is_unlabelled(name: &str) -> bool {
    UNLABELLED.contains(&name.to_lowercase().as_str())
}

/// Whether a folder's name is that of a part of a data set for segmentation or detection.
pub(super) fn is_part(name: &str) -> bool {
    PARTS.contains(&name.to_lowercase().trim_end_matches('s'))
}

/// Whether a folder's name says only that there are data in it.
pub(super) fn is_filler(name: &str) -> bool {
    FILLERS.contains(&name.to_lowercase().as_str())
}

/// The split that a folder's name tells, and whether the name says nothing else (`valid`, not `valid_set`).
pub(super) fn split_word(name: &str) -> Option<(Split, bool)> {
    let name = name.to_lowercase();
    if let Some(split) = split_named(&name) {
        return Some((split, true));
    }
    let words = name.split(|letter: char| !letter.is_alphanumeric());
    let mut words = words.filter(|word| !word.is_empty() && !FILLERS.contains(word));
    let (Some(word), None) = (words.next(), words.next()) else { return None };
    let word = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let word = word.strip_suffix("set").unwrap_or(word);
    split_named(word).map(|split| (split, false))
}

fn split_named(word: &str) -> Option<Split> {
    match word {
        "train" | "training" => Some(Split::Train),
        "val" | "valid" | "validation" | "dev" => Some(Split::Val),
        "test" | "testing" => Some(Split::Test),
        _ => None,
    }
}

/// The name of a split in messages.
pub(super) fn split_name(split: Split) -> &'static str {
    match split {
        Split::Train => "training",
        Split::Val => "validation",
        Split::Test => "test",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_known_by_many_names() {
        for (name, split) in [
            ("train", Some((Split::Train, true))),
            ("Training", Some((Split::Train, true))),
            ("VALID", Some((Split::Val, true))),
            ("dev", Some((Split::Val, true))),
            ("Testing", Some((Split::Test, true))),
            ("training_set", Some((Split::Train, false))),
            ("seg_test", Some((Split::Test, false))),
            ("test1", Some((Split::Test, false))),
            ("Test Images", Some((Split::Test, false))),
            ("trainset", Some((Split::Train, false))),
            ("train_station", None),
            ("trainer", None),
            ("images", None),
            ("", None),
            ("猫", None),
        ] {
            assert_eq!(split_word(name), split, "{name}");
        }
    }

    #[test]
    fn endings_are_compared_in_lower_case() {
        assert!(is_image("A.JPG") && is_image("b.jfif") && is_image("c.d.Webp"));
        assert!(!is_image("png") && !is_image(".png") && !is_image("a.") && !is_image("a.heic"));
        assert!(is_other_image("IMG_1.HEIC") && !is_other_image("a.txt"));
    }

    #[test]
    fn what_systems_leave_is_known() {
        for name in ["Thumbs.db", "desktop.ini", ".DS_Store", "._0.png", ".gitkeep"] {
            assert!(is_of_the_system(name), "{name}");
        }
        assert!(!is_of_the_system(".photo.png") && is_hidden(".photo.png"));
        for name in ["__MACOSX", "@eaDir", ".ipynb_checkpoints", "$RECYCLE.BIN", "lost+found"] {
            assert!(is_system_folder(name), "{name}");
        }
        assert!(!is_system_folder("cat"));
    }
}
