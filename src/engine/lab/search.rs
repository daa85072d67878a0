//! Searching with the trained supernet or a table of known results, and steering the search.

use super::{
    Lab, LabError,
    job::{Running, Work},
    pace::Pace,
    set_up::kept,
    source::Together,
};
use crate::engine::{
    candidate::CandidateId,
    command::Job,
    report::{EarlyEnd, Report},
    run::{Budget, Targets},
    search::{Candidate, Evaluation, Proposal, Standing, Steering},
    study::Event,
};
use std::{collections::VecDeque, sync::atomic::AtomicBool, time::Instant};

/// Passes that are timed: an odd number, so that the median is one of them.
pub(super) const TIMED_PASSES: usize = 21;

/// A search between two of its steps.
pub(super) struct Searching {
    /// Iterations that are still to end.
    left: u32,
    /// Candidates of each.
    candidates: usize,
    budget: Budget,
    /// Seconds that the present iteration had taken when the job began.
    carried: f64,
    /// Seconds of work in this job by the end of the iteration before.
    mark: f64,
    stage: Stage,
}

/// What a search is about to do.
enum Stage {
    /// To look at what there is to do.
    Look,
    /// To time what is still to be timed, and to evaluate again what was evaluated with other weights.
    Refresh { untimed: VecDeque<CandidateId>, stale: Batch },
    /// To propose the candidates of an iteration.
    Propose,
    /// To evaluate those that were `proposed`, and to end the iteration.
    Iterate { proposed: Vec<CandidateId>, open: Batch },
}

/// Candidates that are evaluated one after the other; by a supernet, in an order in which neighbours have much in common.
struct Batch {
    ids: Vec<CandidateId>,
    /// Places of those that are still to be evaluated.
    left: VecDeque<usize>,
    together: Together,
}

impl Searching {
    /// Begins again with what holds now; what was evaluated in the present iteration stays in it.
    pub(super) fn look_again(&mut self) {
        self.stage = Stage::Look;
    }
}

impl Lab {
    pub(super) fn start_searching(
        &mut self,
        iterations: u32,
        candidates: usize,
        budget: Budget,
        report: &mut dyn FnMut(Report),
    ) -> Result<Running, LabError> {
        self.source.check_trained(self.epochs() as u64)?;
        self.begin(Job::Search, report);
        let mut targets = self.state.targets;
        if iterations > 0 {
            targets = Targets {
                // A user who searches has trained enough.
                epochs: Some(self.epochs()),
                iterations: Some(self.iterations().saturating_add(iterations)),
                candidates: Some(candidates),
                budget,
            };
        }
        self.set_up(self.epochs(), targets, report)?;
        let seconds = budget.seconds.map(|most| most as f64 - self.seconds().search);
        let begun = self.study.search().evaluated_now().count() as u64;
        let pace = Pace::new(Job::Search, begun, begun).within(seconds);
        let carried = self.study.unfinished_secs() + std::mem::take(&mut self.untold_secs);
        let (left, mark, stage) = (iterations, 0.0, Stage::Look);
        let searching = Searching { left, candidates, budget, carried, mark, stage };
        Ok(Running { pace, work: Work::Search(Box::new(searching)) })
    }

    /// Seconds of the present iteration that no event tells, that is, apart from evaluations.
    pub(super) fn untold(&self, searching: &Searching, pace: &Pace) -> f64 {
        let Searching { carried, mark, .. } = searching;
        (pace.worked() - mark + carried - self.study.unfinished_secs()).max(0.0)
    }

    /// How many candidates the budget leaves.
    fn affordable(&self, budget: Budget) -> usize {
        budget.candidates.map_or(usize::MAX, |most| most.saturating_sub(self.evaluated()))
    }

    /// The next step of a search; returns whether there are more.
    pub(super) fn search_on(
        &mut self,
        searching: &mut Searching,
        pace: &mut Pace,
        stop: &AtomicBool,
        report: &mut dyn FnMut(Report),
    ) -> Result<bool, LabError> {
        let seconds = searching.budget.seconds.filter(|_| pace.is_over()).map(EarlyEnd::Seconds);
        let ends = match &mut searching.stage {
            Stage::Look if searching.left == 0 => return Ok(false),
            Stage::Look => {
                if self.source.is_missing() {
                    // After an edit.
                    self.set_up(self.epochs(), self.state.targets, report)?;
                }
                let candidates = self.candidates();
                // Those that are evaluated again are timed then; a kill between the two leaves one to be timed first.
                let present =
                    |id: &CandidateId| candidates[id.index()].standing == Standing::Present;
                let untimed = self.study.search().untimed().into_iter().filter(present).collect();
                pace.set_left(self.to_evaluate(searching));
                let stale = self.batch(self.study.search().stale())?;
                searching.stage = Stage::Refresh { untimed, stale };
                None
            }
            Stage::Refresh { untimed, stale } => {
                if untimed.is_empty() && stale.left.is_empty() {
                    searching.stage = Stage::Propose;
                    None
                } else if seconds.is_some() {
                    seconds
                } else if let Some(id) = untimed.pop_front() {
                    self.time(id, report)?;
                    report(Report::Progress(pace.next()));
                    None
                } else {
                    self.evaluate_next(stale, pace, stop, report)?;
                    None
                }
            }
            // Looked at first, since an iteration that is begun is told.
            Stage::Propose if seconds.is_some() => seconds,
            Stage::Propose => self.propose(searching, report)?,
            Stage::Iterate { open, .. } if !open.left.is_empty() && seconds.is_some() => seconds,
            Stage::Iterate { proposed, open } => {
                self.evaluate_next(open, pace, stop, report)?;
                if open.left.is_empty() {
                    let proposed = std::mem::take(proposed);
                    searching.stage = Stage::Propose;
                    self.end_iteration(&proposed, searching, pace, report)?;
                    searching.left = searching.left.saturating_sub(1);
                    if searching.left == 0 {
                        return Ok(false);
                    }
                }
                None
            }
        };
        if let Some(why) = ends {
            report(Report::EndsEarly(why));
        }
        Ok(ends.is_none())
    }

    /// How many candidates there are to evaluate or time until the end, as far as that is known.
    fn to_evaluate(&self, searching: &Searching) -> u64 {
        let Searching { left, candidates, budget, .. } = *searching;
        let open =
            |c: &&Candidate| c.standing == Standing::Stale || self.study.search().is_untimed(c);
        let known = self.candidates().iter().filter(open).count();
        let begun = self.study.search().evaluated_now().count();
        let planned = (candidates as u64).saturating_mul(u64::from(left));
        let planned = planned.min(self.affordable(budget).saturating_add(begun) as u64);
        planned.saturating_sub(begun as u64).saturating_add(known as u64)
    }

    /// Proposes the candidates of the next iteration; says why the search ends where there are none.
    fn propose(
        &mut self,
        searching: &mut Searching,
        report: &mut dyn FnMut(Report),
    ) -> Result<Option<EarlyEnd>, LabError> {
        let Searching { candidates, budget, .. } = *searching;
        let (left, begun) = (self.affordable(budget), self.study.search().evaluated_now().count());
        // An iteration that was cut short before goes on, if only to its end.
        if let Some(most) = budget.candidates.filter(|_| left == 0 && begun == 0) {
            return Ok(Some(EarlyEnd::Candidates(most)));
        }
        let iteration = self.iterations() + 1;
        let proposals = self.study.search().proposals(candidates.min(left.saturating_add(begun)));
        if proposals.is_empty() {
            let all = self.study.search().steering().admits_all();
            let why = if all { EarlyEnd::Exhausted } else { EarlyEnd::NoneWanted };
            return Ok(Some(why));
        }
        let first = self.candidates().len();
        let mut proposed = Vec::with_capacity(proposals.len());
        let mut newcomers = Vec::new();
        for Proposal { mask, parents, known } in proposals {
            let id = known.unwrap_or_else(|| {
                let id = CandidateId::after(first + newcomers.len());
                let kept = kept(self.graph(), &mask);
                newcomers.push(Event::Candidate { id, iteration, parents, kept });
                id
            });
            proposed.push(id);
        }
        self.tell(newcomers, report)?;
        // Some are known already where the iteration was cut short before.
        let is_open = |id: &CandidateId| self.candidates()[id.index()].evaluation.is_none();
        let open = proposed.iter().copied().filter(is_open).take(left).collect();
        let open = self.batch(open)?;
        searching.stage = Stage::Iterate { proposed, open };
        Ok(None)
    }

    /// Ends an iteration, all of whose candidates are evaluated.
    fn end_iteration(
        &mut self,
        proposed: &[CandidateId],
        searching: &mut Searching,
        pace: &Pace,
        report: &mut dyn FnMut(Report),
    ) -> Result<(), LabError> {
        // More than was proposed, if an iteration that was stopped went on with fewer candidates, or others were
        // evaluated meanwhile.
        let others = self.study.search().evaluated_now().filter(|id| !proposed.contains(id));
        let evaluated = |id: &CandidateId| {
            let candidate = self.study.search().candidate(*id);
            candidate.is_some_and(|candidate| candidate.evaluation.is_some())
        };
        let candidates: Vec<_> = proposed.iter().copied().filter(evaluated).chain(others).collect();
        let Some(best) = self.study.search().best() else { return Ok(()) };
        let worked = pace.worked();
        let seconds = worked - searching.mark + std::mem::take(&mut searching.carried);
        searching.mark = worked;
        self.tell(
            [Event::Iteration {
                iteration: self.iterations() + 1,
                mean_accuracy: self.study.mean_of(&candidates).accuracy,
                candidates,
                best,
                seconds,
            }],
            report,
        )?;
        if let Some(done) = self.iteration_reports().last() {
            report(Report::Iteration(Box::new(done.clone())));
        }
        if let Some(run) = &mut self.run {
            run.sync()?;
        }
        Ok(())
    }

    /// Candidates to be evaluated with the weights as they are.
    fn batch(&self, ids: Vec<CandidateId>) -> Result<Batch, LabError> {
        let masks = ids.iter().map(|&id| self.candidates()[id.index()].mask.clone());
        let together = self.source.prepare(self.graph(), &masks.collect::<Vec<_>>())?;
        Ok(Batch { ids, left: together.order().into(), together })
    }

    /// Evaluates the next candidate of a batch, and times it where that is asked for. Nothing happens where `stop` becomes
    /// true.
    fn evaluate_next(
        &mut self,
        batch: &mut Batch,
        pace: &mut Pace,
        stop: &AtomicBool,
        report: &mut dyn FnMut(Report),
    ) -> Result<(), LabError> {
        let Some(&place) = batch.left.front() else { return Ok(()) };
        let id = batch.ids[place];
        if self.is_open(id)
            && self.evaluate(id, (&mut batch.together, place), None, stop, report)?.is_none()
        {
            return Ok(());
        }
        batch.left.pop_front();
        report(Report::Progress(pace.next()));
        Ok(())
    }

    /// Whether a candidate has no evaluation with the weights as they are.
    pub(super) fn is_open(&self, id: CandidateId) -> bool {
        let candidate = self.study.search().candidate(id);
        candidate.is_some_and(|it| it.evaluation.is_none() || it.standing == Standing::Stale)
    }

    /// Evaluates a candidate, which has this place among those that were prepared with it, and times it where that is asked
    /// for; `None` if it was stopped. A `newcomer` is told with its evaluation.
    pub(super) fn evaluate(
        &mut self,
        id: CandidateId,
        (together, place): (&mut Together, usize),
        newcomer: Option<Event>,
        stop: &AtomicBool,
        report: &mut dyn FnMut(Report),
    ) -> Result<Option<Evaluation>, LabError> {
        let step = self.steps_by_now();
        let proposed = self.study.search().candidate(id).and_then(|known| known.iteration);
        let iteration = proposed.unwrap_or(self.iterations()) + 1;
        let clock = Instant::now();
        let Some(evaluation) = self.source.evaluate(together, place, stop)? else {
            return Ok(None);
        };
        let Evaluation { accuracy, balanced_accuracy, loss } = evaluation;
        let seconds = clock.elapsed().as_secs_f64();
        let evaluated =
            Event::Evaluated { id, iteration, step, accuracy, balanced_accuracy, loss, seconds };
        self.tell(newcomer.into_iter().chain([evaluated]), report)?;
        if self.study.search().is_untimed(&self.candidates()[id.index()]) {
            self.time(id, report)?;
        }
        Ok(Some(evaluation))
    }

    /// Times a candidate.
    fn time(&mut self, id: CandidateId, report: &mut dyn FnMut(Report)) -> Result<(), LabError> {
        let latency = self.source.time(&self.candidates()[id.index()].mask)?;
        self.tell([Event::Timed { id, latency }], report)
    }

    /// Asks for other candidates from the next iteration on; returns whether that is something new. It is recorded
    /// in the run, where there is one.
    ///
    /// # Errors
    /// When it cannot be met or written; what was asked for before holds on then.
    pub fn steer(&mut self, steering: Steering) -> Result<bool, LabError> {
        // What is asked of nodes that an edit has removed is lifted with the rest.
        if steering == *self.asked() {
            return Ok(false);
        }
        if self.is_of_table() && steering.is_about_costs() {
            return Err(LabError::NoCosts);
        }
        self.study.search().check(&steering, self.study.cloud())?;
        self.make_writable()?;
        self.note([Event::Steered(steering)])?;
        Ok(true)
    }
}
