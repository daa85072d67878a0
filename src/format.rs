//! Numbers, durations and names as people read them: the same everywhere, in the window and on the command
//! line.

use crate::engine::{
    data::DataSummary,
    search::{Evaluation, Objective},
    template::Graph,
};

/// A count in at most four characters and a unit: `999`, `12.3 k`, `4.5 M`, `123 G`.
pub(crate) fn compact(count: u64) -> String {
    if count < 1000 {
        return count.to_string();
    }
    let mut value = count as f64;
    for unit in ["k", "M", "G", "T", "P"] {
        value /= 1000.0;
        if value < 99.95 {
            return format!("{value:.1} {unit}");
        }
        if value < 999.5 {
            return format!("{value:.0} {unit}");
        }
    }
    format!("{:.1} E", value / 1000.0)
}

/// A count in full with its thousands apart: `1,234,567`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share in `0..=1` as `71.3 %`.
pub(crate) fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1} %", 100.0 * share) } else { "not a number".to_owned() }
}

/// What the engine calls accuracy, by its right name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Quality {
    /// A share of images.
    #[default]
    Accuracy,
    /// The share of the variance that is explained, where numbers are predicted.
    R2,
}

impl Quality {
    /// Of candidates of this template; one output predicts a number, or, as the data in numbers tells, which of two
    /// classes it is.
    pub(crate) fn of(graph: &Graph, data: Option<&DataSummary>) -> Self {
        let numbers = data.map_or(graph.classes() == 1, |data| data.classes.is_empty());
        if numbers { Self::R2 } else { Self::Accuracy }
    }

    /// `accuracy` or `R²`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::R2 => "R²",
        }
    }

    /// A value: `71.3 %` or `0.713`.
    pub(crate) fn text(self, value: f64) -> String {
        match self {
            Self::Accuracy => percent(value),
            Self::R2 => format!("{value:.3}"),
        }
    }
}

/// What candidates are told by: what the run makes large, by its right name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Goal {
    /// What accuracy is.
    pub(crate) quality: Quality,
    /// What the run makes large.
    pub(crate) objective: Objective,
}

impl Goal {
    /// `accuracy`, `R²`, `balanced accuracy` or `loss`.
    pub(crate) fn name(self) -> &'static str {
        match self.objective {
            Objective::Accuracy => self.quality.name(),
            Objective::BalancedAccuracy => "balanced accuracy",
            Objective::Loss => "loss",
        }
    }

    /// A value of it: `71.3 %` or `0.713`.
    pub(crate) fn text(self, figure: f64) -> String {
        match self.objective {
            Objective::Accuracy => self.quality.text(figure),
            Objective::BalancedAccuracy => percent(figure),
            Objective::Loss if figure.is_finite() => format!("{figure:.4}"),
            Objective::Loss => "not a number".to_owned(),
        }
    }

    /// What an evaluation gave in it.
    pub(crate) fn of(self, evaluation: &Evaluation) -> String {
        self.text(self.objective.figure(evaluation))
    }

    /// The same where it stands alone: with its name, if that is not accuracy.
    #[cfg(feature = "gui")]
    pub(crate) fn named(self, evaluation: &Evaluation) -> String {
        match self.objective {
            Objective::Accuracy => self.of(evaluation),
            Objective::BalancedAccuracy | Objective::Loss => {
                format!("{} {}", self.name(), self.of(evaluation))
            }
        }
    }
}

/// A duration to its two most telling units: `12 s`, `1 min 20 s`, `2 h 5 min`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, minutes, seconds) {
        (0, 0, 0) => "less than 1 s".to_owned(),
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, 0, _) => format!("{h} h"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// `1 node`, `15 nodes`.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_short_and_carry_a_unit() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.0 k"),
            (12_345, "12.3 k"),
            (99_949, "99.9 k"),
            (99_950, "100 k"),
            (123_456, "123 k"),
            (999_499, "999 k"),
            (999_500, "1.0 M"),
            (4_500_000, "4.5 M"),
            (2_000_000_000, "2.0 G"),
            (u64::MAX, "18.4 E"),
        ] {
            assert_eq!(compact(count), text);
        }
    }

    #[test]
    fn full_counts_have_their_thousands_apart() {
        for (count, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(count), text);
        }
    }

    #[test]
    fn shares_are_percentages_with_one_decimal() {
        assert_eq!(percent(0.7134), "71.3 %");
        assert_eq!(percent(1.0), "100.0 %");
        assert_eq!(percent(f64::NAN), "not a number");
    }

    #[test]
    fn durations_show_their_two_most_telling_units() {
        for (seconds, text) in [
            (0.2, "less than 1 s"),
            (12.4, "12 s"),
            (59.7, "1 min"),
            (80.0, "1 min 20 s"),
            (3600.0, "1 h"),
            (7500.0, "2 h 5 min"),
            (f64::NAN, "unknown"),
            (-1.0, "unknown"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn one_thing_is_not_written_as_several() {
        assert_eq!(counted(1, "node", "nodes"), "1 node");
        assert_eq!(counted(0, "node", "nodes"), "0 nodes");
    }
}
