//! Where a server is.

use super::RemoteError;
use std::{fmt, net::IpAddr, net::SocketAddr, str::FromStr};

/// The port of an address that names none.
pub const DEFAULT_PORT: u16 = 7878;

/// A host, a port, and whether the connection is encrypted: `host`, `host:7878`, `[::1]:7878` or `tls://host:7878`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or a number, without the brackets around an IPv6 address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether the address begins with `tls://`.
    pub tls: bool,
}

const TLS: &str = "tls://";

impl FromStr for Address {
    type Err = RemoteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || RemoteError::Address { text: text.to_owned() };
        let (tls, rest) = match text.strip_prefix(TLS) {
            Some(rest) => (true, rest.strip_suffix('/').unwrap_or(rest)),
            None => (false, text),
        };
        let port = |text: &str| text.parse().map_err(|_| wrong());
        let (host, port) = match (rest.strip_prefix('['), rest.parse::<IpAddr>()) {
            (Some(rest), _) => match rest.split_once(']').ok_or_else(wrong)? {
                (host, "") => (host, DEFAULT_PORT),
                (host, behind) => (host, port(behind.strip_prefix(':').ok_or_else(wrong)?)?),
            },
            (None, Ok(_)) => (rest, DEFAULT_PORT),
            (None, Err(_)) => match rest.split_once(':') {
                Some((host, behind)) => (host, port(behind)?),
                None => (rest, DEFAULT_PORT),
            },
        };
        let of_host = |c: char| c.is_alphanumeric() || "-._".contains(c);
        let is_host = !host.is_empty() && host.chars().all(of_host);
        // A zone of an IPv6 address, such as `fe80::1%eth0`, is a name of the system.
        let is_number = host.split('%').next().is_some_and(|host| host.parse::<IpAddr>().is_ok());
        if is_host || is_number {
            Ok(Self { host: host.to_owned(), port, tls })
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, tls } = self;
        f.write_str(if *tls { TLS } else { "" })?;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Whether only programs of this machine reach the address.
pub(super) fn is_of_this_machine(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, host, port, tls, shown) in [
            ("localhost", "localhost", 7878, false, "localhost:7878"),
            (
                "cluster-3.example.org:80",
                "cluster-3.example.org",
                80,
                false,
                "cluster-3.example.org:80",
            ),
            ("10.0.0.1:0", "10.0.0.1", 0, false, "10.0.0.1:0"),
            ("::1", "::1", 7878, false, "[::1]:7878"),
            ("[::1]", "::1", 7878, false, "[::1]:7878"),
            ("[fe80::1%eth0]:99", "fe80::1%eth0", 99, false, "[fe80::1%eth0]:99"),
            ("tls://host", "host", 7878, true, "tls://host:7878"),
            ("tls://[::1]:1/", "::1", 1, true, "tls://[::1]:1"),
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!((&*address.host, address.port, address.tls), (host, port, tls), "{text}");
            assert_eq!(address.to_string(), shown);
            assert_eq!(shown.parse::<Address>().expect("is an address"), address);
        }
        for text in [
            "",
            ":1",
            "host:",
            "host:port",
            "host:65536",
            "ws://host",
            "http://host:1/",
            "a b",
            "[::1",
            "[::1]1",
            "[]:1",
            "tls://",
            "user@host",
            "host/path",
            "::1::2",
        ] {
            let error = text.parse::<Address>().expect_err(text).to_string();
            assert!(error.contains("HOST:PORT"), "{error}");
        }
    }

    #[test]
    fn loopback_is_known_in_all_its_forms() {
        for (text, inside) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("192.168.0.1:1", false),
            ("[::ffff:10.0.0.1]:1", false),
        ] {
            assert_eq!(is_of_this_machine(&text.parse().expect("an address")), inside, "{text}");
        }
    }
}
