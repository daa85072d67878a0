//! The end that is told.

use super::{
    Address, Limits, PROGRAM, RemoteError, TICK,
    address::is_of_this_machine,
    log::frame,
    message::{FromViewer, Hello, LONGEST, PROTOCOL, Position, ToViewer},
    tls,
    token::{Token, random},
    wire::{Connection, Stream, WireError},
};
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use std::{
    cell::Cell,
    collections::BTreeSet,
    io,
    marker::PhantomData,
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};
use thiserror::Error;

/// Requests that may wait to be sent.
const REQUESTS: usize = 16;

/// News that may wait to be read; then the link stops reading.
const NEWS: usize = 1024;

/// How long one address of a host may take to answer.
const CONNECTING: Duration = Duration::from_secs(5);

/// What a viewer needs.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Where the server is: `host:port`, or `tls://host:port`.
    pub address: String,
    /// What the server wants to be shown.
    pub token: Token,
    /// Whether the viewer would like to make requests.
    pub write: bool,
    /// The certificate of the server or those of authorities, in PEM. With it, the connection is encrypted.
    pub trust: Option<PathBuf>,
    /// Whether the token may travel over the network unencrypted.
    pub exposed: bool,
    /// How long to wait after a loss.
    pub waits: Waits,
    /// How long either end may be silent.
    pub limits: Limits,
}

/// How long a viewer waits before it connects again: each time in vain doubles it.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// After a loss.
    pub first: Duration,
    /// At most.
    pub longest: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self { first: Duration::from_millis(250), longest: Duration::from_secs(5) }
    }
}

/// What a client tells: messages of type `M`, answers of type `A`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News<M, A> {
    /// Something about the connection.
    Link(Link),
    /// All that was told before is over; this is also said before the first message.
    Begin,
    /// What follows has happened since the connection was made.
    CaughtUp,
    /// A message that is told once, in its place, whatever happens to the connection.
    Kept(M),
    /// A message that was true when it was sent.
    Passing(M),
    /// What has become of the request of this number. There is one for each.
    Answer {
        /// What [`Client::ask`] gave.
        number: u64,
        /// What it led to.
        answer: Answer<A>,
    },
}

/// The state of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// The server has taken the token.
    Connected {
        /// Whether it takes requests of this viewer.
        writes: bool,
    },
    /// Whether the server takes requests of this viewer has changed.
    Writes(bool),
    /// There is no connection. The client tries again by itself.
    Lost {
        /// A sentence.
        why: String,
        /// How soon.
        retry_in: Duration,
    },
    /// There will be no connection, and the client does not try again.
    Refused {
        /// A sentence that says what to do.
        why: String,
    },
}

/// What has become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<A> {
    /// The server's answer.
    Given(A),
    /// The server says why it has none.
    Refused(String),
    /// There is no connection, or it was lost before an answer came: the server may have done it, and it is not asked again.
    Lost,
}

/// A request is not taken.
#[derive(Debug, Error)]
pub enum AskError {
    /// Too many requests wait to be sent.
    #[error("the server takes no more requests at the moment; wait for its answers")]
    Busy,
    /// The thread has ended, which it only does when it has panicked.
    #[error("the connection has ended; connect again")]
    Ended,
    /// The server would refuse it.
    #[error(
        "the request has {bytes} bytes, and the server takes at most {longest}; make it smaller"
    )]
    TooLong {
        /// Its size.
        bytes: usize,
        /// The most.
        longest: usize,
    },
    /// JSON cannot hold it.
    #[error("the request cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
}

/// A viewer's end of a connection, on a thread of its own that connects again after each loss. Dropping it disconnects.
#[derive(Debug)]
pub struct Client<R, M, A> {
    requests: SyncSender<(u64, String)>,
    news: Receiver<News<M, A>>,
    next: Cell<u64>,
    longest: usize,
    request: PhantomData<fn(R)>,
}

impl<R, M, A> Client<R, M, A>
where
    R: Serialize,
    M: DeserializeOwned + Send + 'static,
    A: DeserializeOwned + Send + 'static,
{
    /// Begins to connect. What becomes of it is in the news.
    ///
    /// # Errors
    /// When the address or the trusted file is wrong, or the system gives no thread.
    pub fn connect(options: ClientOptions) -> Result<Self, RemoteError> {
        let ClientOptions { address, token, write, trust, exposed, waits, limits } = options;
        let mut address: Address = address.parse()?;
        address.tls |= trust.is_some();
        let tls = match (address.tls, trust) {
            (true, None) => return Err(RemoteError::NoTrust { address: address.to_string() }),
            (_, trust) => trust.as_deref().map(tls::of_client).transpose()?,
        };
        let (sender, requests) = sync_channel(REQUESTS);
        let (outbox, news) = sync_channel(NEWS);
        let link = LinkThread {
            name: address.to_string(),
            address,
            token,
            tls,
            write,
            exposed,
            waits,
            limits,
            viewer: u64::from_le_bytes(random()?),
            requests,
            news: outbox,
            waiting: None,
            have: None,
            unanswered: BTreeSet::new(),
        };
        thread::Builder::new()
            .name("link".into())
            .spawn(move || link.run())
            .map_err(|_| RemoteError::NoThread)?;
        Ok(Self {
            requests: sender,
            news,
            next: Cell::new(0),
            longest: limits.request,
            request: PhantomData,
        })
    }

    /// Asks the server. The news tell what becomes of it, under the number that this gives.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn ask(&self, request: &R) -> Result<u64, AskError> {
        let number = self.next.get();
        let frame = frame(&FromViewer::Request { number, request })?;
        if frame.len() > self.longest {
            return Err(AskError::TooLong { bytes: frame.len(), longest: self.longest });
        }
        self.requests.try_send((number, frame)).map_err(|error| match error {
            TrySendError::Full(_) => AskError::Busy,
            TrySendError::Disconnected(_) => AskError::Ended,
        })?;
        self.next.set(number + 1);
        Ok(number)
    }

    /// The next news, if there are any.
    ///
    /// # Errors
    /// [`AskError::Ended`] when the thread has panicked.
    pub fn try_news(&self) -> Result<Option<News<M, A>>, AskError> {
        match self.news.try_recv() {
            Ok(news) => Ok(Some(news)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(AskError::Ended),
        }
    }

    /// The next news, for which it waits at most so long.
    ///
    /// # Errors
    /// As [`try_news`](Self::try_news).
    pub fn wait_for_news(&self, most: Duration) -> Result<Option<News<M, A>>, AskError> {
        match self.news.recv_timeout(most) {
            Ok(news) => Ok(Some(news)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(AskError::Ended),
        }
    }
}

/// The thread that keeps the connection.
struct LinkThread<M, A> {
    address: Address,
    /// The address as messages show it.
    name: String,
    token: Token,
    tls: Option<Arc<ClientConfig>>,
    write: bool,
    exposed: bool,
    waits: Waits,
    limits: Limits,
    viewer: u64,
    requests: Receiver<(u64, String)>,
    news: SyncSender<News<M, A>>,
    /// What there was no room for.
    waiting: Option<News<M, A>>,
    /// What the reader of the news has, or will have.
    have: Option<Position>,
    unanswered: BTreeSet<u64>,
}

/// Why an attempt or a connection ends.
enum End {
    /// The client was dropped.
    Dropped,
    /// Another attempt may do better.
    Lost(String),
    /// Another attempt would end alike.
    Refused(String),
}

impl<M: DeserializeOwned, A: DeserializeOwned> LinkThread<M, A> {
    fn run(mut self) {
        let mut wait = self.waits.first;
        loop {
            let mut was_connected = false;
            let end = match self.session(&mut was_connected) {
                Ok(never) => match never {},
                Err(end) => end,
            };
            if was_connected {
                wait = self.waits.first;
            }
            let (link, pause) = match end {
                End::Dropped => return,
                End::Lost(why) => (Link::Lost { why, retry_in: wait }, Some(wait)),
                End::Refused(why) => (Link::Refused { why }, None),
            };
            let sent = std::mem::take(&mut self.unanswered).into_iter();
            let unsent = self.requests.try_iter().map(|(number, _)| number);
            let lost =
                sent.chain(unsent).map(|number| News::Answer { number, answer: Answer::Lost });
            let news = self.waiting.take().into_iter().chain(lost).chain([News::Link(link)]);
            // Without a connection there is nothing else to do than to wait for room.
            for news in news {
                if self.news.send(news).is_err() {
                    return;
                }
            }
            let Some(pause) = pause else {
                // Every request has an answer, also now.
                while self.answer_lost(self.requests.recv().ok()).is_some() {}
                return;
            };
            if self.pause(pause).is_none() {
                return;
            }
            wait = (wait * 2).min(self.waits.longest);
        }
    }

    /// Waits, and answers requests that come in the meantime; `None` when the client was dropped.
    fn pause(&self, pause: Duration) -> Option<()> {
        let until = Instant::now() + pause;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.requests.recv_timeout(left) {
                Ok(request) => self.answer_lost(Some(request))?,
                Err(RecvTimeoutError::Timeout) => return Some(()),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Answers a request that there is no connection for; `None` when the client was dropped.
    fn answer_lost(&self, request: Option<(u64, String)>) -> Option<()> {
        let (number, _) = request?;
        self.news.send(News::Answer { number, answer: Answer::Lost }).ok()
    }

    /// One connection from its beginning to its end.
    fn session(&mut self, was_connected: &mut bool) -> Result<std::convert::Infallible, End> {
        let mut connection = self.open()?;
        let hello = FromViewer::<()>::Hello(Hello {
            protocol: PROTOCOL,
            token: self.token.to_hex(),
            program: PROGRAM.to_owned(),
            viewer: self.viewer,
            write: self.write,
            have: self.have,
        });
        connection.send(&frame(&hello).map_err(|error| End::Refused(error.to_string()))?);
        let begun = Instant::now();
        let mut log = None;
        loop {
            let mut is_idle = true;
            if let Some(news) = self.waiting.take() {
                match self.news.try_send(news) {
                    Ok(()) => {}
                    Err(TrySendError::Full(news)) => self.waiting = Some(news),
                    Err(TrySendError::Disconnected(_)) => return Err(End::Dropped),
                }
            }
            if self.waiting.is_some() {
                connection.hold();
            } else if let Some(text) = connection.receive().map_err(|error| self.lost(error))? {
                is_idle = false;
                if !text.is_empty() {
                    self.waiting = self.read(&text, &mut log)?;
                }
            }
            let flushed = connection.flush();
            let is_free = flushed.map_err(|error| self.last_words(&mut connection, error))?;
            *was_connected |= log.is_some();
            if !*was_connected && begun.elapsed() >= self.limits.greeting {
                return Err(self.lost(WireError::Silent(self.limits.greeting)));
            }
            if is_free {
                connection.beat(&self.limits);
            }
            connection.check(&self.limits).map_err(|error| self.lost(error))?;
            match (is_idle, is_free && *was_connected) {
                (_, true) => {
                    let wait = if is_idle { TICK } else { Duration::ZERO };
                    match self.requests.recv_timeout(wait) {
                        Ok((number, frame)) => {
                            self.unanswered.insert(number);
                            connection.send(&frame);
                        }
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => return Err(End::Dropped),
                    }
                }
                (true, false) => thread::sleep(TICK),
                (false, false) => {}
            }
        }
    }

    fn open(&self) -> Result<Connection, End> {
        let Address { host, port, .. } = &self.address;
        let name = &self.name;
        let unreachable =
            |error: io::Error| End::Lost(format!("{name} cannot be reached: {error}"));
        let addresses: Vec<SocketAddr> =
            (&**host, *port).to_socket_addrs().map_err(unreachable)?.collect();
        if self.tls.is_none() && !self.exposed && !addresses.iter().all(is_of_this_machine) {
            let exposed = RemoteError::Exposed { address: name.clone() };
            return Err(End::Refused(exposed.to_string()));
        }
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "this name has no address");
        for address in addresses {
            match TcpStream::connect_timeout(&address, CONNECTING) {
                Ok(socket) => {
                    let stream = self.encrypt(socket)?;
                    return Connection::new(stream, LONGEST).map_err(unreachable);
                }
                Err(error) => failure = error,
            }
        }
        Err(unreachable(failure))
    }

    fn encrypt(&self, socket: TcpStream) -> Result<Stream, End> {
        let Some(config) = &self.tls else { return Ok(Stream::Plain(socket)) };
        let host = self.address.host.clone();
        let fails = |error: &dyn std::fmt::Display| {
            End::Refused(format!("{} cannot be connected to with TLS: {error}", self.name))
        };
        let name = ServerName::try_from(host).map_err(|error| fails(&error))?;
        let session =
            ClientConnection::new(Arc::clone(config), name).map_err(|error| fails(&error))?;
        Ok(Stream::Client(Box::new(StreamOwned::new(session, socket))))
    }

    /// Why nothing can be written any more: the server may have said so before it closed. Other messages come again.
    fn last_words(&self, connection: &mut Connection, error: WireError) -> End {
        while let Ok(Some(text)) = connection.receive() {
            if let Ok(ToViewer::<IgnoredAny, IgnoredAny>::Refused { reason, again }) =
                serde_json::from_str(&text)
            {
                return self.refused(&reason, again);
            }
        }
        self.lost(error)
    }

    fn refused(&self, reason: &str, again: bool) -> End {
        let why = format!("{}: {reason}", self.name);
        if again { End::Lost(why) } else { End::Refused(why) }
    }

    fn lost(&self, error: WireError) -> End {
        let name = &self.name;
        match &error {
            WireError::Stranger => End::Refused(format!(
                "at {name} there is no server of nas-navigator, or one that is encrypted, to which tls:// and --trust FILE connect; check the address"
            )),
            WireError::Broken(broken) => match tls::final_failure(broken) {
                Some(why) => End::Refused(format!("{name} cannot be trusted: {why}")),
                None => End::Lost(format!("{name}: {error}")),
            },
            WireError::Closed
            | WireError::TooLong { .. }
            | WireError::NotText
            | WireError::Silent(_)
            | WireError::Slow(_) => End::Lost(format!("{name}: {error}")),
        }
    }

    /// Takes a message of the server, of which `log` is known after the first one.
    fn read(&mut self, text: &str, log: &mut Option<u64>) -> Result<Option<News<M, A>>, End> {
        let name = &self.name;
        let message = serde_json::from_str(text).map_err(|error| {
            End::Refused(format!(
                "this program, version {PROGRAM}, does not understand the server at {name} ({error}); use the same version at both ends"
            ))
        })?;
        let unordered = || End::Lost(format!("{name}: messages came out of order"));
        match (message, *log) {
            (ToViewer::Refused { reason, again }, _) => Err(self.refused(&reason, again)),
            (ToViewer::Welcome { log: id, writes, .. }, None) => {
                *log = Some(id);
                self.have = self.have.filter(|have| have.log == id);
                Ok(Some(News::Link(Link::Connected { writes })))
            }
            (ToViewer::CaughtUp, Some(_)) => Ok(Some(News::CaughtUp)),
            (ToViewer::Begin { generation }, Some(log)) => {
                self.have = Some(Position { log, generation, next: 0 });
                Ok(Some(News::Begin))
            }
            (ToViewer::Kept(message), Some(_)) => {
                self.have.as_mut().ok_or_else(unordered)?.next += 1;
                Ok(Some(News::Kept(message)))
            }
            (ToViewer::Passing(message), Some(_)) => Ok(Some(News::Passing(message))),
            (ToViewer::Answer { number, answer }, Some(_)) => {
                Ok(self.answered(number, Answer::Given(answer)))
            }
            (ToViewer::Declined { number, reason }, Some(_)) => {
                Ok(self.answered(number, Answer::Refused(reason)))
            }
            (ToViewer::Writes(writes), Some(_)) => Ok(Some(News::Link(Link::Writes(writes)))),
            (ToViewer::Welcome { .. }, Some(_))
            | (
                ToViewer::Begin { .. }
                | ToViewer::CaughtUp
                | ToViewer::Kept(_)
                | ToViewer::Passing(_)
                | ToViewer::Answer { .. }
                | ToViewer::Declined { .. }
                | ToViewer::Writes(_),
                None,
            ) => Err(unordered()),
        }
    }

    /// Only requests of this connection have answers.
    fn answered(&mut self, number: u64, answer: Answer<A>) -> Option<News<M, A>> {
        self.unanswered.remove(&number).then_some(News::Answer { number, answer })
    }
}
