//! What a run was started with, and where its data was then.

use crate::engine::{
    data::{DataSource, ReadOptions},
    search::Objective,
    supernet::EvaluationSettings,
    training::TrainSettings,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a run was started with; the content of `run.ron`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Version of the format, [`RUN_VERSION`](super::RUN_VERSION).
    pub version: u32,
    /// Version of the program that made the run.
    pub program: String,
    /// Seconds since 1970 at the start.
    pub created: u64,
    /// Name of the template.
    pub template: String,
    /// The data, as [`DataSource`] writes it.
    pub data: DataSource,
    /// Where the data was when the run began; nothing for data that is part of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_place: Option<DataPlace>,
    /// How the data is read where its files leave a choice.
    #[serde(default, skip_serializing_if = "ReadOptions::is_default")]
    pub read: ReadOptions,
    /// What the search makes large.
    #[serde(default, skip_serializing_if = "Objective::is_default")]
    pub objective: Objective,
    /// Fingerprint of the data, so that a resumed run is not fed other images unnoticed.
    pub data_fingerprint: String,
    /// Where it was started, as it was asked for: `auto`, `cpu`, `cuda:0`, `wgpu:0`.
    pub device: String,
    /// Seed of every random draw.
    pub seed: u64,
    /// How the supernet is trained.
    pub training: TrainSettings,
    /// How candidates are evaluated.
    pub evaluation: EvaluationSettings,
    /// How many candidates the cloud starts with.
    pub pool: usize,
}

/// Where the data of a run was when it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataPlace {
    /// From the root.
    pub absolute: PathBuf,
    /// From the run's folder.
    pub from_run: PathBuf,
}

impl DataPlace {
    /// Where `source` is, seen from the root and from the folder of a run; `None` for what is part of the program.
    pub(super) fn of(source: &DataSource, run: &Path) -> Option<Self> {
        let (_, path) = source.on_disk()?;
        let absolute = std::path::absolute(path).ok()?;
        let run = std::path::absolute(run).ok()?;
        let shared =
            run.components().zip(absolute.components()).take_while(|(a, b)| a == b).count();
        let up = run.components().skip(shared).map(|_| "..".as_ref());
        let down = absolute.components().skip(shared).map(|part| part.as_os_str());
        Some(Self { from_run: up.chain(down).collect(), absolute })
    }
}
