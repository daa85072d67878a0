//! Rebuilding a lab from the journal of its run.

use super::{Lab, LabError, LabSettings, PhaseSeconds, Retrained, embed, places};
use crate::engine::{
    device::DeviceChoice,
    mask::Mask,
    report::IterationReport,
    run::{Event, Run},
    search::{Evaluation, Recorded, SearchError, SearchState},
    template::{Graph, NodeId},
};
use std::{path::Path, sync::Arc};

/// The `run` with everything its journal holds; nothing is changed. What fitness nodes had after each iteration is
/// worked out where it is asked for with `fitness`.
///
/// The journal holds facts and not conclusions: what the search knew at the time is rebuilt from what was
/// evaluated by then.
pub(super) fn open(mut run: Run, device: DeviceChoice, fitness: bool) -> Result<Lab, LabError> {
    let folder = &run.folder().to_owned();
    let settings = run.config().training.check_alone();
    settings.map_err(|source| LabError::Settings { path: folder.join("run.ron"), source })?;
    let state = run.state()?;
    let template = run.template(1)?;
    let graph = template.graph();
    let mut events = run.journal()?.into_iter().map(|entry| entry.event).peekable();
    let mut pool = Vec::new();
    while let Some(event) =
        events.next_if(|event| matches!(event, Event::Candidate { iteration: 0, .. }))
    {
        let Event::Candidate { id, parents, kept, .. } = event else { break };
        in_order(folder, "candidate", id.index(), pool.len())?;
        let mask = mask(folder, graph, &kept)?;
        pool.push(Recorded { mask, parents, iteration: None, evaluation: None });
    }
    let count = pool.len();
    let config = run.config();
    let mut search = SearchState::restore(Arc::clone(graph), config.seed, pool, count, 0)
        .map_err(|error| mismatch(folder, error.to_string()))?;
    search.compare_by(config.objective);
    let embedding = embed(&search);
    let mut lab = Lab {
        settings: LabSettings {
            data: config.data.clone(),
            read: config.read,
            moved_data: None,
            fit: false,
            objective: config.objective,
            memory: None,
            device,
            seed: config.seed,
            training: config.training,
            evaluation: config.evaluation,
            pool: config.pool,
        },
        runs: folder.parent().unwrap_or(Path::new(".")).to_owned(),
        name: None,
        number: 1,
        bench: None,
        checkpoint: None,
        places: places(&embedding, search.candidates()),
        embedding,
        search,
        epochs: Vec::new(),
        iterations: Vec::new(),
        retrained: Vec::new(),
        seconds: PhaseSeconds::default(),
        carried_fitness: None,
        unfinished_iteration: 0.0,
        summary: run.summary()?,
        state,
        template,
        run: None,
    };
    let mut replay = Replay { folder, run: &run, fitness, measured_at: 0 };
    for event in events {
        replay.tell(&mut lab, event)?;
    }
    if lab.trained_steps() != replay.measured_at {
        lab.search.weights_changed();
    }
    if let Some(unfinished) = lab.unfinished_epoch()
        && unfinished.template == lab.number
    {
        lab.checkpoint = Some(unfinished.checkpoint.clone());
    }
    lab.run = Some(run);
    Ok(lab)
}

struct Replay<'a> {
    folder: &'a Path,
    run: &'a Run,
    fitness: bool,
    /// Training steps that the weights had seen at the last evaluation.
    measured_at: u64,
}

impl Replay<'_> {
    fn tell(&mut self, lab: &mut Lab, event: Event) -> Result<(), LabError> {
        let folder = self.folder;
        let damaged = |error: SearchError| mismatch(folder, error.to_string());
        match event {
            Event::Epoch(epoch) => {
                in_order(folder, "epoch", epoch.epoch, lab.epochs.len() + 1)?;
                lab.seconds.training += epoch.seconds;
                lab.checkpoint = Some(super::train::checkpoint_of_epoch(epoch.epoch));
                lab.epochs.push(epoch);
            }
            Event::Edited { template, step } => {
                // As when it was made: the weights had changed by then.
                if step != self.measured_at {
                    lab.search.weights_changed();
                }
                let taken = lab.take_over(self.run.template(template)?, template, step);
                taken.map_err(|error| mismatch(folder, error.to_string()))?;
            }
            Event::Candidate { id, parents, kept, .. } => {
                in_order(folder, "candidate", id.index(), lab.search.candidates().len())?;
                let mask = mask(folder, lab.template.graph(), &kept)?;
                lab.search.admit(mask, parents).map_err(damaged)?;
                lab.place_newcomers();
            }
            Event::Evaluated { id, step, accuracy, balanced_accuracy, loss, seconds, .. } => {
                lab.unfinished_iteration += seconds;
                if step != self.measured_at {
                    lab.search.weights_changed();
                    self.measured_at = step;
                }
                let evaluation = Evaluation { accuracy, balanced_accuracy, loss };
                lab.take(id, evaluation).map_err(damaged)?;
            }
            Event::Timed { id, latency } => {
                lab.search.record_latency(id, latency).map_err(damaged)?;
            }
            Event::Steered(steering) => {
                let steered = lab.search.steer(steering, &lab.embedding);
                steered.map_err(|error| mismatch(folder, error.to_string()))?;
            }
            Event::Aimed { objective } => {
                lab.settings.objective = objective;
                lab.search.compare_by(objective);
            }
            Event::Retuned { .. } => {
                lab.settings.training = self.run.retuned(lab.settings.training, &event);
            }
            Event::Retrained { id, epochs, accuracy, balanced_accuracy, loss, seconds } => {
                let evaluation = Evaluation { accuracy, balanced_accuracy, loss };
                lab.take_retrained(Retrained { id, epochs, evaluation, seconds });
            }
            Event::Iteration { iteration, candidates, mean_accuracy, best, seconds } => {
                let next = lab.search.finished_iterations() + 1;
                in_order(folder, "iteration", iteration as usize, next as usize)?;
                lab.search.finish_iteration();
                lab.seconds.search += seconds;
                lab.unfinished_iteration = 0.0;
                let unknown =
                    Evaluation { accuracy: f64::NAN, balanced_accuracy: None, loss: f64::NAN };
                let evaluation = lab.search.candidate(best).and_then(|best| best.evaluation);
                lab.iterations.push(IterationReport {
                    iteration,
                    objective: lab.settings.objective,
                    mean: Evaluation { accuracy: mean_accuracy, ..lab.mean_of(&candidates) },
                    candidates,
                    best,
                    best_evaluation: evaluation.unwrap_or(unknown),
                    tie: lab.tie().is_some(),
                    fitness: if self.fitness { lab.judged() } else { Vec::new() },
                    seconds,
                });
            }
        }
        Ok(())
    }
}

/// Makes sure that nothing is missing before the `what` called `number`.
fn in_order(folder: &Path, what: &str, number: usize, next: usize) -> Result<(), LabError> {
    if number == next {
        Ok(())
    } else {
        Err(mismatch(folder, format!("{what} {number} stands where {next} should")))
    }
}

fn mask(folder: &Path, graph: &Graph, kept: &[NodeId]) -> Result<Mask, LabError> {
    let mut mask = Mask::empty(graph.len());
    for id in kept {
        let Some(node) = graph.index_of(id) else {
            return Err(mismatch(folder, format!("`{id}` is not a node")));
        };
        mask.insert(node);
    }
    Ok(mask)
}

fn mismatch(folder: &Path, what: String) -> LabError {
    LabError::JournalMismatch { folder: folder.to_owned(), what }
}
