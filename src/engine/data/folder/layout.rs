//! Which folders are splits and which are classes.
//!
//! Known are `train/<class>` with `val` and `test` beside it under any of their usual names, class folders
//! without splits, and both of them inside of further folders, as archives unpack.

use super::{
    left_out::{Kind, LeftOut, relative},
    listing::{entries, has_images, holds_images, is_any_image, subfolders},
    names,
};
use crate::engine::data::{DataError, Split};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// The most classes that a label can tell apart.
const MAX_CLASSES: usize = 1 << 16;

/// The most folders around the splits or classes.
const MAX_WRAPPERS: usize = 4;

/// Where the images of each split are.
#[derive(Debug)]
pub(super) struct Layout {
    /// The folder that has the splits, or the classes where there are none.
    pub(super) root: PathBuf,
    /// The folder that has the classes of the training split.
    pub(super) train: PathBuf,
    /// The folders of the classes, in the order of their names.
    pub(super) classes: Vec<PathBuf>,
    /// The folders of the validation and the test split, as they are named and as they are read.
    pub(super) val: Option<SplitFolder>,
    /// The test split.
    pub(super) test: Option<SplitFolder>,
    /// Folders that hold nothing but all the others, each with the one to go on in.
    pub(super) wrappers: Vec<(PathBuf, PathBuf)>,
    /// The folder that is named as the training split.
    train_folder: Option<PathBuf>,
}

/// The folder of a split.
#[derive(Clone, Debug)]
pub(super) struct SplitFolder {
    /// The folder with the name of the split.
    named: PathBuf,
    /// The folder with the classes: the same, or one in it.
    pub(super) inner: PathBuf,
}

/// A step on the way to the splits.
enum Step {
    Found(Layout),
    Into(PathBuf),
}

impl Layout {
    /// Looks for splits and classes under `folder`.
    pub(super) fn find(folder: &Path) -> Result<Self, DataError> {
        let mut root = folder.to_owned();
        let mut wrappers = Vec::new();
        for _ in 0..MAX_WRAPPERS {
            match step(&root)? {
                Step::Found(layout) if (2..=MAX_CLASSES).contains(&layout.classes.len()) => {
                    check_classes(&layout.train, &layout.classes)?;
                    return Ok(Self { wrappers, ..layout });
                }
                Step::Found(layout) => {
                    return Err(class_folders(layout.train, layout.classes.len(), &[]));
                }
                Step::Into(inner) => {
                    wrappers.push((root, inner.clone()));
                    root = inner;
                }
            }
        }
        Err(class_folders(root, 0, &[]))
    }

    /// The names of the classes.
    pub(super) fn class_names(&self) -> Vec<String> {
        self.classes.iter().map(|path| names::name_of(path)).collect()
    }

    /// The folders in the root that are used, so that the rest can be told.
    pub(super) fn used(&self) -> Vec<&Path> {
        let splits = [&self.val, &self.test].into_iter().flatten().map(|split| &*split.named);
        let mut used: Vec<&Path> = splits.chain(self.train_folder.as_deref()).collect();
        if self.train == self.root {
            used.extend(self.classes.iter().map(PathBuf::as_path));
        }
        used
    }

    /// What is worth a word: folders that are not where or named as they mostly are.
    pub(super) fn notes(&self, folder: &Path) -> Vec<String> {
        let mut notes = Vec::new();
        if self.train == self.root {
            let place = if self.root == folder {
                String::new()
            } else {
                format!(" of {}", relative(folder, &self.root))
            };
            notes.push(format!("no training folder: the folders{place} are taken for the classes"));
        }
        let train = (self.train != self.root).then_some(&self.train);
        let val = self.val.as_ref().map(|split| &split.inner);
        let test = self.test.as_ref().map(|split| &split.inner);
        let read: Vec<_> =
            [("train", Split::Train, train), ("val", Split::Val, val), ("test", Split::Test, test)]
                .into_iter()
                .filter_map(|(usual, split, path)| {
                    let told = relative(folder, path?);
                    (told != usual).then(|| {
                        format!("{} images are read from {told}", names::split_name(split))
                    })
                })
                .collect();
        if !read.is_empty() {
            notes.push(read.join(", "));
        }
        notes
    }
}

/// Too few or too many classes; `beside` are the folders among which they were looked for.
fn class_folders(folder: PathBuf, found: usize, beside: &[PathBuf]) -> DataError {
    let splits = beside.iter().filter_map(|path| {
        let name = names::name_of(path);
        let (split, _) = names::split_word(&name)?;
        (split != Split::Train).then(|| (name, names::split_name(split)))
    });
    DataError::ClassFolders { folder, found, limit: MAX_CLASSES, splits: splits.collect() }
}

/// Refuses folders that are not, or not surely, classes.
fn check_classes(root: &Path, classes: &[PathBuf]) -> Result<(), DataError> {
    let mut shown = BTreeMap::<String, &Path>::new();
    for class in classes {
        if let Some(other) = shown.insert(names::composed(&names::name_of(class)), class) {
            return Err(DataError::SameNames {
                folder: root.to_owned(),
                names: vec![names::escaped_name_of(other), names::escaped_name_of(class)],
            });
        }
    }
    let folders: Vec<String> = shown.into_keys().collect();
    if folders.iter().all(|name| names::is_part(name)) {
        return Err(DataError::NotClasses { folder: root.to_owned(), names: folders });
    }
    let mut inside: Option<BTreeSet<String>> = None;
    for class in classes {
        let here: BTreeSet<String> =
            subfolders(class)?.iter().map(|path| names::name_of(path)).collect();
        // One folder alone may be there for its own sake: cat/images, dog/images.
        let same = inside.as_ref().is_none_or(|inside| *inside == here);
        if here.len() < 2 || !same || has_images(class)? {
            return Ok(());
        }
        inside = Some(here);
    }
    let inside = inside.into_iter().flatten().collect();
    Err(DataError::ClassesLower { folder: root.to_owned(), folders, inside })
}

fn step(root: &Path) -> Result<Step, DataError> {
    let folders = subfolders(root)?;
    let train = pick(root, &folders, Split::Train)?.map(inner).transpose()?;
    let mut flat_train = None;
    if let Some(train) = train {
        let classes = subfolders(&train.inner)?;
        let flat = has_images(&train.inner)?;
        if (!flat && !classes.is_empty()) || any_holds_images(&classes)? {
            return Ok(Step::Found(Layout {
                root: root.to_owned(),
                val: pick(root, &folders, Split::Val)?.map(inner).transpose()?,
                test: pick(root, &folders, Split::Test)?.map(inner).transpose()?,
                classes,
                wrappers: Vec::new(),
                train_folder: Some(train.named),
                train: train.inner,
            }));
        }
        let beside = folders.iter().any(|path| {
            matches!(names::split_word(&names::name_of(path)), Some((Split::Val | Split::Test, _)))
        });
        if (flat && beside) || others(&folders)?.is_empty() {
            return Err(if flat {
                DataError::NoClassFolders { folder: train.inner }
            } else {
                class_folders(train.inner, 0, &[])
            });
        }
        // A class can be called so: trains are vehicles, too.
        flat_train = flat.then_some(train.named);
    }
    let mut others = others(&folders)?;
    others.extend(flat_train);
    others.sort();
    without_train(root, &folders, others)
}

/// The folders with images whose name is not that of a split.
fn others(folders: &[PathBuf]) -> Result<Vec<PathBuf>, DataError> {
    let mut others = Vec::new();
    for path in folders {
        if names::split_word(&names::name_of(path)).is_none() && holds_images(path)? {
            others.push(path.clone());
        }
    }
    Ok(others)
}

fn any_holds_images(folders: &[PathBuf]) -> Result<bool, DataError> {
    for folder in folders {
        if holds_images(folder)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Goes on where no folder is a training split: with class folders, or into the folder that has all.
fn without_train(
    root: &Path,
    folders: &[PathBuf],
    others: Vec<PathBuf>,
) -> Result<Step, DataError> {
    match others.as_slice() {
        [] if has_images(root)? => {
            return Err(DataError::NoClassFolders { folder: root.to_owned() });
        }
        [] => return Err(class_folders(root.to_owned(), 0, folders)),
        [one] if has_images(one)? => return Err(class_folders(root.to_owned(), 1, folders)),
        [one] => return Ok(Step::Into(one.clone())),
        _ => {}
    }
    let mut with_splits = Vec::new();
    for path in &others {
        let inside = subfolders(path)?;
        if let Some(train) = pick(path, &inside, Split::Train)? {
            if any_holds_images(&subfolders(&inner(train)?.inner)?)? {
                with_splits.push(path);
            } else if pick(path, &inside, Split::Val)?
                .or(pick(path, &inside, Split::Test)?)
                .is_some()
            {
                return Err(DataError::SplitsInClasses { folder: path.clone() });
            }
        }
    }
    match with_splits.as_slice() {
        [] => Ok(Step::Found(Layout {
            root: root.to_owned(),
            train: root.to_owned(),
            classes: others,
            val: pick(root, folders, Split::Val)?.map(inner).transpose()?,
            test: pick(root, folders, Split::Test)?.map(inner).transpose()?,
            wrappers: Vec::new(),
            train_folder: None,
        })),
        [one] => Ok(Step::Into((*one).clone())),
        several => Err(DataError::SeveralFolders {
            folder: root.to_owned(),
            what: "the data set",
            is_named: true,
            names: several.iter().map(|path| names::name_of(path)).collect(),
        }),
    }
}

/// The folder of a split: the one that is named so, or else the one whose name says so among other words.
fn pick(root: &Path, folders: &[PathBuf], split: Split) -> Result<Option<PathBuf>, DataError> {
    let named = |whole: bool| {
        let folders = folders.iter();
        folders
            .filter(|path| names::split_word(&names::name_of(path)) == Some((split, whole)))
            .collect::<Vec<_>>()
    };
    let mut found = named(true);
    if found.is_empty() {
        found = named(false);
    }
    if found.len() > 1 {
        return Err(DataError::SeveralFolders {
            folder: root.to_owned(),
            what: match split {
                Split::Train => "the training split",
                Split::Val => "the validation split",
                Split::Test => "the test split",
            },
            is_named: false,
            names: found.iter().map(|path| names::name_of(path)).collect(),
        });
    }
    Ok(found.first().map(|&path| path.clone()))
}

/// Goes into a folder of a split while all it has is another one of the same name, or one called `images`.
fn inner(named: PathBuf) -> Result<SplitFolder, DataError> {
    let mut inner = named.clone();
    for _ in 0..MAX_WRAPPERS {
        let folders = subfolders(&inner)?;
        let [only] = folders.as_slice() else { break };
        let (name, above) = (names::name_of(only), names::name_of(&inner));
        let same = names::split_word(&name).map(|(split, _)| split)
            == names::split_word(&above).map(|(split, _)| split)
            && names::split_word(&name).is_some();
        if !(same || names::is_filler(&name)) || has_images(&inner)? {
            break;
        }
        inner.clone_from(only);
    }
    Ok(SplitFolder { named, inner })
}

/// The folders of a validation or test split with the index of their class.
#[derive(Debug, Default)]
pub(super) struct Labelled {
    /// The folders and the indices of their classes.
    pub(super) folders: Vec<(PathBuf, usize)>,
    /// Folders whose name differs from that of their class in case or blanks.
    pub(super) renamed: Vec<(String, String)>,
}

/// Finds the class of each folder of a validation or test split: the one of exactly the same name, or else the only
/// one whose name differs in case, blanks or how accents are written. What has no label is left out.
pub(super) fn labelled(
    split: &Path,
    classes: &[PathBuf],
    left_out: &mut LeftOut,
) -> Result<Labelled, DataError> {
    let mut found = Labelled::default();
    let known: BTreeMap<&OsStr, usize> = classes
        .iter()
        .enumerate()
        .filter_map(|(index, class)| Some((class.file_name()?, index)))
        .collect();
    // Names that are not UTF-8 are shown alike although they differ: they count by their bytes alone.
    let plain: Vec<(usize, &str)> =
        known.iter().filter_map(|(name, &class)| Some((class, name.to_str()?))).collect();
    for folder in subfolders(split)? {
        let exactly = folder.file_name().and_then(|name| known.get(name));
        if let Some(&class) = exactly {
            found.folders.push((folder, class));
            continue;
        }
        let name = names::name_of(&folder);
        let is_plain = folder.file_name().is_some_and(|name| name.to_str().is_some());
        // A name that differs only in accents is preferred to one that differs in capitals and blanks.
        let ways: [fn(&str) -> String; 2] = [names::composed, names::alike];
        let same = ways.iter().filter(|_| is_plain).find_map(|way| {
            let mut same = plain.iter().filter(|(_, known)| way(known) == way(&name));
            same.next().filter(|_| same.next().is_none())
        });
        if let Some(&(class, known)) = same {
            found.renamed.push((name, known.to_owned()));
            found.folders.push((folder, class));
        } else if names::is_unlabelled(&name) {
            left_out.add_many(Kind::Unlabelled, count(&folder)?, &folder);
        } else if holds_images(&folder)? {
            return Err(DataError::UnknownClass { folder });
        }
    }
    Ok(found)
}

/// How many images lie in a folder.
fn count(folder: &Path) -> Result<usize, DataError> {
    Ok(entries(folder)?.iter().filter(|entry| is_any_image(entry)).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    /// A folder with an (empty) image at each of these places.
    fn folder(images: &[&str]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for image in images {
            let path = folder.path().join(image);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    /// Where training, validation and test images are read from, and the classes.
    fn found(images: &[&str]) -> Result<[String; 4], String> {
        let folder = folder(images);
        let root = folder.path();
        let layout = Layout::find(root)
            .map_err(|error| error.to_string().replace(&root.display().to_string(), "DIR"))?;
        let told = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
        let split = |split: &Option<SplitFolder>| {
            split.as_ref().map_or_else(|| "-".into(), |split| told(&split.inner))
        };
        Ok([
            told(&layout.train),
            split(&layout.val),
            split(&layout.test),
            layout.class_names().join(" "),
        ])
    }

    #[test]
    fn splits_are_found_under_their_usual_names_and_in_further_folders() {
        for (images, expected) in [
            (&["train/a/1.png", "train/b/1.png"][..], ["train", "-", "-", "a b"]),
            (
                &["Training/a/1.png", "Training/b/1.png", "Validation/a/1.png", "Testing/b/1.png"],
                ["Training", "Validation", "Testing", "a b"],
            ),
            (
                &["train/a/1.png", "train/b/1.png", "valid/a/1.png", "test/b/1.png"],
                ["train", "valid", "test", "a b"],
            ),
            (
                &[
                    "seg_train/seg_train/a/1.png",
                    "seg_train/seg_train/b/1.png",
                    "seg_test/seg_test/a/1.png",
                    "seg_pred/seg_pred/1.png",
                ],
                ["seg_train/seg_train", "-", "seg_test/seg_test", "a b"],
            ),
            (
                &["set/set/train/a/1.png", "set/set/train/b/1.png", "__MACOSX/set/._1.png"],
                ["set/set/train", "-", "-", "a b"],
            ),
            (
                &["images/train/a/1.png", "images/train/b/1.png", "labels/train/a/1.txt"],
                ["images/train", "-", "-", "a b"],
            ),
            (
                &["set/train/a/1.png", "set/train/b/1.png", "docs/figure.png"],
                ["set/train", "-", "-", "a b"],
            ),
            (&["a/1.png", "b/1.png", "c/readme.txt"], ["", "-", "-", "a b"]),
            (&["PetImages/Cat/1.jpg", "PetImages/Dog/1.jpg"], ["PetImages", "-", "-", "Cat Dog"]),
            (&["a/1.png", "b/1.png", "test/1.png"], ["", "-", "test", "a b"]),
            // A train is a vehicle, too.
            (&["bus/1.png", "car/1.png", "train/1.png"], ["", "-", "-", "bus car train"]),
            (&["train/a b/1.png", "train/猫/web/1.png"], ["train", "-", "-", "a b 猫"]),
        ] {
            assert_eq!(found(images).as_ref(), Ok(&expected.map(str::to_owned)), "{images:?}");
        }
    }

    #[test]
    fn the_same_subfolder_of_all_classes_is_no_level_of_classes() {
        let images = &["a/images/1.png", "b/images/1.png", "c/images/1.png"];
        assert_eq!(found(images), Ok(["", "-", "-", "a b c"].map(str::to_owned)));
        let images = &["a/l/1.png", "a/r/1.png", "b/l/1.png", "b/r/1.png", "b/1.png"];
        assert_eq!(found(images), Ok(["", "-", "-", "a b"].map(str::to_owned)));
    }

    #[test]
    fn a_folder_that_cannot_be_listed_is_an_error_and_not_without_images() {
        let folder = folder(&["a/1.png"]);
        let error = holds_images(&folder.path().join("gone")).unwrap_err().to_string();
        assert!(error.starts_with("cannot list the folder"), "{error}");
        assert!(error.ends_with("give read rights, or move it away"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_not_utf8_are_matched_by_their_bytes() {
        use std::os::unix::ffi::OsStrExt;
        let (one, other) = (OsStr::from_bytes(b"K\xe4se"), OsStr::from_bytes(b"K\xf6se"));
        let folder = folder(&["train/a/1.png"]);
        let put = |split: &str, name: &OsStr| {
            let class = folder.path().join(split).join(name);
            fs::create_dir_all(&class).unwrap();
            fs::write(class.join("1.png"), "").unwrap();
            class
        };
        put("train", one);
        let layout = Layout::find(folder.path()).unwrap();
        let of = |split: &str| {
            labelled(&folder.path().join(split), &layout.classes, &mut LeftOut::default())
        };
        let in_val = put("val", one);
        assert_eq!(of("val").unwrap().folders, [(in_val, 0)]);
        let in_test = put("test", other);
        assert!(matches!(of("test"), Err(DataError::UnknownClass { folder }) if folder == in_test));
        put("train", other);
        let error = Layout::find(folder.path()).unwrap_err().to_string();
        assert!(error.contains(r"K\xe4se and K\xf6se"), "{error}");
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused_with_the_fix() {
        for (images, words) in [
            (&[][..], "DIR has 0 class folder(s)"),
            (&["train/a/1.png"], "DIR/train has 1 class folder(s)"),
            (&["a/1.png"], "DIR has 1 class folder(s)"),
            (
                &["train/1.png", "train/2.png", "labels.csv"],
                "DIR/train: its images are in no class folder",
            ),
            (&["train/1.png", "test/2.png", "more/3.png"], "DIR/train: its images"),
            (&["1.png"], "DIR: its images are in no class folder"),
            (&["train/a/1.png", "Train/b/1.png"], "Train, train"),
            (
                &["train/a/1.png", "train/b/1.png", "val/a/1.png", "valid/a/1.png"],
                "the validation split: val, valid; keep one of them, and rename, merge or move the others",
            ),
            (&["x/train/a/1.png", "y/train/a/1.png"], "x, y; name one of them in the command"),
            (
                &["val/a/1.png", "val/b/1.png", "test/a/1.png"],
                "DIR has a folder of test images (`test`), but none of training images; put",
            ),
            (&["a/train/1.png", "a/test/1.png", "b/train/1.png"], "DIR/a"),
            (
                &["f1/a/1.png", "f1/b/1.png", "f2/a/1.png", "f2/b/1.png"],
                "DIR: f1, f2 all have the folders a, b and no images of their own: the classes seem to lie one level lower",
            ),
            (
                &["images/1.png", "Masks/1.png"],
                "Masks, images are no classes but the parts of a segmentation",
            ),
            (
                &["control/1.png", "test/1.png"],
                "(`test` is taken for the test split; if it is a class, put the classes into train/)",
            ),
        ] {
            let message = found(images).unwrap_err();
            assert!(message.contains(words), "{images:?}: {message}");
        }
    }
}
