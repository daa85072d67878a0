//! By what a lab judges candidates: a supernet that it trains, or a table of known results.

use super::{LabError, search::TIMED_PASSES};
use crate::engine::{
    data::Dataset,
    mask::Mask,
    search::Evaluation,
    study::{Setup, Study},
    supernet::{EvaluationError, Evaluator, Sharing, Supernet},
    table::KnownResults,
    template::{Checked, Graph},
    training::Trainer,
};
use std::sync::{Arc, atomic::AtomicBool};

/// By what a lab judges candidates.
pub(super) enum Source {
    /// A supernet; nothing before the first job sets it up.
    Supernet(Option<Box<Bench>>),
    /// A table of known results: there is nothing to train, and an evaluation is a look-up.
    Table(Arc<KnownResults>),
}

/// What training and evaluation with a supernet need.
pub(super) struct Bench {
    pub(super) data: Dataset,
    pub(super) fingerprint: String,
    pub(super) supernet: Supernet,
    pub(super) trainer: Trainer,
    pub(super) evaluator: Evaluator,
}

/// Candidates that are evaluated one after the other.
pub(super) enum Together {
    /// With the results that they share.
    Sharing(Box<Sharing>),
    /// From a table.
    Known(Vec<Evaluation>),
}

impl Together {
    /// In which order they are evaluated.
    pub(super) fn order(&self) -> Vec<usize> {
        match self {
            Self::Sharing(sharing) => sharing.order(),
            Self::Known(known) => (0..known.len()).collect(),
        }
    }
}

impl Source {
    /// The same for a lab that begins.
    pub(super) fn fresh(&self) -> Self {
        match self {
            Self::Supernet(_) => Self::Supernet(None),
            Self::Table(known) => Self::Table(Arc::clone(known)),
        }
    }

    /// The supernet with what belongs to it, once it is set up.
    pub(super) fn bench(&self) -> Option<&Bench> {
        match self {
            Self::Supernet(bench) => bench.as_deref(),
            Self::Table(_) => None,
        }
    }

    /// Whether a job has to set it up before anything is evaluated.
    pub(super) fn is_missing(&self) -> bool {
        match self {
            Self::Supernet(bench) => bench.is_none(),
            Self::Table(_) => false,
        }
    }

    /// The same, to train it.
    pub(super) fn bench_mut(&mut self) -> Option<&mut Bench> {
        match self {
            Self::Supernet(bench) => bench.as_deref_mut(),
            Self::Table(_) => None,
        }
    }

    /// Gives up the supernet: the next job sets it up again.
    pub(super) fn take_bench(&mut self) -> Option<Bench> {
        match self {
            Self::Supernet(bench) => bench.take().map(|bench| *bench),
            Self::Table(_) => None,
        }
    }

    /// The table.
    pub(super) fn table(&self) -> Option<&KnownResults> {
        match self {
            Self::Supernet(_) => None,
            Self::Table(known) => Some(known),
        }
    }

    /// Makes sure that there is something to train.
    pub(super) fn check_trains(&self) -> Result<(), LabError> {
        match self {
            Self::Supernet(_) => Ok(()),
            Self::Table(_) => Err(LabError::NothingToTrain),
        }
    }

    /// Makes sure that candidates can be evaluated after so many steps, or epochs, of training.
    pub(super) fn check_trained(&self, trained: u64) -> Result<(), LabError> {
        match self {
            Self::Supernet(_) if trained == 0 => Err(LabError::NotTrained),
            Self::Supernet(_) | Self::Table(_) => Ok(()),
        }
    }

    /// A new study of `template`.
    pub(super) fn study(&self, template: Checked, setup: Setup, pool: usize) -> Study {
        match self {
            Self::Supernet(_) => Study::begin(template, setup, pool),
            Self::Table(known) => Study::begin_with(template, setup, pool, known.representatives()),
        }
    }

    /// The same of which nothing is told yet.
    pub(super) fn untold_study(&self, template: Checked, setup: Setup) -> Study {
        match self {
            Self::Supernet(_) => Study::untold(template, setup),
            Self::Table(known) => Study::untold_with(template, setup, known.representatives()),
        }
    }

    /// Prepares candidates of `template` to be evaluated.
    pub(super) fn prepare(&self, template: &Graph, masks: &[Mask]) -> Result<Together, LabError> {
        match self {
            Self::Supernet(None) => Err(LabError::NotTrained),
            Self::Supernet(Some(bench)) => {
                let sharing = bench.evaluator.share(&bench.supernet, masks);
                Ok(Together::Sharing(Box::new(sharing)))
            }
            Self::Table(known) => Ok(Together::Known(known.evaluate(template, masks)?)),
        }
    }

    /// Evaluates the candidate with this place; `None` if `stop` becomes true.
    pub(super) fn evaluate(
        &self,
        together: &mut Together,
        place: usize,
        stop: &AtomicBool,
    ) -> Result<Option<Evaluation>, LabError> {
        match together {
            Together::Known(known) => Ok(Some(known[place])),
            Together::Sharing(sharing) => {
                let Some(bench) = self.bench() else { return Err(LabError::NotTrained) };
                match sharing.evaluate(bench.evaluator.on(&bench.supernet), place, stop) {
                    Err(EvaluationError::Stopped) => Ok(None),
                    evaluated => Ok(Some(evaluated?)),
                }
            }
        }
    }

    /// Median seconds that a candidate takes for an image.
    pub(super) fn time(&self, mask: &Mask) -> Result<f64, LabError> {
        match self {
            Self::Supernet(None) => Err(LabError::NotTrained),
            Self::Supernet(Some(bench)) => {
                Ok(bench.supernet.latency(mask, 1, TIMED_PASSES)?.median_secs)
            }
            Self::Table(_) => Err(LabError::NoCosts),
        }
    }
}
