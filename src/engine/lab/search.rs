//! Searching with the trained supernet, and steering the search.

use super::{Bench, Control, Lab, LabError, pace::Pace, set_up::kept};
use crate::engine::{
    candidate::CandidateId,
    report::{EarlyEnd, Job, Report},
    run::{Budget, Targets},
    search::{Candidate, Evaluation, Proposal, Standing, Steering},
    study::Event,
    supernet::{EvaluationError, Supernet},
};
use std::time::Instant;

/// Passes that are timed: an odd number, so that the median is one of them.
pub(super) const TIMED_PASSES: usize = 21;

/// How a part of a search ended.
enum Step {
    Done,
    Ended(EarlyEnd),
    Stopped,
}

impl Lab {
    /// Searches for `iterations` more iterations of `candidates` each, within what `budget` leaves. Returns
    /// whether it was stopped; what was evaluated by then is kept. First of all, candidates that were evaluated with
    /// other weights are evaluated again: their accuracies do not compare.
    ///
    /// # Errors
    /// When the supernet is not trained, or something cannot be set up, evaluated or written.
    pub fn search(
        &mut self,
        iterations: u32,
        candidates: usize,
        budget: Budget,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<bool, LabError> {
        if self.epochs() == 0 {
            return Err(LabError::NotTrained);
        }
        self.begin(Job::Search, report);
        let mut targets = self.state.targets;
        if iterations > 0 {
            targets = Targets {
                // A user who searches has trained enough.
                epochs: Some(self.epochs()),
                iterations: Some(
                    self.study.search().finished_iterations().saturating_add(iterations),
                ),
                candidates: Some(candidates),
                budget,
            };
        }
        self.set_up(self.epochs(), targets, report)?;
        let mut stopped = false;
        if iterations > 0 {
            match self.search_for(iterations, candidates, budget, control, report)? {
                Step::Done => {}
                Step::Ended(why) => report(Report::EndsEarly(why)),
                Step::Stopped => stopped = true,
            }
        }
        if let Some(run) = &mut self.run {
            run.sync()?;
        }
        self.tell_cautions(report);
        report(Report::Finished { job: Job::Search, stopped });
        Ok(stopped)
    }

    fn search_for(
        &mut self,
        iterations: u32,
        candidates: usize,
        budget: Budget,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<Step, LabError> {
        let left = |lab: &Self| {
            budget.candidates.map_or(usize::MAX, |most| most.saturating_sub(lab.evaluated()))
        };
        let planned = (candidates as u64).saturating_mul(u64::from(iterations));
        let open =
            |c: &&Candidate| c.standing == Standing::Stale || self.study.search().is_untimed(c);
        let known = self.candidates().iter().filter(open).count();
        let begun = self.study.search().evaluated_now().count();
        let planned = planned.min(left(self).saturating_add(begun) as u64);
        let total = planned.saturating_add(known as u64);
        let seconds = budget.seconds.map(|most| most as f64 - self.seconds().search);
        let mut pace = Pace::new(Job::Search, total, 0).within(seconds);
        let before = self.worked(&pace);
        let step = self.bring_up_to_date(&mut pace, control, report)?;
        self.untold_secs += self.worked(&pace) - before;
        if !matches!(step, Step::Done) {
            return Ok(step);
        }
        for _ in 0..iterations {
            if let Some(most) = budget.seconds.filter(|_| pace.is_over()) {
                return Ok(Step::Ended(EarlyEnd::Seconds(most)));
            }
            let (left, begun) = (left(self), self.study.search().evaluated_now().count());
            // An iteration that was cut short before goes on, if only to its end.
            if let Some(most) = budget.candidates.filter(|_| left == 0 && begun == 0) {
                return Ok(Step::Ended(EarlyEnd::Candidates(most)));
            }
            let count = candidates.min(left.saturating_add(begun));
            let before = self.worked(&pace);
            let step = self.iterate(count, left, &mut pace, control, report)?;
            if !matches!(step, Step::Done) {
                self.untold_secs += self.worked(&pace) - before;
                return Ok(step);
            }
        }
        Ok(Step::Done)
    }

    /// Seconds of work that no event tells, that is, apart from evaluations.
    fn worked(&self, pace: &Pace) -> f64 {
        pace.worked() - self.study.unfinished_secs()
    }

    /// Times what is still to be timed, and evaluates again what was evaluated with other weights.
    fn bring_up_to_date(
        &mut self,
        pace: &mut Pace,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<Step, LabError> {
        // Those that are evaluated again are timed then; a kill between the two leaves one to be timed first.
        let candidates = self.candidates();
        let present = |id: &CandidateId| candidates[id.index()].standing == Standing::Present;
        let untimed: Vec<_> = self.study.search().untimed().into_iter().filter(present).collect();
        match self.time(&untimed, pace, control, report)? {
            Step::Done => self.evaluate(&self.study.search().stale(), pace, control, report),
            cut_short => Ok(cut_short),
        }
    }

    /// One iteration of `count` candidates, of which `most_new` at most are evaluated now.
    fn iterate(
        &mut self,
        count: usize,
        most_new: usize,
        pace: &mut Pace,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<Step, LabError> {
        let started = Instant::now();
        let before = pace.worked();
        let iteration = self.study.search().finished_iterations() + 1;
        let proposals = self.study.search().proposals(count);
        if proposals.is_empty() {
            let all = self.study.search().steering().admits_all();
            let why = if all { EarlyEnd::Exhausted } else { EarlyEnd::NoneWanted };
            return Ok(Step::Ended(why));
        }
        let (first, earlier_secs) = (self.candidates().len(), self.study.unfinished_secs());
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
        let (known, mut open): (Vec<_>, Vec<_>) =
            proposed.iter().partition(|&&id| self.candidates()[id.index()].evaluation.is_some());
        open.truncate(most_new);
        known.iter().for_each(|_| pace.skip());
        let evaluated = self.evaluate(&open, pace, control, report)?;
        if !matches!(evaluated, Step::Done) {
            return Ok(evaluated);
        }
        // More than was proposed, if an iteration that was stopped went on with fewer candidates.
        let others = self.study.search().evaluated_now().filter(|id| !proposed.contains(id));
        let evaluated = |id: &CandidateId| {
            self.study
                .search()
                .candidate(*id)
                .is_some_and(|candidate| candidate.evaluation.is_some())
        };
        let candidates: Vec<_> = proposed.iter().copied().filter(evaluated).chain(others).collect();
        let Some(best) = self.study.search().best() else {
            return Ok(Step::Ended(EarlyEnd::Exhausted));
        };
        let worked = (pace.worked() - before).max(0.0).min(started.elapsed().as_secs_f64());
        let untold_secs = std::mem::take(&mut self.untold_secs);
        self.tell(
            [Event::Iteration {
                iteration,
                mean_accuracy: self.study.mean_of(&candidates).accuracy,
                candidates,
                best,
                seconds: worked + earlier_secs + untold_secs,
            }],
            report,
        )?;
        if let Some(done) = self.iteration_reports().last() {
            report(Report::Iteration(Box::new(done.clone())));
        }
        if let Some(run) = &mut self.run {
            run.sync()?;
        }
        Ok(Step::Done)
    }

    /// Evaluates candidates with the weights as they are, in an order in which neighbours have much in common, and
    /// times them where that is asked for.
    fn evaluate(
        &mut self,
        ids: &[CandidateId],
        pace: &mut Pace,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<Step, LabError> {
        let step = self.trained_steps();
        // Taken out, so that the rest can be written to meanwhile.
        let Some(bench) = self.bench.take() else { return Err(LabError::NotTrained) };
        let done = self.evaluate_on(&bench, ids, step, pace, control, report);
        self.bench = Some(bench);
        done
    }

    fn evaluate_on(
        &mut self,
        bench: &Bench,
        ids: &[CandidateId],
        step: u64,
        pace: &mut Pace,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<Step, LabError> {
        let candidate = |id: CandidateId| &self.candidates()[id.index()];
        let masks: Vec<_> = ids.iter().map(|&id| candidate(id).mask.clone()).collect();
        let mut sharing = bench.evaluator.share(&bench.supernet, &masks);
        for place in sharing.order() {
            if let Some(cut_short) = self.cut_short(pace, control, report) {
                return Ok(cut_short);
            }
            let id = ids[place];
            let now = self.study.search().finished_iterations();
            let iteration = self.candidates()[id.index()].iteration.unwrap_or(now) + 1;
            let clock = Instant::now();
            let evaluation = match sharing.evaluate(place, control.stop_flag()) {
                Err(EvaluationError::Stopped) => return Ok(Step::Stopped),
                evaluated => evaluated?,
            };
            let Evaluation { accuracy, balanced_accuracy, loss } = evaluation;
            let seconds = clock.elapsed().as_secs_f64();
            self.tell(
                [Event::Evaluated {
                    id,
                    iteration,
                    step,
                    accuracy,
                    balanced_accuracy,
                    loss,
                    seconds,
                }],
                report,
            )?;
            if self.study.search().is_untimed(&self.candidates()[id.index()]) {
                self.time_on(&bench.supernet, id, report)?;
            }
            report(Report::Progress(pace.next()));
        }
        Ok(Step::Done)
    }

    /// Times candidates.
    fn time(
        &mut self,
        ids: &[CandidateId],
        pace: &mut Pace,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Result<Step, LabError> {
        // Taken out, so that the rest can be written to meanwhile.
        let Some(bench) = self.bench.take() else { return Err(LabError::NotTrained) };
        let mut timed = Ok(Step::Done);
        for &id in ids {
            if let Some(cut_short) = self.cut_short(pace, control, report) {
                timed = Ok(cut_short);
                break;
            }
            if let Err(error) = self.time_on(&bench.supernet, id, report) {
                timed = Err(error);
                break;
            }
            report(Report::Progress(pace.next()));
        }
        self.bench = Some(bench);
        timed
    }

    fn time_on(
        &mut self,
        supernet: &Supernet,
        id: CandidateId,
        report: &mut dyn FnMut(Report),
    ) -> Result<(), LabError> {
        let mask = &self.candidates()[id.index()].mask;
        let latency = supernet.latency(mask, 1, TIMED_PASSES)?.median_secs;
        self.tell([Event::Timed { id, latency }], report)
    }

    /// Waits while paused; how the search ends here, if it is stopped or its time is over.
    fn cut_short(
        &self,
        pace: &mut Pace,
        control: &Control,
        report: &mut dyn FnMut(Report),
    ) -> Option<Step> {
        if pace.wait(control, report).is_break() {
            return Some(Step::Stopped);
        }
        let seconds = self.state.targets.budget.seconds;
        seconds.filter(|_| pace.is_over()).map(|most| Step::Ended(EarlyEnd::Seconds(most)))
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
        self.study.search().check(&steering, self.study.cloud())?;
        self.make_writable()?;
        self.note([Event::Steered(steering)])?;
        Ok(true)
    }
}
