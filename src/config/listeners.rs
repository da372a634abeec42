//! Flags of listeners, and of the user that the broker runs as.

use std::net::IpAddr;

use clap::Args;

/// A range of addresses: those that share the first `bits` bits of `address`.
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
    /// `None`: the user stays.
    pub user: Option<String>,
    /// `None`: the group stays.
    pub group: Option<String>,
}

/// Flags of listeners and privileges.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ListenerOptions {
    /// Mode of the Unix sockets of --listen, in octal; it determines who may connect
    #[arg(
        long = "unix-mode",
        value_name = "MODE",
        default_value = "0660",
        value_parser = parse_mode,
        help_heading = "Network"
    )]
    pub unix_mode: u32,

    /// Owner of the Unix sockets of --listen: USER, USER:GROUP or :GROUP [default: the user that
    /// starts ringmq]
    #[arg(
        long = "unix-owner",
        value_name = "OWNER",
        value_parser = parse_owner,
        help_heading = "Network"
    )]
    pub unix_owner: Option<Owner>,

    /// Proxies that may connect to listeners with `,proxy`, as in 10.0.0.0/8; may be given several
    /// times.
    ///
    /// Connections from other addresses are closed.
    #[arg(
        long = "proxy-trust",
        value_name = "CIDR",
        value_parser = parse_cidr,
        help_heading = "Network"
    )]
    pub proxy_trust: Vec<Cidr>,

    /// User that ringmq switches to once every address is bound.
    ///
    /// ringmq must be started as root for that. It also takes the user's groups. The user must own
    /// --data-dir.
    #[arg(long = "user", value_name = "NAME", help_heading = "Process")]
    pub user: Option<String>,
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

/// An address without a prefix is a range of one. Bits beyond the prefix must be 0: other bits are
/// a typing error that could admit more addresses than intended.
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
