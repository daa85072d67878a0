//! A log of messages that programs elsewhere follow, and requests that they make: what `nas-navigator serve` and
//! `--connect` are built on. This layer knows nothing of labs: messages, requests and answers are whatever serde can write.
//!
//! A [`Server`] tells its [`Log`] to every viewer that knows the [`Token`]; a [`Client`] is a viewer's end, which comes
//! back after a loss and misses nothing that is kept. Both send frames of JSON over TCP or TLS, each connection on a thread
//! of its own.
//!
//! No WebSocket: both ends are this program, a tunnel through ssh carries any bytes, and frames with a length in front can
//! be refused before they take memory.

mod address;
mod client;
mod log;
mod message;
mod server;
mod tls;
mod token;
mod wire;

#[cfg(test)]
mod tests;

pub use address::{Address, DEFAULT_PORT};
pub use client::{Answer, AskError, Client, ClientOptions, Link, News, Waits};
pub use log::Log;
pub use server::{Asked, Reply, Server, ServerOptions, ViewerId};
pub use tls::Certificate;
pub use token::Token;

use std::{io, path::PathBuf, time::Duration};
use thiserror::Error;

/// How long a thread waits before it looks again at a socket: shorter than a frame on the screen.
const TICK: Duration = Duration::from_millis(10);

/// The version that the two ends tell each other, for messages.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// What one connection may take of a server, and how long it may be silent. Both ends keep to the same times.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Viewers at once.
    pub viewers: usize,
    /// Connections at once that have not shown their token yet. Further ones wait.
    pub strangers: usize,
    /// Bytes of a request.
    pub request: usize,
    /// How long a connection may take until it has shown its token.
    pub greeting: Duration,
    /// How long a request may take from its first byte to its last.
    pub request_time: Duration,
    /// An end that has nothing to say says so after this time.
    pub heartbeat: Duration,
    /// An end that was silent for this time is taken for dead.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            viewers: 16,
            strangers: 16,
            request: 16 << 20,
            greeting: Duration::from_secs(5),
            request_time: Duration::from_secs(60),
            heartbeat: Duration::from_secs(5),
            silence: Duration::from_secs(20),
        }
    }
}

/// A server or a client cannot be set up.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// The text is no address.
    #[error(
        "`{text}` is no address; write HOST:PORT, such as localhost:7878 or [::1]:7878, or tls://HOST:PORT"
    )]
    Address {
        /// What was given.
        text: String,
    },
    /// Other machines could read the token and everything else on its way.
    #[error(
        "{address} is reached over the network, on which the token would travel unencrypted; serve with --certificate and --key and connect to tls://, or serve at localhost and tunnel: `ssh -L 7878:localhost:7878 HOST`"
    )]
    Exposed {
        /// Where.
        address: String,
    },
    /// A server cannot encrypt without a certificate.
    #[error(
        "{address} asks for encryption, which needs --certificate and --key; give them, or leave tls:// out"
    )]
    NoCertificate {
        /// Where.
        address: String,
    },
    /// The system does not let the server listen there.
    #[error(
        "cannot listen at {address}: {what}; choose another address or port, such as localhost:0"
    )]
    Listen {
        /// Where.
        address: String,
        /// What the system said.
        what: io::Error,
    },
    /// An encrypted connection needs to know whom to trust.
    #[error(
        "{address} needs --trust FILE: the certificate of the server, or those of authorities, such as /etc/ssl/certs/ca-certificates.crt"
    )]
    NoTrust {
        /// Where.
        address: String,
    },
    /// A certificate or a key cannot be used.
    #[error("{}: {what}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// The library has no ciphers.
    #[error("TLS cannot be set up: {0}; connect without it, through ssh")]
    Tls(rustls::Error),
    /// The file of the token cannot be read or written.
    #[error("{}: {what}; this file holds the token, which server and viewers share; copy it here from the server, or say with --token where it is", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        what: io::Error,
    },
    /// Other users can read the token.
    #[error("{path}: other users can read this token; make it private: `chmod 600 {path}`, or delete it and let the server write a new one", path = path.display())]
    OpenToken {
        /// The file.
        path: PathBuf,
    },
    /// The file holds something else.
    #[error("{}: this is no token, which is 64 hexadecimal digits; copy the server's file again, or delete this one and let the server write a new one", path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error(
        "the system gives no random bytes, without which there is no secret; restart the machine"
    )]
    NoRandomness,
    /// The system gives no thread.
    #[error("the system gives no thread; close other programs")]
    NoThread,
}
