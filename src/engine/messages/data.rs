//! What is said of data and of tables of known results. What stands in their lines is refused in the tests of the readers.

use super::keep_each;
use crate::engine::{
    data::{DataError, Place},
    delimited::SheetError,
    sniff::Kind,
    table::{TableError, Unknown},
    text::TextError,
};
use std::io;

fn system() -> io::Error {
    io::Error::from(io::ErrorKind::PermissionDenied)
}

fn place(offset: u64, packed: bool) -> Place {
    Place { file: "data/train-images-idx3-ubyte".into(), offset, packed }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn failed(files: &[&str]) -> Vec<(String, String)> {
    files.iter().map(|&file| (file.to_owned(), "truncated".to_owned())).collect()
}

#[test]
fn data_is_refused_in_these_words() {
    keep_each!(
        DataError,
        UnknownSource { given: "mnist".to_owned() },
        UnknownSource { given: "src".to_owned() },
        UnknownSource { given: "Cargo.toml".to_owned() },
        KnownResults { file: "results.csv".into() },
        NoFolder { folder: "data".into() },
        OtherFile {
            file: "data/labels".into(),
            what: Kind::WebPage.to_string(),
            wanted: "a file in IDX format",
            fix: "download it again".to_owned()
        },
        NoIdxFiles { folder: "data".into() },
        UnclearFiles {
            folder: "data".into(),
            files: names(&["a (10 images)", "b (10 images)"]),
            wanted: "train-images-idx3-ubyte and train-labels-idx1-ubyte"
        },
        UnlistableFolder { folder: "data".into(), source: system() },
        SeveralSets { folder: "data".into(), names: names(&["digits", "letters"]) },
        MissingFile { folder: "data".into(), looked_for: names(&["batches.meta.txt"]) },
        MissingFile {
            folder: "data".into(),
            looked_for: names(&["data_batch_1.bin", "train.bin"])
        },
        Unreadable { place: place(16, false), source: system() },
        Unreadable { place: place(4096, true), source: system() },
        WrongMagic { place: place(0, false), found: [0, 0, 8, 1], expected: [0, 0, 8, 3] },
        WrongMagic { place: place(0, false), found: [0, 0, 13, 3], expected: [0, 0, 8, 3] },
        WrongMagic { place: place(0, true), found: *b"PK\x03\x04", expected: [0, 0, 8, 1] },
        ZeroSize { place: place(8, false), what: "number of labels" },
        TooLarge { place: place(4, false), announced: 1 << 80, limit: 1 << 34 },
        Truncated { place: place(1000, false), expected: 7_840_016 },
        TrailingBytes { place: place(7_840_016, false) },
        CountMismatch {
            images_file: "data/train-images".into(),
            images: 60_000,
            labels_file: "data/train-labels".into(),
            labels: 10_000
        },
        SizeMismatch {
            place: place(8, false),
            found: [28, 28],
            other: "data/t10k-images".into(),
            expected: [32, 32]
        },
        LabelOutOfRange { place: place(12, false), label: 11 },
        NoSuchLabel { place: place(3073, false), label: 200, last: 9 },
        ClassNames { file: "data/batches.meta.txt".into(), found: 9, wanted: 10 },
        ClassFolders { folder: "photos".into(), found: 1, limit: 1000, splits: Vec::new() },
        ClassFolders {
            folder: "photos".into(),
            found: 0,
            limit: 1000,
            splits: vec![("test".to_owned(), "test")]
        },
        ClassFolders {
            folder: "photos".into(),
            found: 1,
            limit: 1000,
            splits: vec![("dev".to_owned(), "validation")]
        },
        SameNames { folder: "photos".into(), names: names(&["caf\\u{e9}", "cafe\\u{301}"]) },
        ClassesLower {
            folder: "photos".into(),
            folders: names(&["2023", "2024"]),
            inside: names(&["cat", "dog"])
        },
        NotClasses { folder: "photos".into(), names: names(&["images", "masks"]) },
        TwoLabels { folder: "photos/dog".into(), class: "cat".to_owned() },
        NoClassFolders { folder: "photos".into() },
        SplitsInClasses { folder: "photos/cat".into() },
        SeveralFolders {
            folder: "photos".into(),
            what: "the training images",
            is_named: true,
            names: names(&["train", "training"])
        },
        SeveralFolders {
            folder: "photos".into(),
            what: "the test images",
            is_named: false,
            names: names(&["test", "testing"])
        },
        UnknownClass { folder: "photos/test/wolf".into() },
        EmptyFolder { folder: "photos/train/cat".into(), instead: String::new() },
        UnreadableImages {
            folder: "photos".into(),
            images: 40,
            failed: failed(&["train/cat/1.png", "train/dog/7.png"])
        },
        NothingReadable {
            folder: "photos".into(),
            what: "image of the test split".to_owned(),
            failed: failed(&["test/cat/1.png"])
        },
        FolderTooLarge {
            folder: "photos".into(),
            shape: [3, 512, 512],
            images: 1_000_000,
            bytes: 786_432_000_000,
            limit: 1 << 34
        },
        NoFile { file: "rows.csv".into() },
        TableTooLarge { file: "rows.csv".into(), bytes: 1 << 35, limit: 1 << 30 },
        NoTable { file: "rows.csv".into(), source: SheetError::Binary },
        Row { file: "rows.csv".into(), line: 7, what: "WHAT; FIX".to_owned() },
        NoColumn {
            file: "rows.csv".into(),
            label: "price".to_owned(),
            columns: names(&["width", "height"])
        },
        Column {
            file: "rows.csv".into(),
            column: "width".to_owned(),
            what: "WHAT; FIX".to_owned()
        },
        Labels { file: "rows.csv".into(), column: "kind".to_owned(), what: "WHAT; FIX".to_owned() },
        UnfitRows { name: "csv:rows.csv".to_owned(), columns: 4, wanted: [1, 28, 28] },
        OneClass { file: "data/train-labels".into(), label: 3 },
        TooFewImages { file: "data/train-images".into(), images: 4 },
        Inconsistent { what: "WHAT; FIX".to_owned() },
        Channels { name: "images:photos".to_owned(), channels: 3, wanted: 1 },
        UnfitShape { shape: [1, 0, 28], images: 60_000, bytes: 0, limit: 1 << 34 },
    );
}

#[test]
fn sheets_are_refused_in_these_words() {
    keep_each!(
        SheetError,
        Read(system()),
        TooLarge { bytes: 1 << 35, limit: 1 << 30 },
        Packed(io::Error::other("corrupt deflate stream")),
        Unpacked(1 << 30),
        Kind { kind: Kind::Parquet, fix: "export it as CSV" },
        Format("JSON"),
        Text(TextError::DamagedUtf16 { line: 3 }),
        OpenQuotes { line: 3 },
        AfterQuotes { line: 3, cell: "a".to_owned() },
        TooManyCells { line: 3, limit: 65_536 },
        Formula { sheet: "Data".to_owned(), line: 3 },
        Binary,
        Hash { line: 3, cell: "a".to_owned() },
        Separator,
        WrongSeparator { named: "semicolons".to_owned(), found: "commas".to_owned() },
        Workbook("invalid Zip archive".to_owned()),
    );
}

#[test]
fn text_is_refused_in_these_words() {
    keep_each!(
        TextError,
        NotUtf8 { line: 3, byte: 0xe9 },
        DamagedUtf16 { line: 3 },
        DamagedUtf32 { line: 3 },
        Other(Kind::Pickle),
    );
}

#[test]
fn tables_of_known_results_are_refused_in_these_words() {
    keep_each!(
        TableError,
        Read { path: "known.csv".into(), source: system() },
        NoTable { path: "known.csv".into(), source: SheetError::OpenQuotes { line: 3 } },
        Numbers { path: "known.csv".into(), column: "search", what: "WHAT; FIX".to_owned() },
        NoAccuracy { path: "known.csv".into(), architecture: "0/1".to_owned(), search: -3.5 },
        NoResults { path: "known.csv".into(), rows: 2 },
        CutNumbers {
            path: "known.csv".into(),
            line: 2,
            width: 3,
            cells: 5,
            why: "CAUSE; FIX".to_owned()
        },
        Joined { path: "known.csv".into(), example: "k3e4".to_owned(), cut: "k3/e4".to_owned() },
        TooManyChoices { path: "known.csv".into(), count: 15_000, layers: 1, limit: 256 },
        Column {
            path: "known.csv".into(),
            line: 1,
            column: "search",
            count: 0,
            found: "architecture, report".to_owned()
        },
        Line { path: "known.csv".into(), line: 2, what: "WHAT".to_owned(), fix: "FIX" },
        NoRows { path: "known.csv".into() },
        Incomplete {
            path: "known.csv".into(),
            rows: 3,
            combinations: "4".to_owned(),
            example: "1/1".to_owned(),
            rarest: "1".to_owned(),
            position: 1,
            line: 4
        },
    );
    keep_each!(
        Unknown,
        Node("a".into()),
        Operations("a".into()),
        Link("a".into(), "b".into()),
        SeveralBlocks,
        Candidate,
    );
}
