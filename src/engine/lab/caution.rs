//! When results are not worth what they seem to be: what is wrong with a number, and what to do about it.

use super::Lab;
use crate::engine::{
    candidate::alike,
    data::DataSummary,
    ops::Op,
    report::{Report, Topic},
    search::{Evaluation, Objective, Standing},
    study::Study,
    template::Graph,
};
use serde::{Serialize, Serializer};
use std::fmt;

/// Fewer validation examples say little: with 30, the standard error of an accuracy of 50 % is 9 %.
const FEWEST_VALIDATION: usize = 30;

/// Fewer validation examples of a class say nothing about it.
const FEWEST_OF_CLASS: usize = 5;

/// Why results are not worth what they seem to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Caution {
    /// Few validation examples.
    FewValidation {
        /// How many.
        examples: usize,
    },
    /// Classes with few validation examples.
    RareClasses {
        /// The rarest.
        class: String,
        /// Its validation examples.
        examples: usize,
        /// How many classes have fewer than five.
        classes: usize,
    },
    /// Accuracy as high as for always naming the commonest class, or lower.
    NoBetterThanCommonest {
        /// The accuracy of the best candidate, or of the last epoch.
        accuracy: f64,
        /// Its balanced accuracy.
        balanced: Option<f64>,
        /// The class.
        class: String,
        /// Its share of the validation examples.
        share: f64,
        /// Whether the search makes accuracy large, and balanced accuracy is another thing.
        by_accuracy: bool,
    },
    /// R² that is not above that of the mean.
    NoBetterThanMean {
        /// R² of the best candidate, or of the last epoch.
        r2: f64,
    },
    /// Nodes of a layer that compute the same in evaluation.
    Alike {
        /// The layers, with the nodes of each and what these are.
        layers: Vec<AlikeNodes>,
    },
    /// All evaluated candidates have the same objective.
    AllEqual {
        /// How many.
        candidates: usize,
        /// What is the same.
        figure: &'static str,
        /// Whether it is from a table of known results.
        is_known: bool,
    },
    /// All numbers of the validation split are equal.
    ConstantValidation,
}

/// Nodes that compute the same in evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlikeNodes {
    /// Their layer.
    pub layer: u32,
    /// Their ids, with what they do: `b0` (identity).
    pub nodes: Vec<String>,
}

/// The most layers, and the most nodes of a layer, that are named.
const MOST_NAMED: usize = 4;

/// `a`, `b` and `c`; of many the first, and how many more there are.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] if names.len() <= MOST_NAMED => {
            format!("{} and {last}", first.join(", "))
        }
        _ => {
            let rest = names.len() - MOST_NAMED + 1;
            format!("{} and {rest} more", names[..MOST_NAMED - 1].join(", "))
        }
    }
}

/// "no examples", "1 example only".
fn only(count: usize, one: &str, many: &str) -> String {
    match count {
        0 => format!("no {many}"),
        count => format!("{} only", crate::format::counted(count, one, many)),
    }
}

impl fmt::Display for Caution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = crate::format::percent;
        match self {
            Self::FewValidation { examples } => write!(
                f,
                "validation has {}, so results of candidates differ by chance; add data \
                 ({FEWEST_VALIDATION} validation examples or more)",
                only(*examples, "example", "examples")
            ),
            Self::RareClasses { class, examples, classes } => {
                let examples = only(*examples, "validation example", "validation examples");
                write!(f, "class `{class}` has {examples}")?;
                if *classes > 1 {
                    let others =
                        crate::format::counted(classes - 1, "other class", "other classes");
                    write!(f, ", and {others} fewer than {FEWEST_OF_CLASS}")?;
                }
                write!(f, ", which says nothing about it; add data, or leave it out")
            }
            Self::NoBetterThanCommonest { accuracy, balanced, class, share, by_accuracy } => {
                write!(
                    f,
                    "an accuracy of {} is no better than always answering `{class}` ({})",
                    percent(*accuracy),
                    percent(*share)
                )?;
                if let Some(balanced) = balanced {
                    write!(f, ", balanced accuracy is {}", percent(*balanced))?;
                }
                write!(f, "; train longer, or look at data and loss")?;
                if *by_accuracy {
                    write!(f, ", or search for --objective balanced-accuracy")?;
                }
                Ok(())
            }
            Self::NoBetterThanMean { r2 } => write!(
                f,
                "an R² of {r2:.3} is no better than always predicting the mean; train longer, or look at data and \
                 learning rate"
            ),
            Self::Alike { layers } => {
                let layer =
                    |alike: &AlikeNodes| format!("layer {}: {}", alike.layer, listed(&alike.nodes));
                let named: Vec<_> = layers.iter().take(MOST_NAMED).map(layer).collect();
                write!(f, "{}", named.join("; "))?;
                if layers.len() > MOST_NAMED {
                    write!(f, "; and {} more layers", layers.len() - MOST_NAMED)?;
                }
                write!(
                    f,
                    " compute the same in evaluation; the search cannot tell them apart, and their fitness says nothing \
                     about which is better: keep one of them, or let them differ in what they compute"
                )
            }
            Self::AllEqual { candidates, figure, is_known } => write!(
                f,
                "all {candidates} evaluated candidates have the same {figure}, so none is better than another; {}",
                if *is_known {
                    "search further, or look at the table"
                } else {
                    "train longer, add validation data, or let the template's choices differ in what they compute"
                }
            ),
            Self::ConstantValidation => {
                write!(f, "all validation rows have the same number, so R² says nothing; add data")
            }
        }
    }
}

impl Serialize for Caution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The report that these and no others hold.
pub(super) fn told(cautions: &[Caution]) -> Report {
    let texts = cautions.iter().map(ToString::to_string).collect();
    Report::Cautions { about: Topic::Results, texts }
}

/// Which alternatives of a template no search tells apart.
fn of_template(graph: &Graph) -> Option<Caution> {
    let named = |&node: &usize| {
        let ops: Vec<_> = graph.nodes()[node].ops.iter().map(Op::name).collect();
        format!("`{}` ({})", graph.id(node), ops.join(", "))
    };
    let layers: Vec<_> = alike(graph)
        .iter()
        .map(|group| AlikeNodes {
            layer: graph.nodes()[group[0]].layer,
            nodes: group.iter().map(named).collect(),
        })
        .collect();
    (!layers.is_empty()).then_some(Caution::Alike { layers })
}

/// What data says before anything is trained.
fn of_data(summary: &DataSummary) -> Vec<Caution> {
    let mut cautions = Vec::new();
    let examples = summary.validation();
    if examples < FEWEST_VALIDATION {
        cautions.push(Caution::FewValidation { examples });
    }
    let rare = summary.classes.iter().filter(|class| class.val < FEWEST_OF_CLASS);
    let classes = rare.clone().count();
    // Where all are rare, there are few examples, which is said already.
    if let Some(class) = rare.min_by_key(|class| class.val)
        && (examples >= FEWEST_VALIDATION || classes < summary.classes.len())
    {
        let (class, examples) = (class.name.clone(), class.val);
        cautions.push(Caution::RareClasses { class, examples, classes });
    }
    if summary.constant_validation {
        cautions.push(Caution::ConstantValidation);
    }
    cautions
}

/// The cautions about a lab before it has results.
pub(super) fn at_start(lab: &Lab) -> Vec<Caution> {
    before_results(lab, &lab.study)
}

fn before_results(lab: &Lab, study: &Study) -> Vec<Caution> {
    let mut cautions = lab.summary.as_ref().map(of_data).unwrap_or_default();
    cautions.extend(of_template(study.template().graph()));
    cautions
}

/// The same, and what the results so far show: those of `study`, which is the lab's as it is or was.
pub(super) fn of_study(lab: &Lab, study: &Study) -> Vec<Caution> {
    let mut cautions = before_results(lab, study);
    // An accuracy of older weights says nothing about those that are there.
    let best = study.best().filter(|best| best.standing == Standing::Present);
    let best = best.and_then(|best| best.evaluation);
    let last = study.epochs().last().map(|epoch| Evaluation {
        accuracy: epoch.val_accuracy,
        balanced_accuracy: epoch.val_balanced_accuracy,
        loss: epoch.val_loss,
    });
    if let (Some(summary), Some(shown)) = (&lab.summary, best.or(last)) {
        match summary.commonest() {
            Some((class, share)) if is_no_better(&shown, share, summary) => {
                cautions.push(Caution::NoBetterThanCommonest {
                    accuracy: shown.accuracy,
                    balanced: shown.balanced_accuracy,
                    class: class.to_owned(),
                    share,
                    by_accuracy: study.objective() == Objective::Accuracy
                        && is_lopsided(share, summary),
                });
            }
            None if !summary.constant_validation && shown.accuracy <= 0.0 => {
                cautions.push(Caution::NoBetterThanMean { r2: shown.accuracy });
            }
            Some(_) | None => {}
        }
    }
    cautions.extend(ties(lab, study));
    cautions
}

/// Whether the commonest class is much more frequent than if all were alike.
fn is_lopsided(share: f64, summary: &DataSummary) -> bool {
    share * summary.classes.len() as f64 > 1.3
}

/// Whether an evaluation, perhaps of a part of the validation examples only, is what always naming one class gives.
fn is_no_better(shown: &Evaluation, share: f64, summary: &DataSummary) -> bool {
    let shown_classes = summary.classes.iter().filter(|class| class.val > 0).count().max(1);
    let blind = 1.0 / shown_classes as f64 + 1e-9;
    shown.accuracy <= share + 1e-9
        || shown.balanced_accuracy.is_some_and(|balanced| balanced <= blind)
}

/// Whether all candidates that can be compared are equal in what the search makes large.
fn ties(lab: &Lab, study: &Study) -> Option<Caution> {
    let numbers = lab.summary.as_ref().is_some_and(|summary| summary.classes.is_empty());
    let figure = match study.objective() {
        Objective::Accuracy if numbers => "R²",
        Objective::Accuracy => "accuracy",
        Objective::BalancedAccuracy => "balanced accuracy",
        Objective::Loss => "loss",
    };
    Some(Caution::AllEqual { candidates: study.tie()?, figure, is_known: lab.is_of_table() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::data::ClassCount;

    fn summary(classes: &[(&str, usize)]) -> DataSummary {
        let validation = classes.iter().map(|class| class.1).sum();
        let classes = classes.iter().map(|&(name, val)| ClassCount {
            name: name.to_owned(),
            train: 9 * val,
            val,
            test: val,
        });
        DataSummary {
            shape: [1, 8, 8],
            examples: [9 * validation, validation, validation],
            classes: classes.collect(),
            constant_validation: false,
            notes: Vec::new(),
        }
    }

    #[test]
    fn few_examples_and_rare_classes_are_told() {
        assert_eq!(of_data(&summary(&[("a", 15), ("b", 15)])), []);
        assert_eq!(
            of_data(&summary(&[("a", 4), ("b", 3)])),
            [Caution::FewValidation { examples: 7 }]
        );
        let rare = of_data(&summary(&[("ok", 97), ("fault", 3), ("dent", 0)]));
        assert_eq!(
            rare,
            [Caution::RareClasses { class: "dent".to_owned(), examples: 0, classes: 2 }]
        );
        let constant = DataSummary { constant_validation: true, ..summary(&[]) };
        let text = of_data(&constant).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(text[0].contains("validation has no examples, so"), "{text:?}");
        assert!(text[1].contains("R² says nothing"), "{text:?}");
        let mean = Caution::NoBetterThanMean { r2: -0.25 }.to_string();
        assert!(mean.contains("-0.250 is no better than always predicting the mean"), "{mean}");
        let text = rare[0].to_string();
        assert!(
            text.contains("`dent` has no validation examples")
                && text.contains("1 other class fewer"),
            "{text}"
        );
    }
}
