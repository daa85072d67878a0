//! A thread with a lab: commands go in and reports come back, neither of which ever blocks who asks.

mod desk;

use super::{
    command::{Command, Ticket},
    lab::{Control, Lab, LabError},
    report::Report,
};
use std::{
    sync::{
        Arc, Weak,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Reports that may wait to be read; then the lab waits for its reader.
const REPORTS: usize = 1024;

/// Commands that may wait for the end of a step.
const COMMANDS: usize = 64;

/// A command on its way to the lab.
#[derive(Debug)]
struct Order {
    ticket: Ticket,
    command: Command,
    /// By which a long step of it is ended.
    control: Arc<Control>,
}

/// A lab on a thread of its own. Dropping it stops the running job and waits for the thread.
#[derive(Debug)]
pub struct Worker {
    orders: Option<SyncSender<Order>>,
    reports: Option<Receiver<Report>>,
    /// Of the commands that are not answered yet.
    controls: Vec<Weak<Control>>,
    /// Commands so far.
    asked: u64,
    thread: Option<JoinHandle<()>>,
}

/// A worker does not take a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkerError {
    /// It has not come to the commands before.
    #[error(
        "{COMMANDS} commands are waiting already; wait until the step that is being done has ended"
    )]
    Full,
    /// The thread has ended.
    #[error("the worker has ended; open the template or the run again")]
    Ended,
    /// The system gives no thread.
    #[error("the system gives no thread; close other programs")]
    NoThread,
}

impl Worker {
    /// Starts the thread, makes the lab on it and reports what the lab holds already. Before that, the
    /// thread waits for the end of `before`, whose lab may have locked the same run.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        before: Option<JoinHandle<()>>,
        make_lab: impl FnOnce() -> Result<Lab, LabError> + Send + 'static,
    ) -> Result<Self, WorkerError> {
        let (orders, inbox) = sync_channel(COMMANDS);
        let (outbox, reports) = sync_channel(REPORTS);
        let work = move || {
            // Where no reports are read no commands come either, which ends the thread.
            let mut report = |report| drop(outbox.send(report));
            if let Some(before) = before {
                // A panic was printed where it happened.
                let _ = before.join();
            }
            match make_lab() {
                Ok(mut lab) => desk::serve(&mut lab, &inbox, &mut report),
                Err(error) => report(Report::NotOpened { message: error.to_string() }),
            }
        };
        let thread = thread::Builder::new()
            .name("lab".into())
            .spawn(work)
            .map_err(|_| WorkerError::NoThread)?;
        let (orders, reports, thread) = (Some(orders), Some(reports), Some(thread));
        Ok(Self { orders, reports, controls: Vec::new(), asked: 0, thread })
    }

    /// Asks for something, which is begun when the present step of a running job has ended; a stop also ends a long
    /// step. Each command is [answered](Report::Answer) once, in a report with its ticket.
    ///
    /// # Errors
    /// When too many commands are waiting or the thread has ended.
    pub fn ask(&mut self, command: Command) -> Result<Ticket, WorkerError> {
        let Some(orders) = &self.orders else { return Err(WorkerError::Ended) };
        let raise: Option<fn(&Control)> = match command {
            Command::Stop => Some(Control::stop),
            Command::Cancel => Some(Control::cancel),
            Command::Train { .. }
            | Command::Search { .. }
            | Command::Verify(_)
            | Command::Evaluate { .. }
            | Command::Steer(_)
            | Command::Aim(_)
            | Command::Retune(_)
            | Command::Edit(_)
            | Command::Pause
            | Command::Resume => None,
        };
        let ticket = Ticket::Lab(self.asked);
        let control = Arc::new(Control::default());
        let alive = Arc::downgrade(&control);
        orders.try_send(Order { ticket, command, control }).map_err(|error| match error {
            TrySendError::Full(_) => WorkerError::Full,
            TrySendError::Disconnected(_) => WorkerError::Ended,
        })?;
        self.asked += 1;
        self.controls.retain(|control| control.strong_count() > 0);
        if let Some(raise) = raise {
            self.controls.iter().filter_map(Weak::upgrade).for_each(|control| raise(&control));
        }
        self.controls.push(alive);
        Ok(ticket)
    }

    /// The next report, if there is one.
    ///
    /// # Errors
    /// [`WorkerError::Ended`] when the thread has ended and everything was read.
    pub fn try_report(&self) -> Result<Option<Report>, WorkerError> {
        match self.reports.as_ref().map(Receiver::try_recv) {
            Some(Ok(report)) => Ok(Some(report)),
            Some(Err(TryRecvError::Empty)) => Ok(None),
            Some(Err(TryRecvError::Disconnected)) | None => Err(WorkerError::Ended),
        }
    }

    /// The next report, for which it waits at most so long.
    ///
    /// # Errors
    /// As [`try_report`](Self::try_report).
    pub fn wait_for_report(&self, most: Duration) -> Result<Option<Report>, WorkerError> {
        match self.reports.as_ref().map(|reports| reports.recv_timeout(most)) {
            Some(Ok(report)) => Ok(Some(report)),
            Some(Err(RecvTimeoutError::Timeout)) => Ok(None),
            Some(Err(RecvTimeoutError::Disconnected)) | None => Err(WorkerError::Ended),
        }
    }

    /// Whether the thread has ended, which it only does by itself when it could not begin or has panicked.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Stops the running job and takes no further commands; the last reports are still to be read.
    pub fn wind_up(&mut self) {
        self.controls.iter().filter_map(Weak::upgrade).for_each(|control| control.stop());
        self.orders = None;
    }

    /// Stops the running job and gives the thread, which ends when the job has recorded what is done.
    pub fn end(mut self) -> Option<JoinHandle<()>> {
        self.hang_up();
        self.thread.take()
    }

    fn hang_up(&mut self) {
        self.wind_up();
        // Without its ends of the channels the thread neither waits for commands nor for readers.
        self.reports = None;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.hang_up();
        if let Some(thread) = self.thread.take() {
            // A panic was printed where it happened.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
