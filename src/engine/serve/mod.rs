//! A lab that programs elsewhere follow and command: its [`Host`], and a [`Viewer`] that stands for its
//! [`Worker`](super::worker::Worker) elsewhere.

mod host;
mod told;
mod viewer;

#[cfg(test)]
pub(crate) mod tests;

pub use host::{Host, HostError};
pub use viewer::{Contact, Viewer};
