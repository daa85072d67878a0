//! The engine: template, data, supernet, search, embedding and runs. It never names Bevy, so that it
//! builds and runs where there is no window.

pub mod benchmark;
pub mod candidate;
pub mod command;
mod compute;
#[cfg(test)]
pub(crate) mod damage;
pub mod data;
mod delimited;
pub mod device;
pub mod embedding;
pub mod files;
pub mod kendall;
mod kernels;
pub mod lab;
pub mod loss;
pub mod mask;
mod median;
pub mod memory;
#[cfg(test)]
pub(crate) mod messages;
pub mod named;
pub mod ops;
pub mod remote;
pub mod replica;
pub mod report;
pub mod run;
pub mod search;
pub mod seed;
pub mod serve;
mod sniff;
pub mod speed;
pub mod study;
pub mod supernet;
pub mod table;
pub mod template;
pub mod text;
pub mod training;
pub mod worker;
