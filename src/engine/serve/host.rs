//! The end that has the lab.

use super::told::{Told, of_study};
use crate::engine::{
    command::{Answer, Command, Ticket},
    lab::{Lab, LabError},
    remote::{Asked, Log, RemoteError, Reply, Server, ServerOptions},
    report::Report,
    worker::{Worker, WorkerError},
};
use std::{
    collections::VecDeque,
    mem::discriminant,
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{Receiver, TrySendError, sync_channel},
    },
    time::Duration,
};
use thiserror::Error;

/// Requests of viewers that may wait.
const REQUESTS: usize = 64;

/// Reports that are passed on before the host looks for requests again.
const REPORTS: usize = 256;

/// How long the host waits for a report before it looks for requests.
const TICK: Duration = Duration::from_millis(5);

/// A lab cannot be hosted.
#[derive(Debug, Error)]
pub enum HostError {
    /// No one could connect.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// There is no thread for the lab, or it has ended.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// Something cannot be told.
    #[error("a report cannot be written for viewers: {0}")]
    Unwritable(#[from] serde_json::Error),
}

/// A request that waits for its answer.
struct Open {
    ticket: Ticket,
    is_job: bool,
    reply: Reply<Answer>,
}

/// A lab on a thread, with a server for viewers elsewhere.
pub struct Host {
    worker: Worker,
    log: Arc<Log<Told>>,
    server: Server,
    asked: Receiver<Asked<Command, Answer>>,
    /// Requests that were not answered yet, in the order in which they were asked.
    open: VecDeque<Open>,
    /// What holds beside the study.
    standing: Vec<Report>,
}

impl Host {
    /// Makes the lab on a thread of its own, and listens.
    ///
    /// # Errors
    /// When the server cannot listen, or there is no thread.
    pub fn start(
        options: ServerOptions,
        make_lab: impl FnOnce() -> Result<Lab, LabError> + Send + 'static,
    ) -> Result<Self, HostError> {
        let log = Arc::new(Log::new()?);
        let (sender, asked) = sync_channel(REQUESTS);
        let take = move |asked: Asked<Command, Answer>| {
            if let Err(TrySendError::Full(asked) | TrySendError::Disconnected(asked)) =
                sender.try_send(asked)
            {
                asked.reply.refuse("too many requests wait; ask again when some are answered");
            }
        };
        let server = Server::start(options, Arc::clone(&log), take)?;
        let worker = Worker::start(None, make_lab)?;
        Ok(Self { worker, log, server, asked, open: VecDeque::new(), standing: Vec::new() })
    }

    /// Where viewers connect.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Passes on what is asked and what is reported, for about the time of a frame; `tell` is told the reports, too.
    ///
    /// # Errors
    /// When the lab's thread has ended, or something cannot be told.
    pub fn tend(&mut self, tell: &mut dyn FnMut(&Report)) -> Result<(), HostError> {
        while let Ok(Asked { viewer: _, request, reply }) = self.asked.try_recv() {
            let is_job = matches!(
                request,
                Command::Train { .. } | Command::Search { .. } | Command::Verify(_)
            );
            match self.worker.ask(request) {
                Ok(ticket) => self.open.push_back(Open { ticket, is_job, reply }),
                Err(error) => reply.refuse(&error.to_string()),
            }
        }
        let mut wait = TICK;
        for _ in 0..REPORTS {
            let Some(report) = self.worker.wait_for_report(wait)? else { break };
            tell(&report);
            self.pass_on(report)?;
            wait = Duration::ZERO;
        }
        Ok(())
    }

    fn pass_on(&mut self, report: Report) -> Result<(), HostError> {
        let kind = match &report {
            Report::Study(study) => {
                self.log.begin_again();
                for told in of_study(study, &self.standing) {
                    self.log.keep(&told)?;
                }
                return Ok(());
            }
            // Another study follows.
            Report::Fitted(_) => return Ok(()),
            Report::Answer { ticket, answer } => {
                let place = self.open.iter().position(|open| open.ticket == *ticket);
                if let Some(Open { reply, .. }) = place.and_then(|place| self.open.remove(place)) {
                    reply.answer(answer);
                    return Ok(());
                }
                None
            }
            Report::Step { .. } => Some("step"),
            Report::Progress(_) => Some("progress"),
            Report::Started(_)
            | Report::RunOpened { .. }
            | Report::Data(_)
            | Report::Note(_)
            | Report::Cautions { .. }
            | Report::Template { .. }
            | Report::Event(_)
            | Report::Edited(_)
            | Report::Forgotten { .. }
            | Report::WeightsAt { .. }
            | Report::Iteration(_)
            | Report::EndsEarly(_)
            | Report::Paused(_)
            | Report::NotOpened { .. } => None,
        };
        self.take_note(&report);
        let has_begun = matches!(report, Report::Started(_));
        let told = Told::Report(report);
        match kind {
            Some(kind) => self.log.pass(kind, &told)?,
            None => self.log.keep(&told)?,
        }
        if has_begun {
            // The viewer that has asked for it need not wait for its end, which all are told.
            let place = self.open.iter().position(|open| open.is_job);
            if let Some(Open { ticket, reply, .. }) = place.and_then(|it| self.open.remove(it)) {
                reply.answer(&Answer::Begun { ticket });
            }
        }
        Ok(())
    }

    /// Remembers what goes on to hold when another study begins.
    fn take_note(&mut self, report: &Report) {
        let is_replaced = |older: &Report| match (report, older) {
            (Report::Cautions { about, .. }, Report::Cautions { about: older, .. }) => {
                about == older
            }
            (
                Report::Answer {
                    answer: Answer::Ended { .. } | Answer::Failed { job: Some(_), .. },
                    ..
                },
                older,
            ) => matches!(older, Report::Started(_) | Report::Paused(_)),
            (report, older) => discriminant(report) == discriminant(older),
        };
        self.standing.retain(|older| !is_replaced(older));
        if matches!(
            report,
            Report::RunOpened { .. }
                | Report::Data(_)
                | Report::Cautions { .. }
                | Report::Started(_)
                | Report::Paused(true)
        ) {
            self.standing.push(report.clone());
        }
    }

    /// Stops what is under way, and tells viewers the last of it before they are left.
    ///
    /// # Errors
    /// When something cannot be told.
    pub fn end(mut self, tell: &mut dyn FnMut(&Report)) -> Result<(), HostError> {
        self.worker.wind_up();
        // The thread ends when the job has recorded what is done.
        while let Ok(report) = self.worker.wait_for_report(TICK) {
            if let Some(report) = report {
                tell(&report);
                self.pass_on(report)?;
            }
        }
        Ok(())
    }
}
