//! Rebuilding a lab from the journal of its run.

use super::{Lab, LabError, LabSettings, PhaseSeconds, Targets, Unfinished, embed};
use crate::engine::{
    candidate::CandidateId,
    device::DeviceChoice,
    mask::Mask,
    report::{EpochReport, IterationReport},
    run::{Event, Run},
    search::{Evaluation, Recorded, SearchError, SearchState},
    template::{Graph, NodeId},
};
use std::{path::Path, sync::Arc};

/// The run in `folder` with everything its journal holds; nothing is changed.
pub(super) fn open(folder: &Path, device: DeviceChoice) -> Result<Lab, LabError> {
    let mut run = Run::open(folder)?;
    let graph = Arc::new(run.graph()?);
    let mut story = Story::new(&graph, folder);
    for entry in run.journal()? {
        story.tell(entry.event)?;
    }
    let Story { recorded, pool, checkpoint, epochs, ended, seconds, unfinished, targets, .. } =
        story;
    let config = run.config();
    let mismatch = |error: SearchError| mismatch(folder, error.to_string());
    let finished = u32::try_from(ended.len()).unwrap_or(u32::MAX);
    let mut lab = Lab {
        settings: LabSettings {
            data: config.data.clone(),
            device,
            seed: config.seed,
            training: config.training,
            evaluation: config.evaluation,
            pool: config.pool,
        },
        runs: folder.parent().unwrap_or(Path::new(".")).to_owned(),
        name: None,
        bench: None,
        checkpoint,
        // The points of the pool are the landmarks, so the cloud looks as it did.
        embedding: embed(
            &SearchState::restore(
                Arc::clone(&graph),
                config.seed,
                unproposed(&recorded[..pool]),
                pool,
                0,
            )
            .map_err(mismatch)?,
        ),
        search: SearchState::restore(
            Arc::clone(&graph),
            config.seed,
            recorded.clone(),
            pool,
            finished,
        )
        .map_err(mismatch)?,
        epochs,
        iterations: Vec::new(),
        seconds,
        unfinished,
        targets,
        layout: Arc::clone(&graph),
        graph: Arc::clone(&graph),
        run: Some(run),
    };
    lab.iterations = retell(&lab, &recorded, pool, &ended).map_err(mismatch)?;
    Ok(lab)
}

/// An iteration that ended, as the journal tells it.
struct Ended {
    candidates: Vec<CandidateId>,
    mean_accuracy: f64,
    best: CandidateId,
    seconds: f64,
}

/// What the journal has told so far.
struct Story<'a> {
    graph: &'a Graph,
    folder: &'a Path,
    recorded: Vec<Recorded>,
    pool: usize,
    checkpoint: Option<String>,
    epochs: Vec<EpochReport>,
    ended: Vec<Ended>,
    seconds: PhaseSeconds,
    unfinished: Unfinished,
    targets: Targets,
}

impl<'a> Story<'a> {
    fn new(graph: &'a Graph, folder: &'a Path) -> Self {
        Self {
            graph,
            folder,
            recorded: Vec::new(),
            pool: 0,
            checkpoint: None,
            epochs: Vec::new(),
            ended: Vec::new(),
            seconds: PhaseSeconds::default(),
            unfinished: Unfinished::default(),
            targets: Targets::default(),
        }
    }

    fn tell(&mut self, event: Event) -> Result<(), LabError> {
        match event {
            Event::TrainStarted { to_epoch, .. } => self.targets.epochs = Some(to_epoch),
            Event::Epoch(epoch) => {
                self.seconds.training += epoch.seconds;
                self.unfinished.epoch = 0.0;
                self.epochs.push(epoch);
            }
            Event::Checkpoint { name } => self.checkpoint = Some(name),
            Event::Candidate { id, iteration, parents, kept } => {
                if id.index() != self.recorded.len() {
                    return Err(mismatch(self.folder, format!("candidate {id} is out of order")));
                }
                let mask = self.mask(&kept)?;
                self.pool += usize::from(iteration == 0);
                self.recorded.push(Recorded {
                    mask,
                    parents,
                    iteration: iteration.checked_sub(1),
                    evaluation: None,
                });
            }
            Event::SearchStarted { to_iteration, candidates, .. } => {
                // Whoever searches has trained enough.
                self.targets.epochs = Some(self.epochs.len());
                self.targets.iterations = Some(to_iteration);
                self.targets.candidates = Some(candidates);
            }
            Event::Evaluated { id, iteration, accuracy, balanced_accuracy, loss, seconds } => {
                self.unfinished.iteration += seconds;
                let Some(candidate) = self.recorded.get_mut(id.index()) else {
                    return Err(mismatch(
                        self.folder,
                        format!("candidate {id} is evaluated but was never made"),
                    ));
                };
                candidate.iteration = iteration.checked_sub(1);
                candidate.evaluation = Some(Evaluation { accuracy, balanced_accuracy, loss });
            }
            Event::Iteration { candidates, mean_accuracy, best, seconds, .. } => {
                self.seconds.search += seconds;
                self.unfinished.iteration = 0.0;
                self.ended.push(Ended { candidates, mean_accuracy, best, seconds });
            }
            Event::TrainFinished { unfinished_seconds, .. } => {
                self.unfinished.epoch = unfinished_seconds;
            }
            Event::SearchFinished { .. } => {}
        }
        Ok(())
    }

    fn mask(&self, kept: &[NodeId]) -> Result<Mask, LabError> {
        let mut mask = Mask::empty(self.graph.len());
        for id in kept {
            let Some(node) = self.graph.index_of(id) else {
                return Err(mismatch(self.folder, format!("`{id}` is not a node")));
            };
            mask.insert(node);
        }
        Ok(mask)
    }
}

fn mismatch(folder: &Path, what: String) -> LabError {
    LabError::JournalMismatch { folder: folder.to_owned(), what }
}

/// The same candidates as they were before the first iteration.
fn unproposed(recorded: &[Recorded]) -> Vec<Recorded> {
    recorded
        .iter()
        .map(|entry| Recorded { iteration: None, evaluation: None, ..entry.clone() })
        .collect()
}

/// The reports on the iterations that ended. What the search knew at the time is rebuilt from what was
/// evaluated by then, since the journal holds facts and not conclusions.
fn retell(
    lab: &Lab,
    recorded: &[Recorded],
    pool: usize,
    ended: &[Ended],
) -> Result<Vec<IterationReport>, SearchError> {
    let mut reports = Vec::with_capacity(ended.len());
    for (index, end) in ended.iter().enumerate() {
        let finished = index as u32 + 1;
        let by_then =
            |entry: &Recorded| entry.iteration.is_none_or(|iteration| iteration < finished);
        let mut known = Vec::new();
        for (id, entry) in recorded.iter().enumerate() {
            if by_then(entry) {
                known.push(entry.clone());
            } else if id < pool {
                known.extend(unproposed(std::slice::from_ref(entry)));
            } else {
                // Ids are given in the order of arrival, so nothing after it was there either.
                break;
            }
        }
        let search =
            SearchState::restore(Arc::clone(&lab.graph), lab.settings.seed, known, pool, finished)?;
        let best_accuracy = recorded.get(end.best.index()).and_then(|entry| entry.evaluation);
        reports.push(IterationReport {
            iteration: finished,
            candidates: end.candidates.clone(),
            mean_accuracy: end.mean_accuracy,
            best: end.best,
            best_accuracy: best_accuracy.map_or(f64::NAN, |evaluation| evaluation.accuracy),
            fitness: search.fitness(),
            seconds: end.seconds,
        });
    }
    Ok(reports)
}
