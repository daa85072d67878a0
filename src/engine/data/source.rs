//! The names of data sets on the command line, in menus and in run files.

use super::DataError;
use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf, str::FromStr};

/// Where a data set comes from; written as `fashion-mini`, `digits` or `idx:DIR`.
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
    /// A folder with the four files of MNIST, Fashion-MNIST, KMNIST..., compressed or not.
    Idx(PathBuf),
}

impl DataSource {
    /// The data sets that are part of the program, for menus.
    pub const EMBEDDED: [Self; 2] = [Self::FashionMini, Self::Digits];
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FashionMini => f.write_str("fashion-mini"),
            Self::Digits => f.write_str("digits"),
            Self::Idx(folder) => write!(f, "idx:{}", folder.display()),
        }
    }
}

impl FromStr for DataSource {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        match text {
            "fashion-mini" => Ok(Self::FashionMini),
            "digits" => Ok(Self::Digits),
            _ => match text.strip_prefix("idx:") {
                Some(folder) if !folder.is_empty() => Ok(Self::Idx(folder.into())),
                _ => Err(DataError::UnknownSource { given: text.to_owned() }),
            },
        }
    }
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
        for name in ["fashion-mini", "digits", "idx:/data/my mnist", "idx:."] {
            let source: DataSource = name.parse().unwrap();
            assert_eq!(source.to_string(), name);
            let json = serde_json::to_string(&source).unwrap();
            assert_eq!(json, format!("\"{name}\""));
            assert_eq!(serde_json::from_str::<DataSource>(&json).unwrap(), source);
        }
    }

    #[test]
    fn unknown_names_list_the_choices() {
        for name in ["", "mnist", "idx", "idx:", "Digits"] {
            let message = name.parse::<DataSource>().unwrap_err().to_string();
            for choice in [&format!("`{name}`"), "`fashion-mini`", "`digits`", "`idx:DIR`"] {
                assert!(message.contains(choice), "{message}");
            }
        }
    }
}
