//! A study as it was.

use super::{Event, Judging, Mismatch, Retold, Study};
use crate::engine::{search::NodeFitness, template::Checked};
use std::{collections::HashMap, sync::Arc};

/// The most keyframes.
const MOST_KEYFRAMES: usize = 16;

/// The most candidates that all keyframes have together, each of which takes about 350 bytes: 140 MB in all.
const MOST_CANDIDATES: usize = 400_000;

/// A study as it was after each of its events, as far as it has come when the timeline is made.
///
/// It goes on from where it was asked last, or from the nearest *keyframe* before: every so many events, a clone of the
/// study is kept when it first comes by. Of these there are never more than 16, with 400,000 candidates in all, so
/// that a run of 100,000 candidates has 4 of them.
///
/// Of iterations it knows the fitness that the study would have known then: it is worked out for the last one, where the
/// study itself does not tell it, unless the study works out fitness [when asked](Judging::WhenAsked) only. The fitness
/// of nodes can be asked for in any case, also where the timeline is one of a [replica](Study::replica).
pub struct Timeline {
    /// What has happened.
    past: Vec<Arc<Event>>,
    /// The templates of edits, by number.
    templates: HashMap<u32, Checked>,
    /// How many events tell the pool.
    pool: usize,
    /// Training steps that the weights have seen in the end: no event tells of those in the middle of an epoch.
    step: u64,
    /// Where iterations end and templates change, in order: after how many events, and the number of the iteration.
    /// Empty where fitness is worked out when asked only.
    turns: Vec<(usize, Option<u32>)>,
    /// The fitness at the end of iterations, as far as it is known.
    fitness: HashMap<u32, Vec<NodeFitness>>,
    /// How many events lie between two keyframes.
    spacing: usize,
    /// The study before anything has happened.
    beginning: Study,
    /// In order.
    keyframes: Vec<Study>,
    /// The study as it was last asked for.
    now: Study,
}

impl Timeline {
    /// The timeline of a study up to the present.
    pub fn of(study: &Study) -> Self {
        let mut beginning = study.at_beginning();
        beginning.judge_from_here(Judging::WhenAsked);
        let mut timeline = Self {
            past: Vec::with_capacity(study.events()),
            templates: HashMap::new(),
            pool: 0,
            step: study.search().step(),
            turns: Vec::new(),
            fitness: HashMap::new(),
            spacing: spacing(study.events(), study.candidates().len()),
            now: beginning.clone(),
            beginning,
            keyframes: Vec::new(),
        };
        let (_, _, told) = study.retell();
        for told in told {
            match told {
                Retold::Template { number, template } => {
                    timeline.templates.insert(number, template);
                }
                Retold::Event(event) => timeline.past.push(Arc::clone(event)),
                Retold::Iteration(report) if report.fitness.is_empty() => {}
                Retold::Iteration(report) => {
                    timeline.fitness.insert(report.iteration, report.fitness.clone());
                }
            }
        }
        let of_pool =
            |event: &&Arc<Event>| matches!(***event, Event::Candidate { iteration: 0, .. });
        timeline.pool = timeline.past.iter().take_while(of_pool).count();
        if study.judging() != Judging::WhenAsked {
            let turn = |(place, event): (usize, &Arc<Event>)| match **event {
                Event::Iteration { iteration, .. } => Some((place + 1, Some(iteration))),
                Event::Edited { .. } => Some((place + 1, None)),
                Event::Epoch(_)
                | Event::Candidate { .. }
                | Event::Evaluated { .. }
                | Event::Timed { .. }
                | Event::Steered(_)
                | Event::Aimed { .. }
                | Event::Retuned { .. }
                | Event::Retrained { .. } => None,
            };
            timeline.turns = timeline.past.iter().enumerate().filter_map(turn).collect();
        }
        timeline
    }

    /// How many events it has.
    pub fn events(&self) -> usize {
        self.past.len()
    }

    /// The study as it was after its first `events` events, or as it is where it has no more. Candidates of the pool have no
    /// places before the pool is complete.
    ///
    /// # Errors
    /// When an event cannot follow on those before it.
    pub fn at(&mut self, events: usize) -> Result<&Study, Mismatch> {
        let events = events.min(self.past.len());
        let last = self.last_iteration(events);
        if let Some((end, iteration)) = last
            && !self.fitness.contains_key(&iteration)
        {
            self.go_to(end)?;
            self.now.judge();
            let judged = self.now.iterations().last().map(|it| it.fitness.clone());
            self.fitness.insert(iteration, judged.unwrap_or_default());
        }
        self.go_to(events)?;
        if let Some((_, iteration)) = last {
            self.tell_fitness(iteration);
        }
        if events >= self.pool {
            self.now.settle();
        }
        if events == self.past.len() {
            self.now.weights_at(self.step);
        }
        Ok(&self.now)
    }

    /// The last iteration with the template of this moment: after how many events it ended, and its number.
    fn last_iteration(&self, events: usize) -> Option<(usize, u32)> {
        let after = self.turns.partition_point(|&(end, _)| end <= events);
        let (end, iteration) = self.turns[..after].last()?;
        Some((*end, (*iteration)?))
    }

    fn go_to(&mut self, events: usize) -> Result<(), Mismatch> {
        let keyframe = self.keyframes.iter().rfind(|it| it.events() <= events);
        let keyframe = keyframe.unwrap_or(&self.beginning);
        let ahead = keyframe.events() >= self.now.events() + self.spacing;
        if ahead || self.now.events() > events {
            self.now = keyframe.clone();
        }
        while self.now.events() < events {
            if let Err(mismatch) = self.go_on() {
                self.now = self.beginning.clone();
                return Err(mismatch);
            }
        }
        Ok(())
    }

    /// Takes the next event.
    fn go_on(&mut self) -> Result<(), Mismatch> {
        let event = Arc::clone(&self.past[self.now.events()]);
        if let Event::Edited { template: number, .. } = *event
            && let Some(template) = self.templates.get(&number)
        {
            self.now.bring(number, template.clone());
        }
        self.now.apply(&event)?;
        if let Event::Iteration { iteration, .. } = *event {
            self.tell_fitness(iteration);
        }
        let last = self.keyframes.last().map_or(0, Study::events);
        if self.now.events() == last + self.spacing && self.now.events() < self.past.len() {
            self.keyframes.push(self.now.clone());
        }
        Ok(())
    }

    fn tell_fitness(&mut self, iteration: u32) {
        if let Some(fitness) = self.fitness.get(&iteration) {
            self.now.take_fitness(iteration, fitness.clone());
        }
    }
}

/// How many events lie between two keyframes of a study with so many events and candidates.
fn spacing(events: usize, candidates: usize) -> usize {
    let most = (MOST_CANDIDATES / candidates.max(1)).min(MOST_KEYFRAMES);
    events.div_ceil(most + 1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        candidate::CandidateId, search::Objective, study::Setup, template::presets,
        training::TrainSettings,
    };

    /// A pool of 10 candidates that are timed again and again, 1,000 times in all.
    fn study() -> Study {
        let [small, ..] = presets();
        let (objective, training) = (Objective::Accuracy, TrainSettings::default());
        let setup = Setup { seed: 1, objective, training, judging: Judging::EachIteration };
        let mut study = Study::begin(small.checked().expect("presets are right"), setup, 10);
        for time in 0..1_000 {
            let event = Event::Timed { id: CandidateId(time % 10), latency: f64::from(time) };
            study.apply(&event.into()).expect("follows");
        }
        study
    }

    #[test]
    fn keyframes_are_bounded_in_number_and_in_candidates() {
        let study = study();
        let mut timeline = Timeline::of(&study);
        for events in [1_010, 3, 500, 1_010, 0, 999] {
            timeline.at(events).expect("follows");
            let kept: Vec<_> = timeline.keyframes.iter().map(Study::events).collect();
            assert_eq!(kept, (1..=16).map(|place| place * 60).collect::<Vec<_>>());
        }
        let cases = [(0, 0), (1, 1), (50, 30_000), (200_801, 100_000), (1_000_000, 400_001)];
        for (events, candidates) in cases {
            let keyframes = usize::saturating_sub(events, 1) / spacing(events, candidates);
            assert!(keyframes <= MOST_KEYFRAMES, "{keyframes} of {events}");
            assert!(keyframes * candidates <= MOST_CANDIDATES, "{keyframes} of {candidates}");
        }
    }

    #[test]
    fn a_moment_soon_after_the_last_one_follows_from_it_and_another_from_a_keyframe() {
        let study = study();
        let mut timeline = Timeline::of(&study);
        timeline.at(1_010).expect("follows");
        timeline.at(500).expect("follows");
        // No event changes it.
        timeline.now.weights_at(9);
        for (events, step) in [(501, 9), (545, 9), (900, 0)] {
            let now = timeline.at(events).expect("follows");
            assert_eq!((now.events(), now.search().step()), (events, step));
        }
        timeline.now.weights_at(9);
        assert_eq!(timeline.at(899).expect("follows").search().step(), 0);
    }
}
