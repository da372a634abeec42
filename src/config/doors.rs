//! Flags about where clients come in, and as whom the broker runs.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use crate::limits;

/// A place to accept clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub at: Endpoint,
    /// Each connection begins with a PROXY protocol header.
    pub proxy: bool,
}

/// An address of one of the kinds there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// An internet address and a port.
    Tcp(SocketAddr),
    /// A file.
    Unix(PathBuf),
}

impl Listen {
    /// Whether only this host can reach it, and whoever comes in is who it seems to be: what comes
    /// through a proxy is from anywhere.
    pub fn is_local(&self) -> bool {
        !self.proxy
            && match &self.at {
                Endpoint::Tcp(address) => address.ip().is_loopback(),
                Endpoint::Unix(_) => true,
            }
    }

    /// Whether `--proxy-trust` must say who may connect. Who may open a Unix socket its mode says.
    pub fn needs_trust(&self) -> bool {
        self.proxy && matches!(self.at, Endpoint::Tcp(_))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A range of addresses: those that have the first `bits` bits of `address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// Its first address.
    pub address: IpAddr,
    /// 0 to 32 for IPv4, 0 to 128 for IPv6.
    pub bits: u8,
}

/// A user and perhaps a group, by name or number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// None: it stays.
    pub user: Option<String>,
    /// None: it stays.
    pub group: Option<String>,
}

/// Doors and privileges.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct DoorOptions {
    /// Mode of the Unix sockets of --listen, octal: who may connect
    #[arg(
        long = "unix-mode",
        value_name = "MODE",
        default_value = "0660",
        value_parser = parse_mode,
        help_heading = "Network"
    )]
    pub unix_mode: u32,

    /// Owner of the Unix sockets of --listen [default: who starts ringmq]
    #[arg(
        long = "unix-owner",
        value_name = "USER[:GROUP]",
        value_parser = parse_owner,
        help_heading = "Network"
    )]
    pub unix_owner: Option<Owner>,

    /// Addresses of the proxies that may connect to listeners with ",proxy"; may be given several
    /// times. Others are closed
    #[arg(
        long = "proxy-trust",
        value_name = "CIDR",
        value_parser = parse_cidr,
        help_heading = "Network"
    )]
    pub proxy_trust: Vec<Cidr>,

    /// User to run as once every address is bound; ringmq must be started as root for it. The
    /// user's groups come along, and --data-dir must be the user's
    #[arg(long = "user", value_name = "NAME", help_heading = "Process")]
    pub user: Option<String>,
}

pub(super) fn parse_listen(text: &str) -> Result<Listen, String> {
    let takes = "takes an IP address and a port, as in 127.0.0.1:1883 or [::]:1883, or unix:PATH; \
                 both with ,proxy behind it for a listener behind a proxy";
    let (place, proxy) = match text.strip_suffix(",proxy") {
        Some(place) => (place, true),
        None => (text, false),
    };
    let at = match place.strip_prefix("unix:") {
        Some(path) => parse_socket_path(path).map(Endpoint::Unix),
        None => place.parse().ok().map(Endpoint::Tcp),
    };
    at.map(|at| Listen { at, proxy }).ok_or_else(|| takes.to_owned())
}

/// The same over TLS, where Unix sockets gain nothing by it.
pub(super) fn parse_tls_listen(text: &str) -> Result<Listen, String> {
    let internet = |listen: &Listen| matches!(listen.at, Endpoint::Tcp(_));
    let takes = "takes an IP address and a port, as in 0.0.0.0:8883 or [::]:8883; with ,proxy \
                 behind it for a listener behind a proxy";
    parse_listen(text).ok().filter(internet).ok_or_else(|| takes.to_owned())
}

/// A path that a socket's address has room for.
fn parse_socket_path(path: &str) -> Option<PathBuf> {
    let fits = (1..=limits::UNIX_PATH_BYTES_MAX).contains(&path.len());
    (fits && !path.contains('\0')).then(|| PathBuf::from(path))
}

pub(super) fn parse_mode(text: &str) -> Result<u32, String> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| digits && *mode <= 0o777);
    mode.ok_or_else(|| "takes an octal mode from 0 to 0777, as in 0660".to_owned())
}

pub(super) fn parse_owner(text: &str) -> Result<Owner, String> {
    let (user, group) = text.split_once(':').map_or((text, None), |(u, g)| (u, Some(g)));
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let owner = Owner { user: named(user), group: group.and_then(named) };
    let whole = group.is_none_or(|group| !group.is_empty());
    if whole && owner != (Owner { user: None, group: None }) {
        return Ok(owner);
    }
    Err("takes USER, USER:GROUP or :GROUP, as in ringmq:mqtt".to_owned())
}

/// An address alone is a range of one. Bits beyond the prefix must be 0: anything else is a typing
/// error that could open the door wider than was meant.
pub(super) fn parse_cidr(text: &str) -> Result<Cidr, String> {
    let takes = "takes an address or a range, as in 10.0.0.7, 10.0.0.0/8 or fd00::/8";
    let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
    let address: IpAddr = address.parse().map_err(|_| takes.to_owned())?;
    let width: u8 = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(width), |bits| {
        let digits = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
        bits.parse().ok().filter(|bits| digits && *bits <= width)
    });
    let bits = bits.ok_or_else(|| takes.to_owned())?;
    let rest = match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    };
    if rest.checked_shl(u32::from(bits)).unwrap_or(0) != 0 {
        return Err(format!("{takes}; {address} has bits set behind the first {bits}"));
    }
    Ok(Cidr { address, bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Listeners: both kinds, with and without a proxy in front; only those that nobody else can
    // reach or speak for are local.
    #[test]
    fn listeners() {
        for (text, shown, proxy, local) in [
            ("127.0.0.1:1", "127.0.0.1:1", false, true),
            ("127.0.0.1:1,proxy", "127.0.0.1:1", true, false),
            ("[::1]:0", "[::1]:0", false, true),
            ("0.0.0.0:1883", "0.0.0.0:1883", false, false),
            ("[::]:1883,proxy", "[::]:1883", true, false),
            ("unix:a", "unix:a", false, true),
            ("unix:/run/a b,c", "unix:/run/a b,c", false, true),
            ("unix:/run/a,proxy", "unix:/run/a", true, false),
        ] {
            let listen = parse_listen(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(listen.at.to_string(), shown);
            assert_eq!((listen.proxy, listen.is_local()), (proxy, local), "{text}");
            assert_eq!(listen.needs_trust(), proxy && !shown.starts_with("unix"), "{text}");
        }
        let longest = format!("unix:{}", "p".repeat(limits::UNIX_PATH_BYTES_MAX));
        assert!(parse_listen(&longest).is_ok());
        for text in [
            "",
            "unix:",
            "unix:,proxy",
            "unix:a\0b",
            ",proxy",
            "127.0.0.1:1,proxy,proxy",
            "127.0.0.1:1, proxy",
            "127.0.0.1:1,tls",
            "/run/a",
            &format!("{longest}p"),
        ] {
            let error = parse_listen(text).expect_err(text);
            assert!(error.contains("unix:PATH"), "{text:?}: {error}");
        }
    }

    // Ranges: any prefix length of either family, and no bits behind it.
    #[test]
    fn ranges() {
        for (text, bits) in [
            ("10.0.0.7", 32),
            ("10.0.0.0/8", 8),
            ("10.0.0.7/32", 32),
            ("0.0.0.0/0", 0),
            ("128.0.0.0/1", 1),
            ("::1", 128),
            ("fd00::/8", 8),
            ("::/0", 0),
            ("fe80::1/128", 128),
        ] {
            let cidr = parse_cidr(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(cidr.bits, bits, "{text}");
        }
        for text in [
            "",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "::1/64",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/256",
            "10/8",
            "hop/8",
            "0.0.0.1/0",
        ] {
            let error = parse_cidr(text).expect_err(text);
            assert!(error.contains("as in 10.0.0.7"), "{text:?}: {error}");
        }
    }

    // Modes are octal, and three digits are enough.
    #[test]
    fn modes() {
        for (text, mode) in [
            ("0660", Some(0o660)),
            ("660", Some(0o660)),
            ("0", Some(0)),
            ("0777", Some(0o777)),
            ("1777", None),
            ("0o660", None),
            ("+660", None),
            ("888", None),
            ("00660", None),
            ("", None),
        ] {
            assert_eq!(parse_mode(text).ok(), mode, "{text:?}");
        }
    }

    // An owner has a user, a group, or both.
    #[test]
    fn owners() {
        let owner = |user: Option<&str>, group: Option<&str>| Owner {
            user: user.map(str::to_owned),
            group: group.map(str::to_owned),
        };
        for (text, expected) in [
            ("mqtt", Some(owner(Some("mqtt"), None))),
            ("mqtt:iot", Some(owner(Some("mqtt"), Some("iot")))),
            (":iot", Some(owner(None, Some("iot")))),
            ("mqtt:", None),
            (":", None),
            ("", None),
        ] {
            assert_eq!(parse_owner(text).ok(), expected, "{text:?}");
        }
    }
}
