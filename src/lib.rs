//! NAS-Navigator: one-shot neural architecture search with a human in the loop.
//!
//! An analyst builds a *template network* of parallel alternatives, trains it briefly as a weight-sharing
//! *supernet*, and searches its subgraphs, the *candidates*, while watching and steering. The crate has
//! three rooms:
//!
//! - [`engine`]: template, data, training, search and run folders. It never names Bevy.
//! - `app` (feature `gui`): the window. It never names Burn; jobs report to it.
//! - [`cli`]: the command line over both.

#[cfg(feature = "gui")]
pub mod app;
pub mod cli;
pub mod engine;
mod format;
mod quiet;
mod signals;
