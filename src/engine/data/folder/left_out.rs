//! Counts what is left out or taken by a rule, with an example of each kind, for one line that tells it.

use super::names;
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

/// The most kinds that are told one by one.
const TOLD: usize = 8;

/// A kind of thing that is left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Files with this ending.
    Ending(String),
    /// Files without an ending.
    NoEnding,
    /// Hidden images.
    Hidden,
    /// Hidden folders and those of the system.
    SystemFolder,
    /// Pipes, devices and links that lead to nothing.
    NoFile,
    /// Links to folders that are read already.
    Again,
    /// Images that are in the folder of no class.
    InNoClass,
    /// Images in a folder that says that they have no label.
    Unlabelled,
    /// Folders that are neither splits nor classes.
    OtherFolder,
}

impl Kind {
    fn words(&self, count: usize) -> String {
        let (one, many) = match self {
            Self::Ending(ending) => (format!("file .{ending}"), format!("files .{ending}")),
            Self::NoEnding => ("other file".into(), "other files".into()),
            Self::Hidden => ("hidden image".into(), "hidden images".into()),
            Self::SystemFolder => {
                ("hidden or system folder".into(), "hidden or system folders".into())
            }
            Self::NoFile => ("broken link or device".into(), "broken links or devices".into()),
            Self::Again => (
                "link to a folder that is read already".into(),
                "links to folders that are read already".into(),
            ),
            Self::InNoClass => {
                ("image in no class folder".into(), "images in no class folder".into())
            }
            Self::Unlabelled => ("unlabelled image".into(), "unlabelled images".into()),
            Self::OtherFolder => (
                "folder that is neither split nor class".into(),
                "folders that are neither split nor class".into(),
            ),
        };
        format!("{count} {}", if count == 1 { one } else { many })
    }
}

/// The files that are left out: how many of each kind, and one of them.
#[derive(Debug, Default)]
pub(super) struct LeftOut(BTreeMap<Kind, (usize, PathBuf)>);

impl LeftOut {
    /// Counts one; of each kind, the first is the example.
    pub(super) fn add(&mut self, kind: Kind, example: &Path) {
        self.add_many(kind, 1, example);
    }

    /// Counts several with one example.
    pub(super) fn add_many(&mut self, kind: Kind, count: usize, example: &Path) {
        self.0.entry(kind).or_insert_with(|| (0, example.to_owned())).0 += count;
    }

    /// Adds what another one has counted.
    pub(super) fn append(&mut self, other: Self) {
        for (kind, (count, example)) in other.0 {
            self.add_many(kind, count, &example);
        }
    }

    /// Whether there are images of a format that is not read.
    pub(super) fn has_other_images(&self) -> bool {
        self.0.keys().any(
            |kind| matches!(kind, Kind::Ending(ending) if names::is_other_image(&format!("x.{ending}"))),
        )
    }

    /// The kinds with their counts and examples, the most frequent first; nothing if all is empty.
    pub(super) fn told(&self, root: &Path) -> Option<String> {
        let mut kinds: Vec<_> = self.0.iter().collect();
        kinds.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let mut told: Vec<String> = kinds
            .iter()
            .take(TOLD)
            .map(|(kind, (count, example))| {
                format!("{} ({})", kind.words(*count), relative(root, example))
            })
            .collect();
        let rest: usize = kinds.iter().skip(TOLD).map(|(_, (count, _))| count).sum();
        if rest > 0 {
            told.push(crate::format::counted(
                rest,
                "other file or folder",
                "other files and folders",
            ));
        }
        (!told.is_empty()).then(|| told.join(", "))
    }
}

/// A count with an example.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// How many there are.
    pub(super) count: usize,
    example: Option<PathBuf>,
}

impl Tally {
    /// Counts one.
    pub(super) fn add(&mut self, example: &Path) {
        self.count += 1;
        self.example.get_or_insert_with(|| example.to_owned());
    }

    /// The example, as it is told.
    pub(super) fn example(&self, root: &Path) -> String {
        self.example.as_ref().map_or_else(String::new, |example| relative(root, example))
    }
}

/// A path as it is told: relative to the folder that the user has named.
pub(super) fn relative(root: &Path, path: &Path) -> String {
    match path.strip_prefix(root) {
        Ok(inner) if !inner.as_os_str().is_empty() => inner.display().to_string(),
        _ => path.display().to_string(),
    }
}

/// The noun for a count: `1 image`, `2 images`.
pub(super) struct Images(pub(super) usize);

impl fmt::Display for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} image{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_kinds_are_told_first_with_an_example_each() {
        let root = Path::new("/pets");
        let mut left = LeftOut::default();
        assert_eq!(left.told(root), None);
        left.add(Kind::Ending("txt".into()), Path::new("/pets/train/a.txt"));
        for number in 1..4 {
            let path = format!("/pets/train/cat/{number}.heic");
            left.add(Kind::Ending("heic".into()), Path::new(&path));
        }
        assert_eq!(
            left.told(root).unwrap(),
            "3 files .heic (train/cat/1.heic), 1 file .txt (train/a.txt)"
        );
        for number in 0..10 {
            left.add(Kind::Ending(format!("x{number}")), Path::new("/elsewhere"));
        }
        assert!(left.told(root).unwrap().ends_with("(/elsewhere), 4 other files and folders"));
    }
}
