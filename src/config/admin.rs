//! Flags about the door for operators: HTTP, and who may come in there.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::limits::{SYSTEM_MS_MAX, SYSTEM_MS_MIN};

use super::values::parse_duration_ms;
use super::watch::{WatchedSessions, parse_watched};

/// See the module.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct AdminOptions {
    /// Where to answer operators over HTTP: ADDR:PORT of this host alone, unix or none
    /// [default: 127.0.0.1:9883].
    ///
    /// Metrics for Prometheus are at /metrics. A socket `admin.sock` in --data-dir answers as well,
    /// and with `unix` it is the only one; `none` switches both off. Port 0 lets the system pick a
    /// free port, which is logged. If the default port is in use, the broker warns and starts
    /// without it.
    #[arg(
        long = "http-listen",
        value_name = "ADDRESS",
        value_parser = parse_http_listen,
        help_heading = "Operators"
    )]
    pub http_listen: Option<HttpListen>,

    /// Who may ask over HTTP: lines of NAME:SHA256:RIGHTS [default: the token in `admin.token` of
    /// --data-dir].
    ///
    /// SHA256 is that of the token, in hexadecimal digits; RIGHTS are some of metrics, read,
    /// publish, operate and admin, with commas between. SIGHUP has the file read again. The token
    /// in `admin.token`, made when it is missing, has all rights in any case.
    #[arg(
        long = "http-tokens",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        help_heading = "Operators"
    )]
    pub http_tokens: Option<PathBuf>,

    /// How often the topics $SYS/broker/... are brought up to date, while a client is subscribed to
    /// them; 0: never.
    ///
    /// Their names and values are Mosquitto's. From 1s to 1d. When access rules are in use, a
    /// client reads them only if a rule names $SYS: `topic #` does not.
    #[arg(
        long = "sys-interval",
        value_name = "DURATION",
        default_value = "10s",
        value_parser = parse_system_interval,
        help_heading = "Operators"
    )]
    pub system_interval: SystemInterval,

    /// Sessions with metrics of their own at /metrics/sessions: VHOST/ID, or VHOST/BEGINNING* for
    /// all whose client id begins so; may be given 16 times.
    ///
    /// How many messages and bytes a session is behind, for how long, and what was dropped of it.
    /// `//ID` is a session of the vhost /. 100 sessions are told at most; how many were left out is
    /// a metric as well. Without it /metrics/sessions tells the worst session's figures alone.
    #[arg(
        long = "watch-session",
        value_name = "VHOST/ID",
        value_parser = parse_watched,
        help_heading = "Operators"
    )]
    pub watch_sessions: Vec<WatchedSessions>,
}

/// Milliseconds between two updates of the system's topics; 0: there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemInterval(pub u64);

impl AdminOptions {
    /// Milliseconds between two updates of the system's topics; 0: there are none.
    pub fn system_interval_ms(&self) -> u64 {
        self.system_interval.0
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

/// Where operators are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpListen {
    /// At this loopback address, and the socket in the data directory.
    Address(SocketAddr),
    /// At the socket alone.
    Unix,
    /// Nowhere.
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
        "it takes an address and a port of this host alone, as in 127.0.0.1:9883 or [::1]:9883, \
         unix for the socket in --data-dir alone, or none"
            .to_owned()
    })?;
    if !address.ip().is_loopback() {
        return Err(format!(
            "other hosts would reach {address}, and tokens would pass the network unencrypted: \
             HTTP over TLS is not there yet. Listen on 127.0.0.1:{} and have a proxy with TLS, or \
             an SSH tunnel, in front of it",
            address.port()
        ));
    }
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

    // Loopback addresses, the socket alone, or nothing; what other hosts reach is refused with the
    // way out.
    #[test]
    fn places() {
        let at = |text: &str| HttpListen::Address(text.parse().expect("an address"));
        for (text, expected) in [
            ("127.0.0.1:9883", at("127.0.0.1:9883")),
            ("127.8.8.8:0", at("127.8.8.8:0")),
            ("[::1]:9883", at("[::1]:9883")),
            ("localhost:80", at("127.0.0.1:80")),
            ("unix", HttpListen::Unix),
            ("none", HttpListen::None),
        ] {
            assert_eq!(parse_http_listen(text), Ok(expected), "{text}");
        }
        for (text, says) in [
            ("0.0.0.0:9883", "TLS is not there yet"),
            ("10.0.0.1:1", "127.0.0.1:1 and have a proxy"),
            ("[::]:9883", "TLS is not there yet"),
            ("9883", "as in 127.0.0.1:9883"),
            ("localhost:x", "as in 127.0.0.1:9883"),
            ("", "or none"),
        ] {
            let error = parse_http_listen(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
