//! The lab's side of a worker: what is asked for is done between the steps of what is under way.

use super::{COMMANDS, Order, WorkerError};
use crate::engine::{
    candidate::CandidateId,
    command::{Answer, Command, Job, Ticket},
    lab::{Change, Control, Lab, LabError, Plan, Running},
    report::Report,
    run::Budget,
    search::Evaluation,
    template::{Checked, NodeId, same},
};
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
    time::Instant,
};

/// The lab with what is under way.
struct Desk<'a> {
    lab: &'a mut Lab,
    report: &'a mut dyn FnMut(Report),
    job: Option<JobAtWork>,
    /// Evaluations that were asked for; they come before the next step of the job.
    evaluations: VecDeque<Evaluations>,
}

struct JobAtWork {
    ticket: Ticket,
    control: Arc<Control>,
    running: Running,
    /// Since when it waits.
    paused: Option<Instant>,
}

struct Evaluations {
    ticket: Ticket,
    control: Arc<Control>,
    left: VecDeque<Vec<NodeId>>,
    done: Vec<(CandidateId, Evaluation)>,
}

/// Tells what the lab holds, and does what is asked for until no more can be asked.
pub(super) fn serve(lab: &mut Lab, inbox: &Receiver<Order>, report: &mut dyn FnMut(Report)) {
    lab.story().into_iter().for_each(&mut *report);
    let mut desk = Desk { lab, report, job: None, evaluations: VecDeque::new() };
    loop {
        let order = match desk.is_idle() {
            true => inbox.recv().map_err(|_| TryRecvError::Disconnected),
            false => inbox.try_recv(),
        };
        match order {
            Ok(order) => desk.take(order),
            Err(TryRecvError::Empty) => desk.work(),
            Err(TryRecvError::Disconnected) => return desk.stop(false),
        }
    }
}

impl Desk<'_> {
    /// Whether there is nothing to do before the next command.
    fn is_idle(&self) -> bool {
        let waits = self.job.as_ref().is_none_or(|job| job.paused.is_some());
        waits && self.evaluations.is_empty()
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) {
        self.tell_untold();
        (self.report)(Report::Answer { ticket, answer });
    }

    fn tell_untold(&mut self) {
        self.lab.take_untold().into_iter().for_each(&mut *self.report);
    }

    /// Carries out a command, or puts it with what is under way.
    fn take(&mut self, order: Order) {
        let Order { ticket, command, control } = order;
        let done = match command {
            Command::Train { epochs, template } => {
                return self.start(ticket, control, template, Job::Train, Plan::Train { epochs });
            }
            Command::Search { iterations, candidates, template } => {
                // A user who presses the button wants to search on, whatever the budget was before.
                let plan = Plan::Search { iterations, candidates, budget: Budget::default() };
                return self.start(ticket, control, template, Job::Search, plan);
            }
            Command::Verify(settings) => {
                return self.start(ticket, control, None, Job::Verify, Plan::Verify(settings));
            }
            Command::Evaluate { .. } if self.evaluations.len() >= COMMANDS => {
                let message = WorkerError::Full.to_string();
                return self.answer(ticket, Answer::Refused { message });
            }
            Command::Evaluate { candidates } => {
                let check = |nodes: &Vec<_>| self.lab.check_these(nodes).map(drop);
                let checked = candidates.iter().try_for_each(check);
                match checked.and_then(|()| self.give_way(Change::Evaluations)) {
                    Ok(()) => {
                        let (left, done) = (candidates.into(), Vec::new());
                        self.evaluations.push_back(Evaluations { ticket, control, left, done });
                        return;
                    }
                    Err(error) => Err(error),
                }
            }
            Command::Steer(steering) => {
                self.change(Change::Steering, |lab| lab.steer(steering).map(drop))
            }
            Command::Aim(objective) => {
                self.change(Change::Objective, |lab| lab.aim_at(objective).map(drop))
            }
            Command::Retune(length) => {
                self.change(Change::StepLength, |lab| lab.retune(length).map(drop))
            }
            Command::Edit(template) => self.edit(template),
            Command::Pause | Command::Resume if self.job.is_none() => Err(LabError::NoJob),
            Command::Stop | Command::Cancel
                if self.job.is_none() && self.evaluations.is_empty() =>
            {
                Err(LabError::NoJob)
            }
            Command::Pause => {
                self.pause();
                Ok(())
            }
            Command::Resume => {
                self.resume();
                Ok(())
            }
            Command::Stop | Command::Cancel => {
                self.stop(command == Command::Cancel);
                Ok(())
            }
        };
        let answer = match done {
            Ok(()) => Answer::Done,
            Err(error) => Answer::Refused { message: error.to_string() },
        };
        self.answer(ticket, answer);
    }

    /// Begins a job in a template, if it is said in which.
    fn start(
        &mut self,
        ticket: Ticket,
        control: Arc<Control>,
        template: Option<Checked>,
        job: Job,
        plan: Plan,
    ) {
        if self.job.is_some() {
            let message = "another job is running; stop it or wait for its end".to_owned();
            return self.answer(ticket, Answer::Refused { message });
        }
        let edited = template.map_or(Ok(()), |template| self.edit(template));
        match edited.and_then(|()| self.lab.start(plan, self.report)) {
            Ok(running) => {
                self.job = Some(JobAtWork { ticket, control, running, paused: None });
            }
            Err(error) => {
                let message = error.to_string();
                self.answer(ticket, Answer::Failed { job: Some(job), message });
            }
        }
    }

    /// Changes something once the job has given way.
    fn change(
        &mut self,
        change: Change,
        act: impl FnOnce(&mut Lab) -> Result<(), LabError>,
    ) -> Result<(), LabError> {
        self.give_way(change)?;
        act(self.lab)
    }

    fn give_way(&mut self, change: Change) -> Result<(), LabError> {
        let Some(job) = &mut self.job else { return Ok(()) };
        match self.lab.give_way(&mut job.running, change, self.report) {
            Err(error) if !matches!(error, LabError::Verifying) => {
                // The job ends with it; the change is refused, and can be asked for again.
                let message = error.to_string();
                self.end_job(|job| Answer::Failed { job: Some(job), message });
                Err(error)
            }
            given => given,
        }
    }

    /// Makes `template` the lab's, and reports it if that is another network.
    fn edit(&mut self, template: Checked) -> Result<(), LabError> {
        if !same(template.graph().network(), self.lab.graph().network()) {
            self.give_way(Change::Template)?;
        }
        let edited = self.lab.edit(template)?;
        self.tell_untold();
        edited.map(Report::Edited).into_iter().for_each(&mut *self.report);
        Ok(())
    }

    fn pause(&mut self) {
        if let Some(job) = self.job.as_mut().filter(|job| job.paused.is_none()) {
            job.paused = Some(Instant::now());
            (self.report)(Report::Paused(true));
        }
    }

    fn resume(&mut self) {
        if let Some(job) = &mut self.job
            && let Some(since) = job.paused.take()
        {
            job.running.leave_out(since.elapsed());
            (self.report)(Report::Paused(false));
        }
    }

    /// Ends what is under way.
    fn stop(&mut self, forget: bool) {
        while let Some(Evaluations { ticket, done, .. }) = self.evaluations.pop_front() {
            self.answer(ticket, Answer::Evaluated(done));
        }
        self.resume();
        self.stop_job(forget);
    }

    fn stop_job(&mut self, forget: bool) {
        let Some(JobAtWork { ticket, running, .. }) = self.job.take() else { return };
        let job = running.job();
        let answer = match self.lab.stop(running, forget, self.report) {
            Ok(()) => Answer::Ended { job, stopped: true },
            Err(error) => Answer::Failed { job: Some(job), message: error.to_string() },
        };
        self.answer(ticket, answer);
    }

    fn end_job(&mut self, answer: impl FnOnce(Job) -> Answer) {
        self.resume();
        if let Some(JobAtWork { ticket, running, .. }) = self.job.take() {
            self.answer(ticket, answer(running.job()));
        }
    }

    /// Does the next step.
    fn work(&mut self) {
        if !self.evaluations.is_empty() {
            return self.evaluate();
        }
        let Some(JobAtWork { control, running, .. }) = &mut self.job else { return };
        if control.is_stopped() {
            let forget = control.is_cancelled();
            return self.stop_job(forget);
        }
        match self.lab.step(running, control.stop_flag(), self.report) {
            Ok(true) => {}
            Ok(false) => self.end_job(|job| Answer::Ended { job, stopped: false }),
            Err(error) => {
                let message = error.to_string();
                self.end_job(|job| Answer::Failed { job: Some(job), message });
            }
        }
    }

    /// Evaluates the next candidate that was asked for.
    fn evaluate(&mut self) {
        let given = self.give_way(Change::Evaluations);
        let Some(Evaluations { ticket, control, left, done }) = self.evaluations.front_mut() else {
            return;
        };
        let ticket = *ticket;
        let next = left.pop_front();
        let evaluated = match (given, &next) {
            (Err(error), _) => Err(error),
            (Ok(()), None) => Ok(None),
            (Ok(()), Some(nodes)) => {
                self.lab.evaluate_these(nodes, control.stop_flag(), self.report)
            }
        };
        let answer = match evaluated {
            Ok(Some(evaluated)) => {
                done.push(evaluated);
                if !left.is_empty() {
                    return;
                }
                Answer::Evaluated(std::mem::take(done))
            }
            // None was asked for, or they were stopped.
            Ok(None) => Answer::Evaluated(std::mem::take(done)),
            Err(error) => Answer::Failed { job: None, message: error.to_string() },
        };
        self.evaluations.pop_front();
        self.answer(ticket, answer);
    }
}

#[cfg(test)]
mod tests;
