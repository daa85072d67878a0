//! A study: all that is known of a run, which follows from its first template and from the events in its journal.
//!
//! [`Study::apply`] is the only place where an event changes anything. The lab that makes events, a lab that is opened
//! from a journal, and whatever watches a run apply the same ones, and therefore know the same.
//!
//! Candidates are sets of [nodes of the run](crate::engine::template::NodeKey), not of the present template: what an
//! edit removes comes back, with all that was found out about it, when a later edit brings its nodes back.

mod event;
mod facts;
mod state;
#[cfg(test)]
mod tests;
mod timeline;

pub use event::Event;
pub use facts::{Edited, Inherited, IterationReport, Placed, Retrained};
pub use state::{Judging, Mismatch, Retold, Setup, Study};
pub use timeline::Timeline;

pub(in crate::engine) use state::{checkpoint_of_edit, checkpoint_of_epoch};
