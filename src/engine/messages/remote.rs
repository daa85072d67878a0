//! What is said of servers and their viewers. What the two ends say to each other is refused in the tests of `remote`.

use super::keep_each;
use crate::engine::{
    remote::{AskError, RemoteError},
    serve::HostError,
    worker::WorkerError,
};
use std::io;

fn unwritable() -> serde_json::Error {
    serde_json::Error::io(io::Error::other("a map needs texts as keys"))
}

#[test]
fn connections_are_refused_in_these_words() {
    let address = || "example.org:7878".to_owned();
    let system = || io::Error::from(io::ErrorKind::PermissionDenied);
    keep_each!(
        RemoteError,
        Address { text: "example:org:1".to_owned() },
        Exposed { address: address() },
        NoCertificate { address: address() },
        Listen { address: address(), what: io::Error::from(io::ErrorKind::AddrInUse) },
        NoTrust { address: address() },
        Certificate { path: "server.pem".into(), what: "WHAT; FIX".to_owned() },
        Tls(rustls::Error::HandshakeNotComplete),
        TokenFile { path: "runs/token".into(), what: system() },
        TokenFile { path: "runs/token".into(), what: io::Error::from(io::ErrorKind::NotFound) },
        OpenToken { path: "runs/token".into() },
        NoToken { path: "runs/token".into() },
        NoRandomness,
        NoThread,
    );
    keep_each!(
        AskError,
        Busy,
        Ended,
        TooLong { bytes: 20_000_000, longest: 16 << 20 },
        Unwritable(unwritable()),
    );
    keep_each!(
        HostError,
        Remote(RemoteError::NoRandomness),
        Worker(WorkerError::Ended),
        Unwritable(unwritable()),
    );
}
