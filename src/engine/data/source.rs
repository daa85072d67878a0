//! The names of data sets on the command line, in menus and in run files.

use super::DataError;
use crate::engine::files::expand_home;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Where a data set comes from; written as `fashion-mini`, `digits`, or a kind of files and their path, such
/// as `idx:DIR`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DataSource {
    /// A class-balanced cut of Fashion-MNIST that is part of the program: 28×28, 4,000 training, 1,000
    /// validation and 1,000 test images.
    #[default]
    FashionMini,
    /// The UCI digits that scikit-learn carries, part of the program: 8×8, 1,197 training, 300 validation and
    /// 300 test images. The quick one.
    Digits,
    /// `idx:DIR`: a folder with the four files of MNIST, Fashion-MNIST, KMNIST..., compressed or not.
    Idx(PathBuf),
    /// `cifar10:DIR`: a folder with the binary version of CIFAR-10.
    Cifar10(PathBuf),
    /// `cifar100:DIR`: a folder with the binary version of CIFAR-100; its fine labels are the classes.
    Cifar100(PathBuf),
    /// `images:DIR`: a folder with `train/<class>/*.png` or `.jpg`, and perhaps `val` and `test` alike.
    Images(PathBuf),
    /// `csv:FILE` or `csv:FILE#LABEL`: a table of numbers. An existing file whose name holds a `#` is that file;
    /// nothing after the last `#` is the last column.
    Csv {
        /// The file.
        file: PathBuf,
        /// The column to predict, by its name or its number from 1; the last one where it is left out.
        label: Option<String>,
    },
    /// `table:FILE`: a [table of known results](crate::engine::table), which is searched and not trained on.
    Table(PathBuf),
}

impl DataSource {
    /// The data sets that are part of the program, for menus.
    pub const EMBEDDED: [Self; 2] = [Self::FashionMini, Self::Digits];

    /// The kinds of data sets on disk, each with what its path leads to, for menus and help.
    pub const ON_DISK: [(&str, &str); 6] = [
        ("idx", "folder with the files of MNIST or a relative, under any name"),
        ("cifar10", "folder with the binary files of CIFAR-10"),
        ("cifar100", "folder with the binary files of CIFAR-100"),
        ("images", "folder of images: a folder per class, below train, val and test or alone"),
        (
            "csv",
            "table (.csv, .csv.gz, .xlsx); add #COLUMN where the last column is not what to predict",
        ),
        (
            "table",
            "table of known results (columns architecture, search, report, perhaps canonical): it is searched without training",
        ),
    ];

    /// The kind and the path, as in [`Self::ON_DISK`]; `None` for what is part of the program.
    pub fn on_disk(&self) -> Option<(&'static str, &Path)> {
        match self {
            Self::FashionMini | Self::Digits => None,
            Self::Idx(folder) => Some(("idx", folder)),
            Self::Cifar10(folder) => Some(("cifar10", folder)),
            Self::Cifar100(folder) => Some(("cifar100", folder)),
            Self::Images(folder) => Some(("images", folder)),
            Self::Csv { file, .. } => Some(("csv", file)),
            Self::Table(file) => Some(("table", file)),
        }
    }

    /// The same kind of files at another path; what is part of the program stays what it is.
    pub fn at(&self, path: PathBuf) -> Self {
        match self {
            Self::FashionMini | Self::Digits => self.clone(),
            Self::Idx(_) => Self::Idx(path),
            Self::Cifar10(_) => Self::Cifar10(path),
            Self::Cifar100(_) => Self::Cifar100(path),
            Self::Images(_) => Self::Images(path),
            Self::Csv { label, .. } => Self::Csv { file: path, label: label.clone() },
            Self::Table(_) => Self::Table(path),
        }
    }

    /// The file of a table of known results; `None` for what is trained on.
    pub fn known_results(&self) -> Option<&Path> {
        match self {
            Self::Table(file) => Some(file),
            Self::FashionMini
            | Self::Digits
            | Self::Idx(_)
            | Self::Cifar10(_)
            | Self::Cifar100(_)
            | Self::Images(_)
            | Self::Csv { .. } => None,
        }
    }

    /// A short name for menus and run folders: that of the folder, of the table, or of what is part of the
    /// program.
    pub fn short_name(&self) -> String {
        let Some((kind, path)) = self.on_disk() else { return self.to_string() };
        let name = match self {
            Self::Csv { .. } | Self::Table(_) => path.file_stem(),
            Self::FashionMini
            | Self::Digits
            | Self::Idx(_)
            | Self::Cifar10(_)
            | Self::Cifar100(_)
            | Self::Images(_) => path.file_name(),
        };
        name.map_or_else(|| kind.to_owned(), |name| name.to_string_lossy().into_owned())
    }
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.on_disk()) {
            (Self::Digits, _) => f.write_str("digits"),
            (_, None) => f.write_str("fashion-mini"),
            (Self::Csv { label: Some(label), .. }, Some((kind, file))) => {
                write!(f, "{kind}:{}#{label}", file.display())
            }
            (Self::Csv { label: None, .. }, Some((kind, file))) => {
                let file = file.display().to_string();
                // Where a part of the name would be read as a label.
                let end = if split_by_form(&file).is_some() { "#" } else { "" };
                write!(f, "{kind}:{file}{end}")
            }
            (_, Some((kind, path))) => write!(f, "{kind}:{}", path.display()),
        }
    }
}

impl FromStr for DataSource {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let unknown = || DataError::UnknownSource { given: text.to_owned() };
        match text.trim().to_lowercase().as_str() {
            "fashion-mini" => return Ok(Self::FashionMini),
            "digits" => return Ok(Self::Digits),
            _ => {}
        }
        let (kind, path) = text.split_once(':').ok_or_else(unknown)?;
        if path.is_empty() {
            return Err(unknown());
        }
        let here = |path: &str| expand_home(Path::new(path));
        match kind.trim().to_lowercase().as_str() {
            "idx" => Ok(Self::Idx(here(path))),
            "cifar10" => Ok(Self::Cifar10(here(path))),
            "cifar100" => Ok(Self::Cifar100(here(path))),
            "images" => Ok(Self::Images(here(path))),
            "table" => Ok(Self::Table(here(path))),
            "csv" => {
                let is_file = |file: &str| here(file).is_file();
                let (file, label) = split_label(path, &is_file).unwrap_or((path, ""));
                if file.is_empty() {
                    return Err(unknown());
                }
                let label = (!label.is_empty()).then(|| label.to_owned());
                Ok(Self::Csv { file: here(file), label })
            }
            _ => Err(unknown()),
        }
    }
}

/// File and label, which may be empty, where `text` has both: the file is the longest one that there is; without any,
/// its form decides.
fn split_label<'a>(text: &'a str, is_file: &dyn Fn(&str) -> bool) -> Option<(&'a str, &'a str)> {
    if is_file(text) {
        return None;
    }
    let splits = text.rmatch_indices('#').map(|(place, _)| (&text[..place], &text[place + 1..]));
    splits.into_iter().find(|(file, _)| is_file(file)).or_else(|| split_by_form(text))
}

/// The same where nothing is known of files. Both may hold a `#`, and a label may hold a `/`.
fn split_by_form(text: &str) -> Option<(&str, &str)> {
    if let Some(file) = text.strip_suffix('#') {
        return Some((file, ""));
    }
    let mut splits = text.match_indices('#').map(|(place, _)| (&text[..place], &text[place + 1..]));
    // The name of a file has an ending, mostly, and that of a folder has none.
    let ends = |(file, _): &(&str, &str)| Path::new(file).extension().is_some();
    splits.find(ends).or_else(|| text.rsplit_once('#').filter(|(_, label)| !label.contains('/')))
}

impl TryFrom<String> for DataSource {
    type Error = DataError;

    fn try_from(text: String) -> Result<Self, DataError> {
        text.parse()
    }
}

impl From<DataSource> for String {
    fn from(source: DataSource) -> Self {
        source.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_as_text_and_in_files() {
        for name in [
            "fashion-mini",
            "digits",
            "idx:/data/my mnist",
            "idx:.",
            "cifar10:/data",
            "cifar100:here",
            "images:cats and dogs",
            "table:nas-bench.csv",
            "csv:iris.csv",
            "csv:C:/my#data/wine.csv#quality of it",
            "csv:/my#data/wine.csv",
            "csv:/my#data/cars.csv#km/l",
            "csv:/no/such/cars.csv#item #1",
            "csv:/no/such/table#km",
            "csv:/no/such/a#b.csv#",
            "csv:/no/such/a#b.csv#c",
            "csv:/no/such/my.old#cars.csv#",
        ] {
            let source: DataSource = name.parse().unwrap();
            assert_eq!(source.to_string(), name);
            let json = serde_json::to_string(&source).unwrap();
            assert_eq!(json, format!("\"{name}\""));
            assert_eq!(serde_json::from_str::<DataSource>(&json).unwrap(), source);
        }
    }

    #[test]
    fn capitals_and_spaces_around_kinds_do_not_matter() {
        for (text, meant) in [
            ("CSV:Iris.csv", "csv:Iris.csv"),
            ("Images:Cats", "images:Cats"),
            (" Digits", "digits"),
            ("Fashion-MINI", "fashion-mini"),
        ] {
            assert_eq!(text.parse::<DataSource>().unwrap().to_string(), meant);
        }
    }

    #[test]
    fn a_file_whose_name_holds_a_number_sign_is_meant_where_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| format!("csv:{}/{name}", folder.path().display());
        let parsed = |name: &str| match at(name).parse().unwrap() {
            DataSource::Csv { file, label } => {
                let source = DataSource::Csv { file: file.clone(), label: label.clone() };
                assert_eq!(source.to_string().parse::<DataSource>().unwrap(), source, "{source}");
                (file.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned(), label)
            }
            other => panic!("{other}"),
        };
        let of = |file: &str, label: &str| {
            (file.to_owned(), (!label.is_empty()).then(|| label.to_owned()))
        };
        assert_eq!(parsed("cars #2.csv"), of("cars ", "2.csv"), "nothing is there yet");
        std::fs::write(folder.path().join("cars #2.csv"), "").unwrap();
        assert_eq!(parsed("cars #2.csv"), of("cars #2.csv", ""));
        assert_eq!(parsed("cars #2.csv#"), of("cars #2.csv", ""));
        assert_eq!(parsed("cars #2.csv#km"), of("cars #2.csv", "km"));
        assert_eq!(parsed("cars #2.csv#km#h"), of("cars #2.csv", "km#h"));
        assert_eq!(parsed("cars #2.csv#km#"), of("cars #2.csv", "km#"));
        std::fs::write(folder.path().join("plain"), "").unwrap();
        assert_eq!(parsed("plain#km/l"), of("plain", "km/l"), "a file without an ending");
        assert_eq!(parsed("plain#"), of("plain", ""));
    }

    #[test]
    fn a_tilde_at_the_beginning_is_the_home_folder() {
        let Some(home) = std::env::home_dir() else { return };
        let parsed = |name: &str| name.parse::<DataSource>().unwrap();
        assert_eq!(parsed("idx:~/mnist"), DataSource::Idx(home.join("mnist")));
        let csv = DataSource::Csv { file: home.join("a.csv"), label: Some("~".to_owned()) };
        assert_eq!(parsed("csv:~/a.csv#~"), csv);
    }

    #[test]
    fn unknown_names_list_the_choices() {
        for name in ["", "mnist", "idx", "idx:", "digit", "csv:#label", "csv:#", "cifar:x"] {
            let message = name.parse::<DataSource>().unwrap_err().to_string();
            for choice in [&format!("`{name}`"), "`fashion-mini`", "`digits`", "`idx:DIR`"] {
                assert!(message.contains(choice), "{message}");
            }
            for (kind, _) in DataSource::ON_DISK {
                assert!(message.contains(&format!("`{kind}:")), "{message}");
            }
        }
    }

    #[test]
    fn short_names_are_those_of_folder_and_table() {
        let short = |name: &str| name.parse::<DataSource>().unwrap().short_name();
        assert_eq!(short("digits"), "digits");
        assert_eq!(short("cifar10:/data/cifar-10-batches-bin"), "cifar-10-batches-bin");
        assert_eq!(short("csv:/data/iris.csv#kind"), "iris");
        assert_eq!(short("table:/data/nas-bench.csv"), "nas-bench");
        assert_eq!(short("idx:/"), "idx");
    }
}
