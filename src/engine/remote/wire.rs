//! Frames over a socket: four bytes with the length of what follows, in network order, and a text of that length. A frame of
//! length 0 is a heartbeat. Before its first frame each end sends [`MAGIC`].
//!
//! Sockets never block. The thread of a connection looks at it again and again, reads a frame if there is one, and writes
//! what the system takes, so that two ends that both have much to say never wait for each other.

use super::{Limits, TICK};
use rustls::{ClientConnection, ServerConnection, StreamOwned};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    thread,
    time::{Duration, Instant},
};
use thiserror::Error;

/// What each end sends first, so that other programs are known at once.
pub(super) const MAGIC: &[u8] = b"nas-navigator\n";

const HEADER: usize = 4;
const CHUNK: usize = 16 << 10;

/// A buffer that grew beyond this is given back.
const SPARE: usize = 1 << 20;

/// How long the last words of a connection may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// One end of a connection.
pub(super) struct Connection {
    stream: Stream,
    /// The longest frame that is read.
    longest: usize,
    /// What has come and is not yet a whole frame.
    input: Vec<u8>,
    is_known: bool,
    /// What is to go out, and how much of it is gone.
    output: Vec<u8>,
    gone: usize,
    has_spoken: bool,
    /// When the last byte came, when the first byte of the unfinished frame came, when the last byte went.
    heard: Instant,
    begun: Option<Instant>,
    spoke: Instant,
}

/// Bytes as they are, or encrypted.
pub(super) enum Stream {
    Plain(TcpStream),
    Server(Box<StreamOwned<ServerConnection, TcpStream>>),
    Client(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A connection is of no more use.
#[derive(Debug, Error)]
pub(super) enum WireError {
    #[error("the connection was closed")]
    Closed,
    #[error("the connection is broken: {0}")]
    Broken(io::Error),
    #[error("there is another program at the other end")]
    Stranger,
    #[error("a message of {length} bytes was announced, more than {longest}")]
    TooLong { length: usize, longest: usize },
    #[error("a message is not text in UTF-8")]
    NotText,
    #[error("nothing was heard for {} s", .0.as_secs_f64())]
    Silent(Duration),
    #[error("a message took longer than {} s", .0.as_secs_f64())]
    Slow(Duration),
}

impl Connection {
    /// A connection over `stream`, whose socket is made not to block.
    pub(super) fn new(stream: Stream, longest: usize) -> io::Result<Self> {
        let socket = stream.socket();
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let now = Instant::now();
        Ok(Self {
            stream,
            longest,
            input: Vec::new(),
            is_known: false,
            output: Vec::new(),
            gone: 0,
            has_spoken: false,
            heard: now,
            begun: None,
            spoke: now,
        })
    }

    /// From now on frames may be so long.
    pub(super) fn allow(&mut self, longest: usize) {
        self.longest = longest;
    }

    /// The next frame, if all of it has come; an empty one is a heartbeat.
    pub(super) fn receive(&mut self) -> Result<Option<String>, WireError> {
        loop {
            if let Some(text) = self.take_frame()? {
                return Ok(Some(text));
            }
            let mut chunk = [0; CHUNK];
            match self.stream.both().read(&mut chunk) {
                Ok(0) => return Err(WireError::Closed),
                Ok(count) => {
                    self.heard = Instant::now();
                    self.begun.get_or_insert(self.heard);
                    self.input.extend_from_slice(&chunk[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(error)),
            }
        }
    }

    fn take_frame(&mut self) -> Result<Option<String>, WireError> {
        if !self.is_known {
            let count = self.input.len().min(MAGIC.len());
            if self.input[..count] != MAGIC[..count] {
                return Err(WireError::Stranger);
            }
            if count < MAGIC.len() {
                return Ok(None);
            }
            self.input.drain(..count);
            self.is_known = true;
        }
        let Some((header, rest)) = self.input.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*header) as usize;
        if length > self.longest {
            return Err(WireError::TooLong { length, longest: self.longest });
        }
        let Some(text) = rest.get(..length) else { return Ok(None) };
        let text = std::str::from_utf8(text).map_err(|_| WireError::NotText)?.to_owned();
        self.input.drain(..HEADER + length);
        self.input.shrink_to(SPARE);
        self.begun = (!self.input.is_empty()).then(Instant::now);
        Ok(Some(text))
    }

    /// Takes a text of at most 4 GiB to be sent.
    pub(super) fn send(&mut self, text: &str) {
        if !self.has_spoken {
            self.has_spoken = true;
            self.output.extend_from_slice(MAGIC);
        }
        // Longer texts are refused where they are made.
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.output.extend_from_slice(&length.to_be_bytes());
        self.output.extend_from_slice(text.as_bytes());
    }

    /// Writes what the system takes; tells whether nothing is left.
    pub(super) fn flush(&mut self) -> Result<bool, WireError> {
        while self.gone < self.output.len() {
            match self.stream.both().write(&self.output[self.gone..]) {
                // TLS takes nothing while its own buffer is full.
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.gone += count;
                    self.spoke = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(error)),
            }
        }
        self.output.clear();
        self.output.shrink_to(SPARE);
        self.gone = 0;
        match self.stream.both().flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            flushed => flushed.map(|()| true).map_err(lost),
        }
    }

    /// Says that this end is there, if it has said nothing for a while.
    pub(super) fn beat(&mut self, limits: &Limits) {
        if self.spoke.elapsed() >= limits.heartbeat {
            self.send("");
            // Also if the system takes nothing: one is enough.
            self.spoke = Instant::now();
        }
    }

    /// Whether the other end is still there.
    pub(super) fn check(&self, limits: &Limits) -> Result<(), WireError> {
        if self.heard.elapsed() >= limits.silence {
            return Err(WireError::Silent(limits.silence));
        }
        Ok(())
    }

    /// Whether the other end makes progress with what it has begun to say.
    pub(super) fn check_pace(&self, limits: &Limits) -> Result<(), WireError> {
        match self.begun {
            Some(begun) if begun.elapsed() >= limits.request_time => {
                Err(WireError::Slow(limits.request_time))
            }
            _ => Ok(()),
        }
    }

    /// This end does not listen for now, so that it cannot say whether the other one is silent.
    pub(super) fn hold(&mut self) {
        self.heard = Instant::now();
    }

    /// Whether nothing waits to be written.
    pub(super) fn is_free(&self) -> bool {
        self.output.is_empty()
    }

    /// Ends the connection, with a text for the other end.
    pub(super) fn close_with(mut self, text: &str) {
        self.send(text);
        self.close();
    }

    /// Ends the connection with a program that does not know frames: a browser shows the sentence.
    pub(super) fn dismiss(mut self, sentence: &str) {
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{sentence}\n",
            sentence.len() + 1
        );
        self.output = answer.into_bytes();
        self.gone = 0;
        self.close();
    }

    /// Sends what is left and waits for the other end to close: a socket that is closed with something unread takes back
    /// what it has sent.
    fn close(mut self) {
        let end = Instant::now() + LAST_WORDS;
        while Instant::now() < end {
            match self.flush() {
                Ok(false) => thread::sleep(TICK),
                Ok(true) => break,
                Err(_) => return,
            }
        }
        self.stream.say_goodbye();
        let mut socket = self.stream.socket();
        if socket.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let mut rest = [0; CHUNK];
        while Instant::now() < end {
            match socket.read(&mut rest) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(TICK),
                Err(_) => return,
            }
        }
    }
}

trait Both: Read + Write {}

impl<T: Read + Write> Both for T {}

impl Stream {
    fn both(&mut self) -> &mut dyn Both {
        match self {
            Self::Plain(socket) => socket,
            Self::Server(stream) => stream,
            Self::Client(stream) => stream,
        }
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Server(stream) => &stream.sock,
            Self::Client(stream) => &stream.sock,
        }
    }

    /// TLS has an end of its own. Whether the system takes it makes no difference any more.
    fn say_goodbye(&mut self) {
        match self {
            Self::Plain(_) => {}
            Self::Server(stream) => {
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
            Self::Client(stream) => {
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    }
}

fn lost(error: io::Error) -> WireError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => WireError::Closed,
        _ => WireError::Broken(error),
    }
}
