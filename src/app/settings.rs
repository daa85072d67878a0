//! The user's settings for jobs and for the window.

use crate::engine::{
    data::{DataSource, ReadOptions},
    device::DeviceChoice,
    training::TrainSettings,
};
use bevy::prelude::*;
use std::path::PathBuf;

/// The choices that Train and Search start with.
#[derive(Resource, Clone, Debug)]
pub struct Settings {
    /// The data to train on.
    pub data: DataSource,
    /// Where the data of the run that the program opens first is now, if that is said.
    pub moved_data: Option<DataSource>,
    /// How it is read where its files leave a choice.
    pub read: ReadOptions,
    /// Whether templates from files are fitted to the data; presets always are.
    pub fit: bool,
    /// The most bytes that evaluation may take.
    pub memory: Option<u64>,
    /// How to train; epochs and seed have fields of their own.
    pub training: TrainSettings,
    /// Where to train.
    pub device: DeviceChoice,
    /// Epochs per press of Train.
    pub epochs: usize,
    /// Iterations per press of Search.
    pub iterations: u32,
    /// Candidates per iteration.
    pub candidates: usize,
    /// Seed of every random draw.
    pub seed: u64,
    /// The folder that holds the runs.
    pub runs: PathBuf,
    /// No camera moves, flights or pulses.
    pub reduced_motion: bool,
    /// No shadows, no multi-sampling: for software adapters.
    pub low_quality: bool,
}

#[cfg(test)]
impl Settings {
    /// Small jobs on the quick data, without anything that moves.
    pub(super) fn example() -> Self {
        Self {
            data: DataSource::Digits,
            moved_data: None,
            read: ReadOptions::default(),
            fit: false,
            memory: None,
            training: TrainSettings::default(),
            device: DeviceChoice::Cpu,
            epochs: 3,
            iterations: 4,
            candidates: 10,
            seed: 1,
            runs: "runs".into(),
            reduced_motion: true,
            low_quality: true,
        }
    }
}
