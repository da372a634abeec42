//! Flags of the operators' HTTP interface and its access control.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::limits::{SYSTEM_MS_MAX, SYSTEM_MS_MIN};

use super::tls::TlsOptions;
use super::values::parse_duration_ms;
use super::watch::{WatchedSessions, parse_watched};

/// Flags of the operators' HTTP interface.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct AdminOptions {
    /// Address of the operators' HTTP interface: ADDR:PORT, unix or none [default: 127.0.0.1:9883].
    ///
    /// Metrics for Prometheus are at /metrics. The socket `admin.sock` in --data-dir answers as
    /// well; with `unix` it is the only one, and `none` switches both off. Port 0 lets the system
    /// pick a free port, which is logged. An address that other hosts can reach needs TLS:
    /// --http-cert and --http-key, or --tls-cert and --tls-key. If the default port is in use, the
    /// broker logs a warning and starts without it.
    #[arg(
        long = "http-listen",
        value_name = "ADDRESS",
        value_parser = parse_http_listen,
        help_heading = "Operators"
    )]
    pub http_listen: Option<HttpListen>,

    /// File of tokens for HTTP requests: lines of NAME:SHA256:RIGHTS [default: the token in
    /// `admin.token` of --data-dir].
    ///
    /// SHA256 is the token's hash in hexadecimal digits. RIGHTS is a comma-separated list of
    /// metrics, read, publish, operate and admin. NAME:SHA256:RIGHTS:VHOST limits the token to one
    /// vhost. SIGHUP makes the broker read the file again. The token in `admin.token` always has
    /// all rights; the broker creates it if it is missing.
    #[arg(
        long = "http-tokens",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        help_heading = "Operators"
    )]
    pub http_tokens: Option<PathBuf>,

    /// Certificate chain for HTTP over TLS, as PEM, the broker's own certificate first.
    ///
    /// With it --http-listen accepts only TLS, also from this host. If this flag is not given, an
    /// address that other hosts can reach uses --tls-cert. A reload reads the certificate again;
    /// open connections keep the old one.
    #[arg(
        id = "http-cert",
        long = "http-cert",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        requires = "http-key",
        help_heading = "Operators"
    )]
    pub http_cert: Option<PathBuf>,

    /// The private key of --http-cert, as PEM without a password
    #[arg(
        id = "http-key",
        long = "http-key",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        requires = "http-cert",
        help_heading = "Operators"
    )]
    pub http_key: Option<PathBuf>,

    /// Host name by which operators may address this broker over HTTP; may be repeated.
    ///
    /// IP addresses and localhost are always accepted. The broker refuses requests for any other
    /// name, because a hostile web page could make its own name resolve to this host.
    #[arg(
        long = "http-host",
        value_name = "NAME",
        value_parser = parse_host,
        help_heading = "Operators"
    )]
    pub http_hosts: Vec<String>,

    /// Time between updates of the topics $SYS/broker/..., which happen while a client is
    /// subscribed to them; 0: never.
    ///
    /// Their names and values are the same as Mosquitto's. From 1s to 1d. When access rules are in
    /// use, a client may read them only if a rule names $SYS: `topic #` does not.
    #[arg(
        long = "sys-interval",
        value_name = "DURATION",
        default_value = "10s",
        value_parser = parse_system_interval,
        help_heading = "Operators"
    )]
    pub system_interval: SystemInterval,

    /// Sessions with metrics of their own at /metrics/sessions: VHOST/ID, or VHOST/BEGINNING* for
    /// all sessions whose client id begins with BEGINNING; may be given 16 times.
    ///
    /// The metrics tell how many messages and bytes wait in a session, for how long, and what was
    /// dropped. `//ID` is a session of the vhost /. At most 100 sessions are listed; a further
    /// metric counts those that are left out. Without this flag /metrics/sessions tells only the
    /// figures of the worst session. `//$share/NAME/FILTER` is a consumer group of the vhost /, and
    /// `//$share/NAME/*` are all with this name: groups have metrics of their own as well.
    #[arg(
        long = "watch-session",
        value_name = "VHOST/ID",
        value_parser = parse_watched,
        help_heading = "Operators"
    )]
    pub watch_sessions: Vec<WatchedSessions>,
}

/// Milliseconds between two updates of the $SYS topics; 0: no updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemInterval(pub u64);

impl AdminOptions {
    /// Certificate and key for HTTP, and the flag that names the certificate; `None`: plain HTTP.
    pub fn http_identity<'a>(&'a self, tls: &'a TlsOptions) -> Option<HttpIdentity<'a>> {
        let own = self.http_cert.as_deref().zip(self.http_key.as_deref());
        let shared = tls.cert.as_deref().zip(tls.key.as_deref());
        let own =
            own.map(|(cert, key)| HttpIdentity { cert, key, flags: ["--http-cert", "--http-key"] });
        own.or_else(|| {
            let shared = shared.filter(|_| self.is_reached_by_others());
            shared.map(|(cert, key)| HttpIdentity { cert, key, flags: ["--tls-cert", "--tls-key"] })
        })
    }

    /// Whether other hosts can reach it. It must use TLS then.
    pub fn is_reached_by_others(&self) -> bool {
        matches!(self.http_listen, Some(HttpListen::Address(at)) if !at.ip().is_loopback())
    }

    /// Milliseconds between two updates of the $SYS topics; 0: no updates.
    pub fn system_interval_ms(&self) -> u64 {
        self.system_interval.0
    }
}

/// The TLS files of the HTTP interface.
#[derive(Clone, Copy, Debug)]
pub struct HttpIdentity<'a> {
    /// The certificate file.
    pub cert: &'a Path,
    /// The key file.
    pub key: &'a Path,
    /// The flags that name these files.
    pub flags: [&'static str; 2],
}

fn parse_host(text: &str) -> Result<String, String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    match !text.is_empty() && text.len() <= 253 && text.bytes().all(is_part) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("takes the name of a host without a port, as in broker.example".to_owned()),
    }
}

fn parse_system_interval(text: &str) -> Result<SystemInterval, String> {
    match parse_duration_ms(text) {
        Some(ms) if ms == 0 || (SYSTEM_MS_MIN..=SYSTEM_MS_MAX).contains(&ms) => {
            Ok(SystemInterval(ms))
        }
        _ => Err("takes 0 or 1s to 1d with a unit (s, m, h or d), as in 10s or 1m".to_owned()),
    }
}

/// The addresses of the HTTP interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpListen {
    /// This address, and the socket in the data directory.
    Address(SocketAddr),
    /// The socket only.
    Unix,
    /// None: it is off.
    None,
}

pub(super) fn parse_http_listen(text: &str) -> Result<HttpListen, String> {
    match text {
        "none" => return Ok(HttpListen::None),
        "unix" => return Ok(HttpListen::Unix),
        _ => {}
    }
    let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address: SocketAddr = named.as_deref().unwrap_or(text).parse().map_err(|_| {
        "it takes an address and a port, as in 127.0.0.1:9883 or [::1]:9883, unix for the socket \
         in --data-dir alone, or none"
            .to_owned()
    })?;
    Ok(HttpListen::Address(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Off, or from a second to a day.
    #[test]
    fn intervals() {
        for (text, expected) in [("0", 0), ("1s", 1_000), ("10s", 10_000), ("1d", 86_400_000)] {
            assert_eq!(parse_system_interval(text), Ok(SystemInterval(expected)), "{text}");
        }
        for text in ["999ms", "10", "2d", "", "-1s"] {
            assert!(parse_system_interval(text).is_err(), "{text}");
        }
    }

    // Addresses, the socket alone, or nothing.
    #[test]
    fn places() {
        let at = |text: &str| HttpListen::Address(text.parse().expect("an address"));
        for (text, expected) in [
            ("127.0.0.1:9883", at("127.0.0.1:9883")),
            ("127.8.8.8:0", at("127.8.8.8:0")),
            ("[::1]:9883", at("[::1]:9883")),
            ("localhost:80", at("127.0.0.1:80")),
            ("0.0.0.0:9883", at("0.0.0.0:9883")),
            ("unix", HttpListen::Unix),
            ("none", HttpListen::None),
        ] {
            assert_eq!(parse_http_listen(text), Ok(expected), "{text}");
        }
        for (text, says) in [
            ("9883", "as in 127.0.0.1:9883"),
            ("localhost:x", "as in 127.0.0.1:9883"),
            ("", "or none"),
        ] {
            let error = parse_http_listen(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
