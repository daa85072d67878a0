//! The end that watches and asks.

use super::told::{Listener, Told};
use crate::engine::{
    command::{Answer, Command, Ticket},
    remote::{self, AskError, Client, ClientOptions, Link, News, RemoteError},
    report::Report,
};
use std::time::{Duration, Instant};

/// The state of a viewer's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contact {
    /// The first attempt is under way.
    Begun,
    /// There is a connection.
    Up {
        /// Whether commands of this viewer are taken.
        writes: bool,
        /// Whether everything was reported that had happened when the connection was made.
        is_up_to_date: bool,
    },
    /// There is none, and the viewer tries again by itself.
    Lost {
        /// A sentence.
        why: String,
        /// When it tries again.
        again: Instant,
    },
    /// There is none, and there will be none.
    Refused {
        /// A sentence that says what to do.
        why: String,
    },
}

/// A lab elsewhere: it takes commands and gives reports as a [`Worker`](crate::engine::worker::Worker) does. A job that was
/// asked for is answered when it has begun; all are told its end.
pub struct Viewer {
    address: String,
    client: Client<Command, Told, Answer>,
    listener: Listener,
    contact: Contact,
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
        Ok(Self { address, client, listener, contact: Contact::Begun })
    }

    /// Asks for something; the answer comes in a report with this ticket.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn ask(&self, command: &Command) -> Result<Ticket, AskError> {
        self.client.ask(command).map(Ticket::Viewer)
    }

    /// Where the lab is, as it was said.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The state of the connection.
    pub fn contact(&self) -> &Contact {
        &self.contact
    }

    /// Whether commands of this viewer are taken.
    pub fn writes(&self) -> bool {
        matches!(self.contact, Contact::Up { writes: true, .. })
    }

    /// Whether there is a connection now.
    pub fn is_connected(&self) -> bool {
        matches!(self.contact, Contact::Up { .. })
    }

    /// Whether everything was reported that had happened when the connection was made, or when the study began that is
    /// told now.
    pub fn is_up_to_date(&self) -> bool {
        self.has_caught_up() && self.listener.is_done()
    }

    fn has_caught_up(&self) -> bool {
        matches!(self.contact, Contact::Up { is_up_to_date: true, .. })
    }

    /// The next report, if there is one.
    ///
    /// # Errors
    /// When the connection's thread has ended, which it does after the connection was refused.
    pub fn try_report(&mut self) -> Result<Option<Report>, AskError> {
        loop {
            if let Some(report) = self.listener.next() {
                return Ok(Some(report));
            }
            let Some(news) = self.client.try_news()? else { return Ok(None) };
            if let Some(report) = self.hear(news) {
                return Ok(Some(report));
            }
        }
    }

    /// The next report, for which it waits at most so long.
    ///
    /// # Errors
    /// As [`try_report`](Self::try_report).
    pub fn wait_for_report(&mut self, most: Duration) -> Result<Option<Report>, AskError> {
        if let Some(report) = self.try_report()? {
            return Ok(Some(report));
        }
        let news = self.client.wait_for_news(most)?;
        let report = news.and_then(|news| self.hear(news));
        Ok(report.or_else(|| self.listener.next()))
    }

    fn hear(&mut self, news: News<Told, Answer>) -> Option<Report> {
        let address = &self.address;
        match news {
            News::Begin => {
                self.listener = Listener::default();
                None
            }
            News::CaughtUp => {
                let writes = self.writes();
                self.contact = Contact::Up { writes, is_up_to_date: true };
                None
            }
            News::Kept(told) | News::Passing(told) => {
                self.listener.hear(told);
                None
            }
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
            News::Link(Link::Connected { writes }) => {
                self.contact = Contact::Up { writes, is_up_to_date: false };
                let role = if writes { "" } else { " to watch" };
                Some(Report::Note(format!("connected to {address}{role}")))
            }
            News::Link(Link::Writes(writes)) => {
                let whose = if writes { "this viewer" } else { "another viewer" };
                let note = format!("{address} takes commands of {whose} now");
                self.contact = Contact::Up { writes, is_up_to_date: self.has_caught_up() };
                Some(Report::Note(note))
            }
            News::Link(Link::Lost { why, retry_in }) => {
                let seconds = retry_in.as_secs_f64();
                let note = format!("{why}; the next attempt is in {seconds:.1} s");
                self.contact = Contact::Lost { why, again: Instant::now() + retry_in };
                Some(Report::Note(note))
            }
            News::Link(Link::Refused { why }) => {
                self.contact = Contact::Refused { why: why.clone() };
                Some(Report::NotOpened { message: why })
            }
        }
    }
}
