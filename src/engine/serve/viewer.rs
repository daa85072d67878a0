//! The end that watches and asks.

use super::told::{Listener, Told};
use crate::engine::{
    command::{Answer, Command, Ticket},
    remote::{self, AskError, Client, ClientOptions, Link, News, RemoteError},
    report::Report,
};
use std::time::Duration;

/// A lab elsewhere: it takes commands and gives reports as a [`Worker`](crate::engine::worker::Worker) does. A job that was
/// asked for is answered when it has begun; all are told its end.
pub struct Viewer {
    address: String,
    client: Client<Command, Told, Answer>,
    listener: Listener,
    is_connected: bool,
    writes: bool,
    is_up_to_date: bool,
}

impl Viewer {
    /// Begins to connect; reports tell what becomes of it.
    ///
    /// # Errors
    /// When the address or a file is wrong, or there is no thread.
    pub fn connect(options: ClientOptions) -> Result<Self, RemoteError> {
        let address = options.address.clone();
        let client = Client::connect(options)?;
        let listener = Listener::default();
        Ok(Self {
            address,
            client,
            listener,
            is_connected: false,
            writes: false,
            is_up_to_date: false,
        })
    }

    /// Asks for something; the answer comes in a report with this ticket.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn ask(&self, command: &Command) -> Result<Ticket, AskError> {
        self.client.ask(command).map(Ticket::Viewer)
    }

    /// Whether commands of this viewer are taken.
    pub fn writes(&self) -> bool {
        self.writes
    }

    /// Whether there is a connection now.
    pub fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Whether everything was reported that had happened when the connection was made.
    pub fn is_up_to_date(&self) -> bool {
        self.is_up_to_date
    }

    /// The next report, if there is one.
    ///
    /// # Errors
    /// When the connection's thread has ended, which it does after the connection was refused.
    pub fn try_report(&mut self) -> Result<Option<Report>, AskError> {
        while let Some(news) = self.client.try_news()? {
            if let Some(report) = self.hear(news) {
                return Ok(Some(report));
            }
        }
        Ok(None)
    }

    /// The next report, for which it waits at most so long.
    ///
    /// # Errors
    /// As [`try_report`](Self::try_report).
    pub fn wait_for_report(&mut self, most: Duration) -> Result<Option<Report>, AskError> {
        match self.try_report()? {
            Some(report) => Ok(Some(report)),
            None => Ok(self.client.wait_for_news(most)?.and_then(|news| self.hear(news))),
        }
    }

    fn hear(&mut self, news: News<Told, Answer>) -> Option<Report> {
        let address = &self.address;
        match news {
            News::Begin => {
                self.listener = Listener::default();
                None
            }
            News::CaughtUp => {
                self.is_up_to_date = true;
                None
            }
            News::Kept(told) | News::Passing(told) => self.listener.hear(told),
            News::Answer { number, answer } => {
                let answer = match answer {
                    remote::Answer::Given(answer) => answer,
                    remote::Answer::Refused(message) => Answer::Refused { message },
                    remote::Answer::Lost => Answer::Refused {
                        message: format!(
                            "the connection to {address} was lost before there was an answer; look at what the run shows, and ask again if it was not done"
                        ),
                    },
                };
                Some(Report::Answer { ticket: Ticket::Viewer(number), answer })
            }
            News::Link(Link::Connected { writes: true }) => {
                (self.is_connected, self.writes) = (true, true);
                Some(Report::Note(format!("connected to {address}")))
            }
            News::Link(Link::Connected { writes: false }) => {
                (self.is_connected, self.writes) = (true, false);
                Some(Report::Note(format!("connected to {address} to watch")))
            }
            News::Link(Link::Writes(true)) => {
                self.writes = true;
                Some(Report::Note(format!("{address} takes commands of this viewer now")))
            }
            News::Link(Link::Writes(false)) => {
                self.writes = false;
                Some(Report::Note(format!("{address} takes commands of another viewer now")))
            }
            News::Link(Link::Lost { why, retry_in }) => {
                (self.is_connected, self.writes, self.is_up_to_date) = (false, false, false);
                let seconds = retry_in.as_secs_f64();
                Some(Report::Note(format!("{why}; the next attempt is in {seconds:.1} s")))
            }
            News::Link(Link::Refused { why }) => Some(Report::NotOpened { message: why }),
        }
    }
}
