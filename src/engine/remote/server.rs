//! The end that tells.

use super::{
    Address, Limits, PROGRAM, RemoteError, TICK,
    address::is_of_this_machine,
    log::{Log, frame},
    message::{FromViewer, Hello, PROTOCOL, ToViewer},
    tls::{self, Certificate},
    token::Token,
    wire::{Connection, Stream, WireError},
};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt, io,
    marker::PhantomData,
    net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Bytes of the longest frame before the token was shown.
const LONGEST_HELLO: usize = 4096;

/// Requests of a viewer that may wait for their answers; the next one is read after that.
const UNANSWERED: usize = 16;

/// Bytes of the log that are taken at once. They are gone before more is taken.
const BATCH: usize = 256 << 10;

/// How long a server that ends goes on with what viewers have not read yet.
const REST: Duration = Duration::from_secs(2);

/// How long the server does not listen after the system could not give it a connection.
const FAILED: Duration = Duration::from_millis(500);

/// Why a request is refused while another viewer writes.
const NOT_YET: &str = "another viewer has the right to write; you get it when that viewer has left";

/// Why the requests of a viewer are refused that did not wish to make any.
const NOT_ASKED: &str = "you are connected to watch only; connect again with the wish to write";

/// The first byte of a client that speaks TLS.
const TLS_HANDSHAKE: u8 = 0x16;

/// What a server needs.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where it listens, such as `localhost:7878`; at port 0 the system chooses.
    pub listen: String,
    /// What viewers must know.
    pub token: Token,
    /// With it, connections are encrypted.
    pub certificate: Option<Certificate>,
    /// Whether other machines may connect without encryption.
    pub exposed: bool,
    /// What viewers may take.
    pub limits: Limits,
}

/// The number of a viewer's connection, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewerId(pub u64);

impl fmt::Display for ViewerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "viewer {}", self.0)
    }
}

/// A request, and the way back.
#[derive(Debug)]
pub struct Asked<R, A> {
    /// Who asks.
    pub viewer: ViewerId,
    /// What for.
    pub request: R,
    /// Takes the answer.
    pub reply: Reply<A>,
}

/// Takes the answer to one request. Dropped without one, it says so to the viewer. An answer may overtake the log.
#[derive(Debug)]
pub struct Reply<A> {
    number: u64,
    outbox: Option<SyncSender<String>>,
    answer: PhantomData<fn(&A)>,
}

impl<A: Serialize> Reply<A> {
    /// Answers.
    pub fn answer(mut self, answer: &A) {
        let number = self.number;
        match frame(&ToViewer::<(), &A>::Answer { number, answer }) {
            Ok(frame) => self.send(frame),
            Err(error) => self.decline(&format!("the answer cannot be written: {error}")),
        }
    }
}

impl<A> Reply<A> {
    fn new(number: u64, outbox: SyncSender<String>) -> Self {
        Self { number, outbox: Some(outbox), answer: PhantomData }
    }

    /// Says in a sentence why there is no answer.
    pub fn refuse(mut self, reason: &str) {
        self.decline(reason);
    }

    fn decline(&mut self, reason: &str) {
        let (number, reason) = (self.number, reason.to_owned());
        // A number and a text are always written.
        if let Ok(frame) = frame(&ToViewer::<(), ()>::Declined { number, reason }) {
            self.send(frame);
        }
    }

    fn send(&mut self, frame: String) {
        if let Some(outbox) = self.outbox.take() {
            // There is room for every request that waits. The viewer may be gone.
            let _ = outbox.try_send(frame);
        }
    }
}

impl<A> Drop for Reply<A> {
    fn drop(&mut self) {
        self.decline("the request was dropped without an answer; ask again");
    }
}

/// Listens, and tells a [`Log`] to everyone who knows the token. Dropping it tells viewers what they have not read yet and
/// ends.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a thread of its own. `on_request` is called on the threads of viewers: it hands the request on, and
    /// answers itself what it cannot hand on.
    ///
    /// # Errors
    /// When the system does not let it, a file is wrong, or the token would travel over the network unencrypted.
    pub fn start<M, R, A>(
        options: ServerOptions,
        log: Arc<Log<M>>,
        on_request: impl Fn(Asked<R, A>) + Send + Sync + 'static,
    ) -> Result<Self, RemoteError>
    where
        M: 'static,
        R: DeserializeOwned + 'static,
        A: 'static,
    {
        let ServerOptions { listen, token, certificate, exposed, limits } = options;
        let tls = certificate.as_ref().map(tls::of_server).transpose()?;
        let place: Address = listen.parse()?;
        if place.tls && tls.is_none() {
            return Err(RemoteError::NoCertificate { address: listen });
        }
        let fails = |what| RemoteError::Listen { address: listen.clone(), what };
        let addresses: Vec<_> =
            (&*place.host, place.port).to_socket_addrs().map_err(fails)?.collect();
        if tls.is_none() && !exposed && !addresses.iter().all(is_of_this_machine) {
            return Err(RemoteError::Exposed { address: listen });
        }
        let listener = TcpListener::bind(&*addresses).map_err(fails)?;
        let address = listener.local_addr().map_err(fails)?;
        listener.set_nonblocking(true).map_err(fails)?;
        let stop = Arc::new(AtomicBool::new(false));
        let hub = Arc::new(Hub {
            token,
            tls,
            limits,
            log,
            on_request,
            places: Mutex::default(),
            strangers: AtomicUsize::new(0),
            stop: Arc::clone(&stop),
            types: PhantomData,
        });
        let thread = thread::Builder::new()
            .name("listen".into())
            .spawn(move || listen_to(&listener, &hub))
            .map_err(|_| RemoteError::NoThread)?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic was printed where it happened.
            let _ = thread.join();
        }
    }
}

/// What all connections of a server share.
struct Hub<M, R, A, F> {
    token: Token,
    tls: Option<Arc<ServerConfig>>,
    limits: Limits,
    log: Arc<Log<M>>,
    on_request: F,
    places: Mutex<Vec<Place>>,
    strangers: AtomicUsize,
    stop: Arc<AtomicBool>,
    types: PhantomData<fn(R) -> A>,
}

/// A viewer that is connected. They stand in the order in which they came; the first that wishes to write does.
#[derive(Clone, Copy)]
struct Place {
    viewer: ViewerId,
    /// What the viewer calls itself.
    client: u64,
    wishes: bool,
}

/// Why a connection ends.
enum End {
    /// There is no other end any more, or none that would understand.
    Gone(WireError),
    /// The other end is told why.
    Refused { reason: String, again: bool },
    /// The other end is some other program, which is told in its language.
    Stranger(&'static str),
    /// The viewer has connected again.
    Replaced,
}

impl From<WireError> for End {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Closed | WireError::Broken(_) => Self::Gone(error),
            WireError::Stranger => Self::Stranger(
                "This is a server of nas-navigator; connect to it with `nas-navigator --connect`.",
            ),
            WireError::TooLong { .. } | WireError::NotText => refused(format!("{error}")),
            WireError::Silent(_) | WireError::Slow(_) => {
                Self::Refused { reason: error.to_string(), again: true }
            }
        }
    }
}

/// Another attempt would end alike.
fn refused(reason: impl Into<String>) -> End {
    End::Refused { reason: reason.into(), again: false }
}

fn listen_to<M: 'static, R, A, F>(listener: &TcpListener, hub: &Arc<Hub<M, R, A, F>>)
where
    R: DeserializeOwned + 'static,
    A: 'static,
    F: Fn(Asked<R, A>) + Send + Sync + 'static,
{
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    let mut number = 0;
    while !hub.stop.load(Ordering::Relaxed) {
        threads.retain(|thread| !thread.is_finished());
        if hub.strangers.load(Ordering::Relaxed) >= hub.limits.strangers {
            thread::sleep(TICK);
            continue;
        }
        match listener.accept() {
            Ok((socket, peer)) => {
                number += 1;
                let viewer = ViewerId(number);
                let stranger = Stranger::new(hub);
                let work = move || attend(stranger, socket, peer, viewer);
                match thread::Builder::new().name(format!("viewer-{number}")).spawn(work) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => tracing::warn!("no thread for {viewer} at {peer}: {error}"),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(TICK),
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                thread::sleep(FAILED);
            }
        }
    }
    for thread in threads {
        // A panic was printed where it happened.
        let _ = thread.join();
    }
}

/// Counts a connection that has not shown its token.
struct Stranger<M, R, A, F>(Arc<Hub<M, R, A, F>>);

impl<M, R, A, F> Stranger<M, R, A, F> {
    fn new(hub: &Arc<Hub<M, R, A, F>>) -> Self {
        hub.strangers.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(hub))
    }
}

impl<M, R, A, F> Drop for Stranger<M, R, A, F> {
    fn drop(&mut self) {
        self.0.strangers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One connection from its first byte to its last.
fn attend<M, R, A, F>(
    stranger: Stranger<M, R, A, F>,
    socket: TcpStream,
    peer: SocketAddr,
    viewer: ViewerId,
) where
    R: DeserializeOwned,
    F: Fn(Asked<R, A>),
{
    let hub = Arc::clone(&stranger.0);
    let until = Instant::now() + hub.limits.greeting;
    let Some(mut connection) = hub.open(socket, until) else { return };
    let end = match hub.greet(&mut connection, viewer, until) {
        Ok((place, hello)) => {
            drop(stranger);
            tracing::info!("{viewer} at {peer} has connected with version {}", hello.program);
            let end = hub.follow(&mut connection, &place, &hello);
            // The next one may write while this one is told why it may not.
            drop(place);
            end
        }
        Err(end) => end,
    };
    let why = match &end {
        End::Gone(error) => error.to_string(),
        End::Refused { reason, .. } => reason.clone(),
        End::Stranger(_) => WireError::Stranger.to_string(),
        End::Replaced => "the viewer has connected again".to_owned(),
    };
    tracing::info!("{viewer} at {peer} is gone: {why}");
    match end {
        End::Gone(_) | End::Replaced => {}
        End::Refused { reason, again } => {
            if let Ok(frame) = frame(&ToViewer::<(), ()>::Refused { reason, again }) {
                connection.close_with(&frame);
            }
        }
        End::Stranger(sentence) => connection.dismiss(sentence),
    }
}

impl<M, R, A, F> Hub<M, R, A, F> {
    /// Decides whether the connection is encrypted. Who speaks plainly to a server with a certificate is told so plainly.
    fn open(&self, socket: TcpStream, until: Instant) -> Option<Connection> {
        let Some(config) = &self.tls else {
            return Connection::new(Stream::Plain(socket), LONGEST_HELLO).ok();
        };
        let mut first = [0];
        socket.set_nonblocking(true).ok()?;
        loop {
            match socket.peek(&mut first) {
                Ok(0) => return None,
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(until).ok()?;
                }
                Err(_) => return None,
            }
        }
        if first != [TLS_HANDSHAKE] {
            let mut connection = Connection::new(Stream::Plain(socket), LONGEST_HELLO).ok()?;
            let sentence = "This server is encrypted; connect to tls://HOST:PORT.";
            match self.first_frame(&mut connection, until) {
                Ok(_) => {
                    let reason = sentence.to_owned();
                    let refused = ToViewer::<(), ()>::Refused { reason, again: false };
                    connection.close_with(&frame(&refused).ok()?);
                }
                Err(End::Stranger(_)) => connection.dismiss(sentence),
                Err(_) => {}
            }
            return None;
        }
        let session = ServerConnection::new(Arc::clone(config)).ok()?;
        let stream = Stream::Server(Box::new(StreamOwned::new(session, socket)));
        Connection::new(stream, LONGEST_HELLO).ok()
    }

    fn first_frame(&self, connection: &mut Connection, until: Instant) -> Result<String, End> {
        loop {
            if let Some(text) = connection.receive()? {
                return Ok(text);
            }
            self.wait(until)?;
        }
    }

    /// Waits for more of a greeting, which must be there in time.
    fn wait(&self, until: Instant) -> Result<(), End> {
        if Instant::now() >= until || self.stop.load(Ordering::Relaxed) {
            return Err(WireError::Slow(self.limits.greeting).into());
        }
        thread::sleep(TICK);
        Ok(())
    }

    /// Reads the hello of a viewer, and gives it a place if it is one.
    fn greet(
        &self,
        connection: &mut Connection,
        viewer: ViewerId,
        until: Instant,
    ) -> Result<(TakenPlace<'_>, Hello), End> {
        let text = self.first_frame(connection, until)?;
        // Requests are of no interest here, so that only a short text of known shape is read before the token.
        let Ok(FromViewer::<serde::de::IgnoredAny>::Hello(hello)) = serde_json::from_str(&text)
        else {
            return Err(refused(
                "the first message of a viewer must be its greeting with the token",
            ));
        };
        if !self.token.is(&hello.token) {
            let reason = "the token is not that of this server; copy the file of its token, or give the file with --token";
            return Err(refused(reason));
        }
        if hello.protocol != PROTOCOL {
            return Err(refused(format!(
                "the server is version {PROGRAM} with protocol {PROTOCOL}, the viewer is version {} with protocol {}; use the same version at both ends",
                hello.program, hello.protocol
            )));
        }
        let mut places = self.places();
        let place = Place { viewer, client: hello.viewer, wishes: hello.write };
        let connected = places.len();
        if let Some(old) = places.iter_mut().find(|place| place.client == hello.viewer) {
            // It comes back before its loss was noticed here.
            *old = place;
        } else if connected < self.limits.viewers {
            places.push(place);
        } else {
            let reason = format!(
                "{connected} viewers are connected already, which is the most; disconnect one"
            );
            return Err(End::Refused { reason, again: true });
        }
        drop(places);
        Ok((TakenPlace { places: &self.places, viewer }, hello))
    }

    fn places(&self) -> MutexGuard<'_, Vec<Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M, R: DeserializeOwned, A, F: Fn(Asked<R, A>)> Hub<M, R, A, F> {
    /// Tells a viewer the log and takes its requests, until one of both ends is no longer there.
    fn follow(&self, connection: &mut Connection, place: &TakenPlace<'_>, hello: &Hello) -> End {
        match self.try_follow(connection, place, hello) {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    fn try_follow(
        &self,
        connection: &mut Connection,
        place: &TakenPlace<'_>,
        hello: &Hello,
    ) -> Result<std::convert::Infallible, End> {
        let limits = &self.limits;
        connection.allow(limits.request);
        let (outbox, answers) = sync_channel(UNANSWERED);
        let mut unanswered = 0;
        let mut reader = self.log.reader(hello.have);
        let mut writes = place.writes().ok_or(End::Replaced)?;
        let (program, log) = (PROGRAM.to_owned(), self.log.id());
        send(connection, &ToViewer::Welcome { program, log, writes })?;
        let mut stopped_since = None;
        let mut is_behind = true;
        loop {
            let mut is_idle = true;
            if unanswered == UNANSWERED {
                // The viewer waits for answers. If it does not read them either, it counts as silent.
                if connection.is_free() {
                    connection.hold();
                }
            } else if let Some(text) = connection.receive()? {
                is_idle = false;
                if !text.is_empty() {
                    let (number, request) = self.request(&text, hello)?;
                    let reply = Reply::new(number, outbox.clone());
                    unanswered += 1;
                    if place.writes().ok_or(End::Replaced)? {
                        (self.on_request)(Asked { viewer: place.viewer, request, reply });
                    } else {
                        reply.refuse(if hello.write { NOT_YET } else { NOT_ASKED });
                    }
                }
            }
            let mut has_read_all = false;
            let mut is_free = connection.flush()?;
            // All that waits to be sent waits here, where it has an end, or in the log.
            if is_free {
                let now = place.writes().ok_or(End::Replaced)?;
                if std::mem::replace(&mut writes, now) != now {
                    send(connection, &ToViewer::Writes(now))?;
                }
                for answer in answers.try_iter() {
                    unanswered -= 1;
                    is_idle = false;
                    connection.send(&answer);
                }
                let frames = self.log.read(&mut reader, BATCH);
                has_read_all = frames.is_empty();
                is_idle &= has_read_all;
                frames.iter().for_each(|frame| connection.send(frame));
                if is_behind && has_read_all {
                    is_behind = false;
                    send(connection, &ToViewer::CaughtUp)?;
                }
                connection.beat(limits);
                is_free = connection.flush()?;
            }
            connection.check(limits)?;
            connection.check_pace(limits)?;
            if self.stop.load(Ordering::Relaxed) {
                let since = *stopped_since.get_or_insert_with(Instant::now);
                if is_free && has_read_all || since.elapsed() >= REST {
                    let reason = "the server has ended".to_owned();
                    return Err(End::Refused { reason, again: true });
                }
            }
            match (is_idle, is_free) {
                (true, true) => self.log.wait(&reader, TICK),
                (true, false) => thread::sleep(TICK),
                (false, _) => {}
            }
        }
    }

    fn request(&self, text: &str, hello: &Hello) -> Result<(u64, R), End> {
        match serde_json::from_str(text) {
            Ok(FromViewer::Request { number, request }) => Ok((number, request)),
            Ok(FromViewer::Hello(_)) => Err(refused("a viewer greets only once")),
            Err(error) => Err(refused(format!(
                "the server, version {PROGRAM}, does not understand a request of the viewer, version {} ({error}); use the same version at both ends",
                hello.program
            ))),
        }
    }
}

fn send(connection: &mut Connection, message: &ToViewer<(), ()>) -> Result<(), End> {
    let frame = frame(message).map_err(|error| refused(error.to_string()))?;
    connection.send(&frame);
    Ok(())
}

/// A viewer's place, which is free again when this is dropped.
struct TakenPlace<'a> {
    places: &'a Mutex<Vec<Place>>,
    viewer: ViewerId,
}

impl TakenPlace<'_> {
    /// Whether the viewer's requests are taken; `None` if its place is no longer its own.
    fn writes(&self) -> Option<bool> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let own = places.iter().position(|place| place.viewer == self.viewer)?;
        Some(places.iter().position(|place| place.wishes) == Some(own))
    }
}

impl Drop for TakenPlace<'_> {
    fn drop(&mut self) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|place| place.viewer != self.viewer);
    }
}
