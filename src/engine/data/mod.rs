//! Images and tables to train, search and test on: where they come from, and how they reach a tensor.
//!
//! A [`DataSource`] names a data set, [`Dataset::load`] reads and checks it, [`Dataset::fit_to`] brings it
//! to the input shape of a template, and [`Dataset::batch`] hands out normalised batches. Three splits
//! are kept apart: weights are trained on `train`, candidates are judged on `val`, and `test` is kept
//! for final networks.

mod cifar;
mod dataset;
mod embedded;
mod error;
mod files;
mod folder;
mod idx;
mod images;
mod options;
mod resize;
mod source;
mod split;
mod summary;
mod table;

use super::sniff;

pub use super::delimited::Decimal;
pub use dataset::{Batch, Dataset, ImageSize, Packed, Scale, Split, Task};
pub use error::{DataError, Place};
pub use images::{Images, Pixels, Targets};
pub use options::{Missing, ReadOptions, TaskKind};
pub use source::DataSource;
pub use summary::{ClassCount, DataSummary};

pub(in crate::engine) use dataset::fingerprint;
