//! Training of the supernet: every step trains one or a few paths through the template, newly drawn, so that
//! all nodes get weights that mean something in any company (one-shot with path sampling, Guo et al. 2020,
//! arXiv 1904.00420).
//!
//! Which paths: [`PathPolicy`]. What is made small: [`LossKind`](super::loss::LossKind). How: [`OptimizerKind`]
//! with a [`Schedule`] of its rate. On what: the training images, perhaps changed a little ([`Augment`]).
//!
//! Whatever is random in a step depends on the seed and the step's number only. A run that is stopped
//! between two steps, saved and resumed therefore equals one that was never stopped.

mod augment;
mod epoch;
mod optimizer;
mod policy;
mod schedule;
mod settings;
mod trainer;

pub use augment::Augment;
pub use epoch::EpochReport;
pub use optimizer::OptimizerKind;
pub use policy::PathPolicy;
pub use schedule::Schedule;
pub use settings::{SettingsError, StepLength, TrainSettings};
pub use trainer::{Epoch, StepReport, TrainError, Trainer};
