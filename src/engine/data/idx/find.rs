//! Finding the files of a data set in IDX format: what they hold tells images from labels, their names tell the splits.

use super::super::{
    DataError,
    files::open,
    sniff::{Kind, sniff},
};
use flate2::bufread::MultiGzDecoder;
use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

/// How many folders below the one that was named are looked into, as in `MNIST/raw`.
const DEEPEST: usize = 2;

/// The most files and folders that are looked at.
const MOST: usize = 1000;

/// How much of a file tells what it is.
const PEEKED: u64 = 512;

/// The names of the files of MNIST.
const NAMES: &str = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and \
                     t10k-labels-idx1-ubyte";

/// The images and the labels of a split.
pub(super) type Files = [PathBuf; 2];

/// The files of a data set.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) train: Files,
    pub(super) val: Option<Files>,
    pub(super) test: Option<Files>,
    /// A file that says which characters the labels stand for, as EMNIST has one.
    pub(super) mapping: Option<PathBuf>,
    /// What was inferred.
    pub(super) notes: Vec<String>,
}

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Train,
    Val,
    Test,
}

/// The content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Images,
    Labels,
}

impl What {
    fn words(self) -> [&'static str; 2] {
        match self {
            Self::Images => ["images", "idx3-ubyte"],
            Self::Labels => ["labels", "idx1-ubyte"],
        }
    }
}

/// What the name of a file says.
#[derive(Clone, Debug)]
struct Name {
    part: Option<Part>,
    what: Option<What>,
    /// The data set, where several have their files in a folder: what is left of the name.
    set: String,
}

/// A file that may be one of a data set.
#[derive(Clone, Debug)]
struct File {
    path: PathBuf,
    name: Name,
    /// The folder of the data set.
    home: PathBuf,
    depth: usize,
    holds: Option<What>,
    /// Whether it holds 32-bit integers: bytes are taken first.
    integers: bool,
    /// How many images or labels it announces.
    count: u32,
}

impl File {
    /// Whether its name says split and content, as those of MNIST do.
    fn is_named(&self) -> bool {
        self.name.part.is_some() && self.name.what.is_some()
    }

    /// Why it cannot be read, where it holds something else than its name says.
    fn refusal(&self) -> Option<DataError> {
        if self.holds.is_some() {
            return None;
        }
        let reader = open(&self.path).ok()?;
        match self.name.what? {
            What::Images => super::Idx::read(reader, &self.path, super::IMAGE_SIZES).err(),
            What::Labels => super::Idx::read_labels(reader, &self.path).err(),
        }
    }
}

/// Folder and name of a data set.
type Key = (PathBuf, String);

/// How a data set is called in `folder`.
fn shown(folder: &Path, (home, name): &Key) -> String {
    let within = home.strip_prefix(folder).unwrap_or(home);
    let path = if name.is_empty() { within.to_owned() } else { within.join(name) };
    path.display().to_string()
}

/// The files of a data set that belong together.
#[derive(Debug, Default)]
struct Set {
    files: Vec<File>,
}

/// Finds the data set in `folder`, or the one called `folder` among several that lie beside each other.
pub(super) fn find(folder: &Path) -> Result<Found, DataError> {
    if folder.is_dir() {
        return find_in(folder);
    }
    if !folder.exists()
        && let (Some(parent), Some(name)) = (folder.parent(), folder.file_name())
    {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let wanted = words(&name.to_string_lossy()).join("-");
        let called = |path: &Path| words(&file_name(path)).join("-").starts_with(&wanted);
        let mut files = Vec::new();
        for path in entries(parent).into_iter().filter(|path| called(path) && path.is_file()) {
            files.extend(look_at(parent, path, 0));
        }
        let sets = sets(files);
        if let Some((_, set)) = sets.into_iter().find(|((_, name), _)| *name == wanted) {
            return set.found(parent, &wanted);
        }
    }
    if folder.is_file()
        && let Some(found) = around(folder)?
    {
        return Ok(found);
    }
    match peek(folder).kind.filter(|_| folder.is_file()) {
        Some(kind) => Err(other(folder, kind)),
        None => Err(DataError::NoFolder { folder: folder.to_owned() }),
    }
}

/// The data set that the file at `path` is one of, if its name says so and the others lie beside it.
fn around(path: &Path) -> Result<Option<Found>, DataError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let given = look_at(parent, path.to_owned(), 0);
    let Some(given) = given.filter(|file| file.name.part.is_some()) else { return Ok(None) };
    let files = entries(parent).into_iter().filter(|path| path.is_file());
    let files = files.filter_map(|path| look_at(parent, path, 0)).collect();
    let belongs = |set: &Set| set.files.iter().any(|file| file_name(&file.path) == file_name(path));
    let Some(((_, name), set)) = sets(files).into_iter().find(|(_, set)| belongs(set)) else {
        return Ok(None);
    };
    if !set.has(Part::Train) || given.holds.is_none() {
        return Ok(None);
    }
    let mut found = set.found(parent, &name)?;
    found
        .notes
        .insert(0, format!("{} is a file; the data set in its folder is read", path.display()));
    Ok(Some(found))
}

fn find_in(folder: &Path) -> Result<Found, DataError> {
    let (mut level, mut files, mut seen) = (vec![folder.to_owned()], Vec::new(), Vec::new());
    let mut looked_at = 0;
    for depth in 0..=DEEPEST {
        let mut below = Vec::new();
        for path in level.iter().flat_map(|folder| entries(folder)) {
            looked_at += 1;
            if looked_at > MOST {
                break;
            }
            if path.is_dir() {
                below.push(path);
            } else if path.is_file() {
                seen.push(path.clone());
                files.extend(look_at(folder, path, depth));
            }
        }
        level = below;
        // The files of a set may be looked at again further down: each in a folder of its own.
        if sets_of(&files).any(|parts| parts.contains(&Part::Train) && parts.contains(&Part::Test))
        {
            break;
        }
    }
    let mut sets: Vec<_> = sets(files.clone()).into_iter().collect();
    let whole = |set: &Set| set.has(Part::Train) && set.has(Part::Test);
    for wanted in [&whole as &dyn Fn(&Set) -> bool, &|set| set.has(Part::Train)] {
        let depths = sets.iter().filter(|(_, set)| wanted(set)).map(|(_, set)| set.depth());
        let Some(depth) = depths.min() else { continue };
        let good = |(_, set): &(Key, Set)| wanted(set) && set.depth() == depth;
        let good: Vec<_> = (0..sets.len()).filter(|&place| good(&sets[place])).collect();
        // Files without the name of a data set are what is meant, whatever lies beside them.
        let unnamed: Vec<_> =
            good.iter().copied().filter(|&place| sets[place].0.1.is_empty()).collect();
        let ((&[place], _) | (_, &[place])) = (good.as_slice(), unnamed.as_slice()) else {
            let names = good.iter().map(|&place| shown(folder, &sets[place].0)).collect();
            return Err(DataError::SeveralSets { folder: folder.to_owned(), names });
        };
        let (key, set) = sets.swap_remove(place);
        let mut found = set.found(folder, &key.1)?;
        if good.len() > 1 {
            let others = good.len() - 1;
            found
                .notes
                .push(format!("{others} other data set(s) in {} are left out", key.0.display()));
        }
        return Ok(found);
    }
    if let Some(found) = by_content(folder, &files) {
        return found;
    }
    // Nothing is whole: what is nearest to it says what is missing.
    sets.sort_by_key(|(_, set)| std::cmp::Reverse(set.files.len()));
    if let Some(((_, name), set)) = sets.into_iter().next() {
        let is_named = set.files.iter().any(File::is_named);
        return set.found(folder, if is_named { &name } else { "" });
    }
    let strange = seen.iter().find_map(|path| Some((path, peek(path).kind?)));
    match strange {
        Some((path, kind)) => Err(other(path, kind)),
        None => Err(DataError::NoIdxFiles { folder: folder.to_owned() }),
    }
}

/// The files of a data set of which the names do not say what belongs together: what they hold and how much of it
/// does. There is none where no folder has both images and labels.
fn by_content(folder: &Path, files: &[File]) -> Option<Result<Found, DataError>> {
    let is_copy = |file: &File| {
        file.path.extension().is_some_and(|ending| ending == "gz")
            && files.iter().any(|other| other.path == file.path.with_extension(""))
    };
    let mut homes = BTreeMap::<&Path, [Vec<&File>; 2]>::new();
    for file in files.iter().filter(|file| !is_copy(file)) {
        let [images, labels] = homes.entry(&file.home).or_default();
        match file.holds {
            Some(What::Images) => images.push(file),
            Some(What::Labels) => labels.push(file),
            None => {}
        }
    }
    let both = |[images, labels]: &[Vec<&File>; 2]| !images.is_empty() && !labels.is_empty();
    let (home, [images, labels]) = homes.into_iter().find(|(_, files)| both(files))?;
    let Some(parts) = pairs(&images, &labels) else {
        let all = images.iter().chain(&labels);
        if all.clone().any(|file| file.is_named()) {
            return None;
        }
        let told = |file: &&File| {
            let [what, _] = file.holds.unwrap_or(What::Images).words();
            format!("{} ({} {what})", file_name(&file.path), file.count)
        };
        let (folder, files) = (home.to_owned(), all.map(told).collect());
        return Some(Err(DataError::UnclearFiles { folder, files, wanted: NAMES }));
    };
    let of = |part| {
        parts.iter().find(|(known, _)| *known == part).map(|(_, pair)| pair.map(|f| f.path.clone()))
    };
    let train = of(Part::Train)?;
    let (val, test) = (of(Part::Val), of(Part::Test));
    let told = |files: &Files| files.each_ref().map(|path| file_name(path)).join(" and ");
    let mut notes =
        vec![format!("{} are taken for the training files by their content", told(&train))];
    for (files, what) in [(&val, "validation"), (&test, "test")] {
        notes.extend(files.as_ref().map(|files| format!("{} for the {what} files", told(files))));
    }
    let mut notes = vec![notes.join(", ")];
    if home != folder {
        notes.push(format!("the files were found in {}", home.display()));
    }
    Some(Ok(Found { train, val, test, mapping: None, notes }))
}

/// Images with the labels of which there are as many, and the split that they are of: what their names say, or else
/// the most are for training, and fewer for testing. Nothing where that leaves a choice.
fn pairs<'f>(images: &[&'f File], labels: &[&'f File]) -> Option<Vec<(Part, [&'f File; 2])>> {
    let belong = |a: &File, b: &File| {
        let parts = (a.name.part, b.name.part);
        let named_apart = a.is_named() && b.is_named() && a.name.set != b.name.set;
        let same_part = parts.0 == parts.1 || parts.0.is_none() || parts.1.is_none();
        a.count == b.count && same_part && !named_apart
    };
    let mut open = Vec::new();
    let mut known: Vec<(Part, [&File; 2])> = Vec::new();
    for &image in images {
        let mut with = labels.iter().filter(|label| belong(image, label));
        let (Some(&label), None) = (with.next(), with.next()) else { return None };
        if images.iter().filter(|image| belong(image, label)).count() > 1 {
            return None;
        }
        match image.name.part.or(label.name.part) {
            Some(part) if known.iter().any(|&(other, _)| other == part) => return None,
            Some(part) => known.push((part, [image, label])),
            None => open.push([image, label]),
        }
    }
    open.sort_by_key(|[image, _]| std::cmp::Reverse(image.count));
    for part in [Part::Train, Part::Test] {
        if !known.iter().any(|&(other, _)| other == part) && !open.is_empty() {
            known.push((part, open.remove(0)));
        }
    }
    let is_whole = open.is_empty() && known.len() == labels.len();
    (is_whole && known.iter().any(|&(part, _)| part == Part::Train)).then_some(known)
}

impl Set {
    fn of(&self, part: Part) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.name.part.unwrap_or(Part::Train) == part)
    }

    /// Whether there are images and labels of a part.
    fn has(&self, part: Part) -> bool {
        [What::Images, What::Labels]
            .iter()
            .all(|&what| self.of(part).any(|f| f.holds == Some(what)))
    }

    fn depth(&self) -> usize {
        self.files.iter().map(|file| file.home.components().count()).min().unwrap_or(0)
    }

    /// The file with images or labels of a part: the one that holds them, or else the one that is called so, which
    /// reading will refuse with the reason.
    fn choose(&self, part: Part, what: What) -> Option<&File> {
        let order = |file: &&File| {
            let name = file_name(&file.path);
            let (dotted, packed) = (name.contains(".idx"), name.ends_with(".gz"));
            (
                file.integers,
                file.name.what != Some(what),
                file.depth,
                dotted,
                packed,
                file.path.clone(),
            )
        };
        let holding = self.of(part).filter(|file| file.holds == Some(what));
        let called = self.of(part).filter(|file| file.name.what == Some(what));
        holding.min_by_key(order).or_else(|| called.min_by_key(order))
    }

    /// The files, and what was inferred to find them in `folder`.
    fn found(&self, folder: &Path, name: &str) -> Result<Found, DataError> {
        let mut notes = Vec::new();
        let mut chosen: Vec<&Path> = Vec::new();
        let mut pair = |part| {
            let files = [What::Images, What::Labels].map(|what| (what, self.choose(part, what)));
            if part != Part::Train && files.iter().all(|(_, file)| file.is_none()) {
                return Ok(None);
            }
            let mut paths = Vec::new();
            for (what, file) in files {
                let home = self.files.first().map_or(folder, |file| &file.home);
                let Some(file) = file else {
                    let wrong = self.files.iter().find_map(File::refusal);
                    return Err(wrong.unwrap_or_else(|| missing(home, name, part, what)));
                };
                if file.holds == Some(what) && file.name.what.is_some_and(|said| said != what) {
                    let [what, _] = what.words();
                    notes.push(format!(
                        "{} holds {what}, in spite of its name",
                        file.path.display()
                    ));
                }
                chosen.push(&file.path);
                paths.push(file.path.clone());
            }
            Ok(<Files>::try_from(paths).ok())
        };
        let train = pair(Part::Train)?;
        let train = train.ok_or_else(|| missing(folder, name, Part::Train, What::Images))?;
        let (val, test) = (pair(Part::Val)?, pair(Part::Test)?);
        if let Some(File { home, .. }) = self.files.first().filter(|file| file.home != folder) {
            notes.push(format!("the files were found in {}", home.display()));
        }
        let copies = self
            .files
            .iter()
            .filter(|file| file.holds.is_some() && !chosen.contains(&file.path.as_path()));
        let copies: Vec<_> = copies.map(|file| file_name(&file.path)).collect();
        if let Some(first) = copies.first() {
            notes.push(format!(
                "{} further file(s) of the same kind are left out: {first}{}",
                copies.len(),
                if copies.len() > 1 { " and so on" } else { "" }
            ));
        }
        let home = self.files.first().map_or(folder, |file| &file.home);
        let wanted =
            if name.is_empty() { "mapping-txt".into() } else { format!("{name}-mapping-txt") };
        let is_mapping = |path: &PathBuf| words(&file_name(path)).join("-") == wanted;
        let mapping = entries(home).into_iter().find(|path| is_mapping(path) && path.is_file());
        Ok(Found { train, val, test, mapping, notes })
    }
}

/// The parts of which each data set has both images and labels.
fn sets_of(files: &[File]) -> impl Iterator<Item = Vec<Part>> {
    let mut sets = BTreeMap::<(&Path, &str), Vec<&File>>::new();
    for file in files {
        sets.entry((&file.home, &file.name.set)).or_default().push(file);
    }
    sets.into_values().map(|files| {
        let has =
            |part, what| files.iter().any(|f| f.holds == Some(what) && f.name.part == Some(part));
        let parts = [Part::Train, Part::Val, Part::Test].into_iter();
        parts.filter(|&part| has(part, What::Images) && has(part, What::Labels)).collect()
    })
}

/// The files by folder and data set.
fn sets(files: Vec<File>) -> BTreeMap<Key, Set> {
    let mut sets = BTreeMap::<_, Set>::new();
    for file in files {
        sets.entry((file.home.clone(), file.name.set.clone())).or_default().files.push(file);
    }
    // Training and test files of which only one says what they are of.
    let keys: Vec<_> = sets.keys().cloned().collect();
    if let [first, second] = keys.as_slice()
        && first.0 == second.0
        && [(first, second), (second, first)].iter().any(|(train, test)| {
            let only =
                |key: &Key, part| sets[key].files.iter().all(|file| file.name.part == Some(part));
            only(train, Part::Train) && only(test, Part::Test)
        })
        && let (Some(mut set), Some(other)) = (sets.remove(first), sets.remove(second))
    {
        set.files.extend(other.files);
        sets.insert(first.clone(), set);
    }
    sets
}

/// The file at `path` in `root`, if it is in IDX format or is called so.
fn look_at(root: &Path, path: PathBuf, depth: usize) -> Option<File> {
    let peeked = peek(&path);
    let own = file_name(&path);
    let mut name = name_of(&own);
    let is_called_so = own.contains("idx") || own.contains("ubyte");
    let names_all = is_called_so && name.what.is_some() && name.part.is_some();
    if !(peeked.idx || names_all) {
        return None;
    }
    let mut home = path.parent().unwrap_or(root).to_owned();
    let plain = |name: &str| words(name.trim_end_matches(".gz"));
    if home != root && plain(&file_name(&home)) == plain(&own) {
        // Some archives have each file in a folder of its name.
        home.pop();
    }
    if name.part.is_none() && home != root {
        let folder = name_of(&file_name(&home));
        if folder.part.is_some() {
            name.part = folder.part;
            home.pop();
        }
    }
    // Integers are labels, unless the file is called otherwise.
    let holds = peeked.holds.filter(|_| !peeked.integers || name.what != Some(What::Images));
    let (integers, count) = (peeked.integers, peeked.count);
    Some(File { path, name, home, depth, holds, integers, count })
}

/// What the beginning of a file says.
#[derive(Debug, Default)]
struct Peeked {
    holds: Option<What>,
    idx: bool,
    /// Whether it holds 32-bit integers.
    integers: bool,
    /// How many images or labels it announces.
    count: u32,
    kind: Option<Kind>,
}

fn peek(path: &Path) -> Peeked {
    let read = |mut reader: &mut dyn Read| {
        let mut bytes = Vec::new();
        // What cannot be read is found out where the file is.
        let _ = (&mut reader).take(PEEKED).read_to_end(&mut bytes);
        bytes
    };
    let Ok(mut file) = open(path) else { return Peeked::default() };
    let mut bytes = read(&mut file);
    let packed = bytes.starts_with(&[0x1f, 0x8b]);
    if packed && let Ok(file) = open(path) {
        bytes = read(&mut MultiGzDecoder::new(file));
    }
    let kind = match sniff(&bytes) {
        // Nothing can be unpacked of a file that is cut off.
        Some(Kind::Empty) if packed => Some(Kind::Gzip),
        kind => kind,
    };
    let magic = bytes.first_chunk().copied().unwrap_or_default();
    if super::elements(magic).is_none() {
        return Peeked { kind, ..Peeked::default() };
    }
    let count = bytes.get(4..).and_then(<[u8]>::first_chunk);
    let count = count.map_or(0, |&count| u32::from_be_bytes(count));
    let (holds, integers) = match magic {
        [0, 0, 8, 3] => (Some(What::Images), false),
        [0, 0, 8, 1] => (Some(What::Labels), false),
        [0, 0, super::INTEGERS, 1 | 2] => (Some(What::Labels), true),
        _ => (None, false),
    };
    Peeked { holds, idx: true, integers, count, kind: None }
}

/// What to do about a file of another kind.
pub(super) fn other(file: &Path, kind: Kind) -> DataError {
    let fix = match kind {
        // What is cut off, among others.
        Kind::Gzip => "unpack it and give the folder that comes out".to_owned(),
        Kind::WebPage | Kind::Pointer | Kind::Empty => kind.fix().to_owned(),
        Kind::Image => "use `images:DIR` for a folder of images".to_owned(),
        _ => kind.unpack(file).unwrap_or_else(|| {
            format!("get the data set in the format of MNIST: {NAMES}, packed or not")
        }),
    };
    other_as(file, kind.to_string(), &fix)
}

/// A file that is something else, and what to do about it.
pub(super) fn other_as(file: &Path, what: String, fix: &str) -> DataError {
    let (file, fix) = (file.to_owned(), fix.to_owned());
    DataError::OtherFile { file, what, wanted: "a file of images or labels in IDX format", fix }
}

fn missing(folder: &Path, set: &str, part: Part, what: What) -> DataError {
    let part = match part {
        Part::Train => "train",
        Part::Val => "val",
        Part::Test if set.is_empty() => "t10k",
        Part::Test => "test",
    };
    let set = if set.is_empty() { String::new() } else { format!("{set}-") };
    let [what, kind] = what.words();
    let spelling = |separator, ending| format!("{set}{part}-{what}{separator}{kind}{ending}");
    let looked_for =
        [spelling('-', ""), spelling('-', ".gz"), spelling('.', ""), spelling('.', ".gz")];
    DataError::MissingFile { folder: folder.to_owned(), looked_for: looked_for.into() }
}

/// What a name says.
fn name_of(name: &str) -> Name {
    const TRAIN: [&str; 4] = ["train", "training", "trn", "tr"];
    const TEST: [&str; 6] = ["test", "testing", "t10k", "tst", "te", "eval"];
    const VAL: [&str; 4] = ["val", "valid", "validation", "dev"];
    const IMAGES: [&str; 6] = ["images", "image", "imgs", "img", "x", "idx3"];
    const LABELS: [&str; 5] = ["labels", "label", "targets", "y", "idx1"];
    const OTHERS: [&str; 20] = [
        "idx", "idx2", "idx4", "ubyte", "byte", "uint8", "sbyte", "int8", "short", "int16", "int",
        "int32", "long", "float", "float32", "double", "float64", "gz", "bin", "data",
    ];
    let words = words(name);
    // A word by itself, or as a part of one such as `trainImages`.
    let part_of = |word: &str, inside: bool| {
        let is = |choices: &[&str]| {
            choices.iter().any(|choice| {
                word == *choice || (inside && choice.len() > 3 && word.contains(choice))
            })
        };
        let parts = [(Part::Train, &TRAIN[..]), (Part::Test, &TEST), (Part::Val, &VAL)];
        parts.into_iter().find(|(_, choices)| is(choices)).map(|(part, _)| part)
    };
    let what_of = |word: &str, inside: bool| {
        let is = |choices: &[&str]| {
            choices.iter().any(|choice| {
                word == *choice || (inside && choice.len() > 4 && word.contains(choice))
            })
        };
        let whats = [(What::Images, &IMAGES[..]), (What::Labels, &LABELS)];
        whats.into_iter().find(|(_, choices)| is(choices)).map(|(what, _)| what)
    };
    let alone = words.iter().any(|word| part_of(word, false).is_some());
    let part = words.iter().find_map(|word| part_of(word, !alone));
    let what = words.iter().find_map(|word| what_of(word, true));
    let describes = |word: &&String| {
        part_of(word, !alone).is_some()
            || what_of(word, true).is_some()
            || OTHERS.contains(&word.as_str())
    };
    let rest: Vec<_> = words.iter().filter(|word| !describes(word)).cloned().collect();
    Name { part, what, set: rest.join("-") }
}

/// The words of a name, without the number that browsers give to a file that they have loaded twice.
fn words(name: &str) -> Vec<String> {
    let name = name.to_lowercase();
    let first = match name.split_once(" (") {
        Some((first, rest)) => match rest.split_once(')') {
            Some((number, end)) if number.parse::<u32>().is_ok() => format!("{first}{end}"),
            _ => name,
        },
        None => name,
    };
    let words = first.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The entries of a folder, without hidden ones, always in the same order; none where it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| {
        let name = file_name(path);
        !name.starts_with('.') && name != "__MACOSX"
    });
    // What is called as files in IDX format are is looked at first.
    paths.sort_by_cached_key(|path| {
        let name = file_name(path);
        (!(name.contains("idx") || name.contains("ubyte")), path.clone())
    });
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_part_content_and_data_set() {
        use {Part::*, What::*};
        for (name, part, what, set) in [
            ("train-images-idx3-ubyte", Some(Train), Some(Images), ""),
            ("t10k-labels.idx1-ubyte.gz", Some(Test), Some(Labels), ""),
            (
                "emnist-letters-test-images-idx3-ubyte.gz",
                Some(Test),
                Some(Images),
                "emnist-letters",
            ),
            ("val-labels-idx1-ubyte", Some(Val), Some(Labels), ""),
            ("X_train.idx", Some(Train), Some(Images), ""),
            ("y_test.idx", Some(Test), Some(Labels), ""),
            ("trainImages.idx3", Some(Train), Some(Images), ""),
            ("latest-train-images.idx", Some(Train), Some(Images), "latest"),
            ("train-images-idx3-ubyte (1).gz", Some(Train), Some(Images), ""),
            ("qmnist-train-labels-idx2-int.gz", Some(Train), Some(Labels), "qmnist"),
            ("images.idx3", None, Some(Images), ""),
            ("kmnist49-training-labels", Some(Train), Some(Labels), "kmnist49"),
        ] {
            let found = name_of(name);
            assert_eq!((found.part, found.what, found.set.as_str()), (part, what, set), "{name}");
        }
    }
}
