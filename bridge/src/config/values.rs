//! Values of the configuration: sizes, times, addresses, secrets.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use crate::limits::SECRET_BYTES_MAX;

/// The address of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// TCP, with TLS or without.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// Whether it speaks TLS.
        tls: bool,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port, tls } => {
                let scheme = if *tls { "mqtts" } else { "mqtt" };
                write!(f, "{scheme}://{host}:{port}")
            }
        }
    }
}

/// Reads `unix:PATH`, `mqtt://HOST:PORT` or `mqtts://HOST:PORT`.
pub(super) fn address(text: &str) -> Result<Address, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return match path.starts_with('/') {
            true => Ok(Address::Unix(path.into())),
            false => Err("unix: takes an absolute path, as in unix:/run/ringmq/mqtt.sock".into()),
        };
    }
    let (tls, rest) = match (text.strip_prefix("mqtt://"), text.strip_prefix("mqtts://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err("takes unix:PATH, mqtt://HOST:PORT or mqtts://HOST:PORT".into()),
    };
    let (host, port) = host_and_port(rest, if tls { 8883 } else { 1883 })?;
    Ok(Address::Tcp { host, port, tls })
}

/// Reads `HOST`, `HOST:PORT` or `[ADDRESS]:PORT`.
pub(super) fn host_and_port(text: &str, default: u16) -> Result<(String, u16), String> {
    let text = text.trim_end_matches('/');
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let number = port.parse::<u16>().ok().filter(|number| *number != 0);
            (host, number.ok_or_else(|| format!("{port:?} is no port: 1 to 65535"))?)
        }
        _ => (text, default),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || host.contains(['/', '@', ' ']) {
        return Err(format!("{host:?} is no host; user and password have keys of their own"));
    }
    Ok((host.to_owned(), port))
}

/// Reads a size: `4096`, `64KiB`, `1MiB`, `1GiB`.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let wrong = || format!("{text:?} is no size; write 4096, 64KiB, 1MiB or 1GiB");
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let unit = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)));
    let (digits, shift) = unit.unwrap_or((text, 0));
    let number = digits.trim().parse::<usize>().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// Reads a time: `20ms`, `5s`, `2m`, `1h`, or `0`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; write 20ms, 5s, 2m, 1h or 0");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    let unit = units.iter().find_map(|(unit, ms)| Some((text.strip_suffix(unit)?, *ms)));
    let (digits, ms) = unit.ok_or_else(wrong)?;
    let number = digits.parse::<u64>().map_err(|_| wrong())?;
    number.checked_mul(ms).map(Duration::from_millis).ok_or_else(wrong)
}

/// A password, a token, or an address that has one. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Reads a file with a secret; a newline at its end is removed.
pub(super) fn secret_file(path: &str) -> Result<Secret, String> {
    let read = || -> std::io::Result<String> {
        let mut text = String::new();
        File::open(path)?.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error| format!("{path} cannot be read: {error}"))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() || text.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("{path} is empty or longer than {SECRET_BYTES_MAX} bytes"));
    }
    Ok(Secret(secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // A broker's address is read in each form; a wrong one is reported with the right forms.
    #[test]
    fn addresses() {
        let tcp = |host: &str, port, tls| Address::Tcp { host: host.to_owned(), port, tls };
        for (text, is) in [
            ("unix:/run/a.sock", Address::Unix("/run/a.sock".into())),
            ("mqtt://a", tcp("a", 1883, false)),
            ("mqtt://a:1/", tcp("a", 1, false)),
            ("mqtts://a", tcp("a", 8883, true)),
            ("mqtt://[::1]:7", tcp("::1", 7, false)),
            ("mqtt://[::1]", tcp("::1", 1883, false)),
        ] {
            assert_eq!(address(text), Ok(is), "{text}");
        }
        for text in ["", "a:1883", "unix:a", "mqtt://", "mqtt://a:0", "mqtt://a:x", "mqtt://u:p@a"]
        {
            assert!(address(text).is_err(), "{text}");
        }
    }

    // Sizes and times have units; numbers that are too large are refused.
    #[test]
    fn sizes_and_times() {
        for (text, is) in [("0", 0), ("17", 17), ("64KiB", 65_536), ("1 MiB", 1 << 20)] {
            assert_eq!(bytes(text), Ok(is), "{text}");
        }
        for text in ["", "1MB", "-1", "99999999999999999GiB"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        for (text, ms) in [("0", 0), ("20ms", 20), ("5s", 5000), ("2m", 120_000), ("1h", 3_600_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "5", "s", "1d", "99999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
