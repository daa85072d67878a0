//! What was read, in numbers: how many examples each split and each class has. Kept in the `data.ron` of a run, so
//! that reports can say what results are worth without reading the data again.

use super::{Dataset, Split, Targets, Task};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A data set in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSummary {
    /// Channels, height, width of each example.
    pub shape: [usize; 3],
    /// Training, validation and test examples.
    pub examples: [usize; 3],
    /// The classes with their examples; empty where the targets are numbers.
    pub classes: Vec<ClassCount>,
    /// Whether all numbers of the validation split are equal; `false` for classes.
    #[serde(default)]
    pub constant_validation: bool,
    /// What was inferred, changed or left out when the data was read, and how the template was fitted to it.
    pub notes: Vec<String>,
}

/// How many examples a class has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassCount {
    /// Its name.
    pub name: String,
    /// Its training examples.
    pub train: usize,
    /// Its validation examples.
    pub val: usize,
    /// Its test examples.
    pub test: usize,
}

impl DataSummary {
    /// The data set in numbers.
    pub fn of(data: &Dataset) -> Self {
        let counts = Split::ALL.map(|split| data.split(split).class_counts());
        let count = |split: usize, class: usize| counts[split].get(class).copied().unwrap_or(0);
        let classes = match &data.task {
            Task::Classes(names) => names
                .iter()
                .enumerate()
                .map(|(class, name)| ClassCount {
                    name: name.clone(),
                    train: count(0, class),
                    val: count(1, class),
                    test: count(2, class),
                })
                .collect(),
            Task::Number(_) => Vec::new(),
        };
        let constant_validation = match data.val.targets() {
            Targets::Numbers(numbers) => numbers.windows(2).all(|pair| pair[0] == pair[1]),
            Targets::Classes(_) => false,
        };
        Self {
            shape: data.shape(),
            examples: Split::ALL.map(|split| data.split(split).len()),
            classes,
            constant_validation,
            notes: data.notes.clone(),
        }
    }

    /// Validation examples.
    pub fn validation(&self) -> usize {
        self.examples[1]
    }

    /// The class that most validation examples show, with its share of them; `None` for numbers.
    pub fn commonest(&self) -> Option<(&str, f64)> {
        let class = self.classes.iter().rev().max_by_key(|class| class.val)?;
        Some((&class.name, class.val as f64 / self.validation().max(1) as f64))
    }
}

/// How many classes are told one by one.
const TOLD: usize = 10;

impl fmt::Display for DataSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [train, val, test] = self.examples;
        write!(f, "{train} training, {val} validation and {test} test examples")?;
        if self.classes.is_empty() {
            return write!(f, " with a number to predict");
        }
        write!(f, " of {} classes", self.classes.len())?;
        let all = |class: &ClassCount| class.train + class.val + class.test;
        for (place, class) in self.classes.iter().take(TOLD).enumerate() {
            let before = if place == 0 { ": " } else { ", " };
            write!(f, "{before}{} {}", class.name, all(class))?;
        }
        match self.classes.len().checked_sub(TOLD) {
            Some(more @ 1..) => write!(f, " and {more} more"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::data::Images;

    #[test]
    fn a_summary_counts_every_class_in_every_split() {
        let images = |labels: &[u8]| {
            Images::new([1, 1, 1], vec![0_u8; labels.len()], labels.to_vec()).unwrap()
        };
        let names = vec!["cat".to_owned(), "dog".to_owned()];
        let (train, val, test) = (images(&[0, 1, 1, 0]), images(&[1, 1, 0]), images(&[0]));
        let data = Dataset::new("toy", names, train, val, test).unwrap();
        let summary = DataSummary::of(&data);
        assert_eq!(summary.commonest(), Some(("dog", 2.0 / 3.0)));
        assert_eq!(
            summary.to_string(),
            "4 training, 3 validation and 1 test examples of 2 classes: cat 4, dog 4"
        );
        let text = ron::to_string(&summary).unwrap();
        assert_eq!(ron::from_str::<DataSummary>(&text).unwrap(), summary);
    }

    #[test]
    fn numbers_have_no_classes_and_may_all_be_equal() {
        let rows = |numbers: &[f32]| {
            Images::new([1, 1, 1], vec![0.0_f32; numbers.len()], numbers.to_vec()).unwrap()
        };
        let (train, val) = (rows(&[1.0, 2.0]), rows(&[3.0, 3.0]));
        let data = Dataset::new("toy", Vec::new(), train.clone(), val, train).unwrap();
        let summary = DataSummary::of(&data);
        assert_eq!((summary.commonest(), summary.constant_validation), (None, true));
        assert!(summary.to_string().ends_with("with a number to predict"));
    }
}
