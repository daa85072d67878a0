//! The steps of a tour that start jobs and wait for their end.

use super::{
    director::{Act, Director, Scene, Take, Turn, say},
    keys::KeyPress,
    script::Count,
};
use crate::app::jobs::JobRequest;
use bevy::input::keyboard::KeyCode;
use std::time::{Duration, Instant};

/// How long a job may make no progress.
const JOB_PATIENCE: Duration = Duration::from_secs(300);
/// How long a key press may remain without the request it stands for.
const KEY_PATIENCE: Duration = Duration::from_secs(2);

/// The jobs that a tour can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    Train,
    Search,
}

/// The aim of a job step.
pub(super) struct Goal {
    pub(super) job: Job,
    /// Epochs or iterations to add.
    pub(super) amount: Count,
    /// Candidates per iteration; `None` leaves the setting.
    pub(super) candidates: Option<Count>,
    /// Whether the step ends with the job.
    pub(super) wait: bool,
}

/// The end of a job: it should have done so much by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    job: Job,
    count: usize,
}

/// Epochs or iterations that are done.
fn count(scene: &Scene, job: Job) -> usize {
    match job {
        Job::Train => scene.sight.archive.epochs().len(),
        Job::Search => scene.sight.archive.iterations().len(),
    }
}

/// Presses the job's key and, if that is wanted, waits for the job's end.
pub(super) fn run_job(director: &Director, scene: &mut Scene, goal: &Goal) -> Take {
    match director.act {
        Act::Starting { mut target, sent } => {
            if std::mem::take(&mut scene.heard.opened) {
                // Other data began another run: what was done counts no more.
                target.count = goal.amount.0 as usize;
                return Ok(Turn::Act(Act::Starting { target, sent }));
            }
            if director.frames == 1 && !sent {
                scene.hand.set_key(&key(goal.job), false);
            }
            let done = count(scene, goal.job) >= target.count;
            if scene.status.running.is_some() || done {
                return Ok(if goal.wait {
                    working(Some(target), scene)
                } else {
                    Turn::Left(target)
                });
            }
            if let Some(error) = scene.heard.error.take() {
                return Err(error);
            }
            if !sent && !scene.heard.requested && director.since.elapsed() > KEY_PATIENCE {
                say("the key had no effect; the job is asked for directly");
                scene.jobs.write(match goal.job {
                    Job::Train => JobRequest::Train,
                    Job::Search => JobRequest::Search,
                });
                return Ok(Turn::Act(Act::Starting { target, sent: true }));
            }
            Ok(Turn::Wait)
        }
        Act::Working { target, done, progressed } => work(scene, target, done, progressed),
        _ => {
            if scene.status.running.is_some() {
                return Err("a job runs already; put WaitForJob before this step".to_owned());
            }
            choose_amounts(scene, goal);
            let count = count(scene, goal.job) + goal.amount.0 as usize;
            scene.hand.set_key(&key(goal.job), true);
            Ok(Turn::Act(Act::Starting { target: Target { job: goal.job, count }, sent: false }))
        }
    }
}

/// Waits until no job runs; one that an earlier step left running must have done all it should.
pub(super) fn wait_for_job(director: &Director, scene: &mut Scene) -> Take {
    match director.act {
        Act::Working { target, done, progressed } => work(scene, target, done, progressed),
        _ => Ok(working(director.left, scene)),
    }
}

fn working(target: Option<Target>, scene: &Scene) -> Turn {
    let done = scene.status.progress.map(|progress| progress.done);
    Turn::Act(Act::Working { target, done, progressed: Instant::now() })
}

fn work(scene: &mut Scene, target: Option<Target>, done: Option<u64>, progressed: Instant) -> Take {
    if scene.status.running.is_none() {
        let missed = target.is_some_and(|target| count(scene, target.job) < target.count);
        return match scene.heard.error.take() {
            Some(error) => Err(error),
            None if missed => Err("the job ended before all of it was done".to_owned()),
            None => Ok(Turn::Done),
        };
    }
    let now = scene.status.progress.map(|progress| progress.done);
    if now != done || scene.status.paused {
        return Ok(working(target, scene));
    }
    if progressed.elapsed() > JOB_PATIENCE {
        return Err(format!("the job made no progress for {} s", JOB_PATIENCE.as_secs()));
    }
    Ok(Turn::Wait)
}

/// The keys that the tooltips of Train and Search name.
fn key(job: Job) -> KeyPress {
    match job {
        Job::Train => KeyPress::letter(KeyCode::KeyT, "t"),
        Job::Search => KeyPress::letter(KeyCode::KeyS, "s"),
    }
}

fn choose_amounts(scene: &mut Scene, goal: &Goal) {
    let settings = &mut scene.settings;
    let (epochs, iterations) = match goal.job {
        Job::Train => (goal.amount.0 as usize, settings.iterations),
        Job::Search => (settings.epochs, goal.amount.0),
    };
    let candidates = goal.candidates.map_or(settings.candidates, |count| count.0 as usize);
    if (settings.epochs, settings.iterations, settings.candidates)
        != (epochs, iterations, candidates)
    {
        settings.epochs = epochs;
        settings.iterations = iterations;
        settings.candidates = candidates;
    }
}
