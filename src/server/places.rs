//! Resolves the addresses in flags to addresses to listen on.
//!
//! A port without an address means this port on all addresses. A name is that of an interface or a
//! host, and stands for all its addresses on this host. It is resolved once, when the broker
//! starts.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs, UdpSocket};

use nix::ifaddrs::getifaddrs;

use crate::access::Policy;
use crate::advice;
use crate::config::{Endpoint, Listen, ListenRequest, Options, Place};

use super::tls;

/// An address to listen on, and the flag that names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenAddress {
    pub(super) listen: Listen,
    pub(super) tls: bool,
    /// Only IPv6 addresses, because another listener has all IPv4 addresses; otherwise this one
    /// would take both.
    pub(super) v6_only: bool,
    asked: ListenRequest,
}

/// Why the broker cannot listen on an address.
#[derive(Debug)]
pub enum ListenError {
    /// The name has no address on this host: the flag with its value, and the reason.
    Unknown(String, String),
    /// Two flags name the same address.
    Twice(Box<[ListenAddress; 2]>),
    /// Other hosts can reach it, and no flag restricts the clients.
    Unguarded(ListenAddress),
    /// The system refuses the address.
    Refused(ListenAddress, io::Error),
}

impl ListenAddress {
    /// The flag and its value.
    fn flag(&self) -> String {
        flag(self.tls, &self.asked)
    }

    /// Whether this listener would receive connections to the other.
    fn takes(&self, other: &Self) -> bool {
        match (&self.listen.at, &other.listen.at) {
            (Endpoint::Unix(own), Endpoint::Unix(other)) => own == other,
            (Endpoint::Tcp(own), Endpoint::Tcp(other)) => {
                let is_all = match own {
                    SocketAddr::V4(v4) => v4.ip().is_unspecified() && other.is_ipv4(),
                    SocketAddr::V6(v6) => {
                        v6.ip().is_unspecified() && (other.is_ipv6() || !self.v6_only)
                    }
                };
                own.port() != 0 && own.port() == other.port() && (is_all || own == other)
            }
            _ => false,
        }
    }
}

fn flag(tls: bool, asked: &ListenRequest) -> String {
    format!("{} {asked}", if tls { "--tls-listen" } else { "--listen" })
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(flag, says) => write!(f, "cannot listen: {flag}: {says}"),
            Self::Twice(sites) => {
                let [first, second] = &**sites;
                write!(
                    f,
                    "cannot listen on {} for {}: {} has it already; leave one of them out",
                    second.listen.at,
                    second.flag(),
                    first.flag()
                )
            }
            Self::Unguarded(site) => {
                let proxy = if site.listen.proxy { " through its proxy" } else { "" };
                write!(f, "cannot listen on {}: ", site.listen.at)?;
                if let Place::Port(port) = site.asked.place {
                    write!(
                        f,
                        "{} means all addresses of this host (127.0.0.1:{port} would be for this \
                         host alone), so ",
                        site.flag()
                    )?;
                }
                write!(
                    f,
                    "other hosts reach it{proxy}, and everybody could connect; name the users \
                     with --passwords or --vhosts, or say --allow-anonymous"
                )
            }
            Self::Refused(site, error) => {
                write!(f, "cannot listen on {}", site.listen.at)?;
                if !matches!(site.asked.place, Place::Address(_)) {
                    write!(f, " for {}", site.flag())?;
                }
                match error.kind() {
                    ErrorKind::AddrInUse => f.write_str(
                        ": the address is in use; stop what listens there or choose another with \
                         --listen",
                    ),
                    ErrorKind::AddrNotAvailable => f.write_str(
                        ": this host does not have the address; `ip address` lists those it has",
                    ),
                    ErrorKind::PermissionDenied => f.write_str(
                        ": only root may have a port so low; choose one from 1024, start as root \
                         with --user NAME, or give the process CAP_NET_BIND_SERVICE",
                    ),
                    _ => write!(f, ": {error}{}", advice::of(error)),
                }
            }
        }
    }
}

/// All listeners of `--listen` and `--tls-listen`.
pub(super) fn resolve(options: &Options) -> Result<Vec<ListenAddress>, ListenError> {
    let plain = options.listen.iter().map(|asked| (asked, false));
    let sealed = options.tls.listen.iter().map(|asked| (asked, true));
    let mut sites = Vec::new();
    for (asked, tls) in plain.chain(sealed) {
        let found = endpoints(&asked.place);
        let found = found.map_err(|says| ListenError::Unknown(flag(tls, asked), says))?;
        sites.extend(found.into_iter().map(|at| ListenAddress {
            listen: Listen { at, proxy: asked.proxy, accepts: asked.accepts },
            tls,
            v6_only: false,
            asked: asked.clone(),
        }));
    }
    let all = |address: IpAddr, port| Endpoint::Tcp(SocketAddr::new(address, port));
    for at in 0..sites.len() {
        let Endpoint::Tcp(SocketAddr::V6(own)) = sites[at].listen.at else { continue };
        let all_v4 = all(Ipv4Addr::UNSPECIFIED.into(), own.port());
        sites[at].v6_only =
            own.ip().is_unspecified() && sites.iter().any(|site| site.listen.at == all_v4);
    }
    for (at, second) in sites.iter().enumerate() {
        let first = sites[..at].iter().find(|first| first.takes(second) || second.takes(first));
        if let Some(first) = first {
            return Err(ListenError::Twice(Box::new([first.clone(), second.clone()])));
        }
    }
    Ok(sites)
}

/// Refuses listeners that other hosts can reach if no flag says which clients are accepted.
pub(super) fn refuse_unguarded(
    options: &Options,
    sites: &[ListenAddress],
    policy: &Policy,
) -> Result<(), ListenError> {
    let asks_certificates = tls::requires_certificates(&options.tls);
    let mut open = sites.iter().filter(|site| !(site.tls && asks_certificates));
    match open.find(|site| !site.listen.is_local()) {
        Some(site) if !policy.guards_open_doors() => Err(ListenError::Unguarded(site.clone())),
        _ => Ok(()),
    }
}

fn endpoints(place: &Place) -> Result<Vec<Endpoint>, String> {
    let addresses = match place {
        Place::Address(address) => vec![*address],
        Place::Unix(path) => return Ok(vec![Endpoint::Unix(path.clone())]),
        Place::Port(port) => {
            let all = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
            present(with_port(&all, *port))
        }
        // These names are loopback, whatever a resolver answers (RFC 6761, 6.3).
        Place::Name(name, port) if name.eq_ignore_ascii_case("localhost") => {
            let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            present(with_port(&loopback, *port))
        }
        Place::Name(name, port) => look_up(name, *port)?,
    };
    Ok(addresses.into_iter().map(Endpoint::Tcp).collect())
}

fn with_port(addresses: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    addresses.iter().map(|address| SocketAddr::new(*address, port)).collect()
}

/// The addresses of an interface or, if there is no such interface, of a host.
fn look_up(name: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    // A sandbox may forbid reading the interfaces; the name may still be a host's.
    let interface = interface(name, port);
    let no_interface = match &interface {
        Ok(_) => format!("no interface has the name {name}"),
        Err(error) => format!("the interfaces cannot be looked at ({error})"),
    };
    if let Ok(Some(addresses)) = interface {
        return match addresses.is_empty() {
            true => Err(format!("the interface {name} has no address; is it up?")),
            false => Ok(addresses),
        };
    }
    let found = (name, port).to_socket_addrs().map_err(|error| {
        let says = error.to_string();
        let says = says.strip_prefix("failed to lookup address information: ").unwrap_or(&says);
        format!(
            "{no_interface}, and {name} is no host that can be found: {says}; `ip address` lists \
             interfaces and addresses"
        )
    })?;
    let mut found: Vec<SocketAddr> = found.collect();
    found.sort();
    found.dedup();
    let here = present(found.clone());
    if here.is_empty() {
        let found: Vec<String> = found.iter().map(|address| address.ip().to_string()).collect();
        return Err(format!(
            "{name} is {}, and this host has no such address; `ip address` lists those it has",
            found.join(", ")
        ));
    }
    Ok(here)
}

/// The addresses of an interface; `None` if there is no such interface.
fn interface(name: &str, port: u16) -> nix::Result<Option<Vec<SocketAddr>>> {
    let mut found: Option<Vec<SocketAddr>> = None;
    for entry in getifaddrs()?.filter(|entry| entry.interface_name == name) {
        let addresses = found.get_or_insert_default();
        let Some(address) = entry.address else { continue };
        if let Some(v4) = address.as_sockaddr_in() {
            addresses.push(SocketAddr::new(v4.ip().into(), port));
        } else if let Some(v6) = address.as_sockaddr_in6() {
            addresses.push(SocketAddrV6::new(v6.ip(), port, 0, v6.scope_id()).into());
        }
    }
    Ok(found)
}

/// The addresses that this host has. A name may also have addresses of other hosts, and a kernel
/// may support one family only.
fn present(mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    addresses.retain(|address| {
        let mut any_port = *address;
        any_port.set_port(0);
        // Any other error is reported when the broker listens.
        UdpSocket::bind(any_port).map_or_else(|error| !is_absent(&error), |_| true)
    });
    addresses
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites(flags: &[&str]) -> Result<Vec<ListenAddress>, String> {
        let options = Options::from_args(["ringmq"].iter().chain(flags)).expect("good flags");
        resolve(&options).map_err(|error| error.to_string())
    }

    fn has_v6() -> bool {
        !present(with_port(&[Ipv6Addr::LOCALHOST.into()], 0)).is_empty()
    }

    // Each form of an address is resolved to its addresses, in order.
    #[test]
    fn places_become_addresses() {
        for (place, addresses, local) in [
            ("127.0.0.1:1883", &["127.0.0.1:1883"][..], true),
            ("1883", &["0.0.0.0:1883", "[::]:1883"], false),
            (":1883", &["0.0.0.0:1883", "[::]:1883"], false),
            ("localhost:1883", &["127.0.0.1:1883", "[::1]:1883"], true),
            ("LocalHost:0", &["127.0.0.1:0", "[::1]:0"], true),
            ("lo:1883", &["127.0.0.1:1883", "[::1]:1883"], true),
            ("unix:/run/mqtt", &["unix:/run/mqtt"], true),
        ] {
            let found = sites(&["--listen", place]).expect("it is there");
            let shown: Vec<String> = found.iter().map(|site| site.listen.at.to_string()).collect();
            let expected: Vec<&str> =
                addresses.iter().copied().filter(|at| has_v6() || !at.contains("::")).collect();
            assert_eq!(shown, expected, "{place}");
            assert!(found.iter().all(|site| site.listen.is_local() == local), "{place}");
            assert!(found.iter().all(|site| !site.tls), "{place}");
        }
    }

    // As above with TLS, beside listeners without TLS.
    #[test]
    fn places_of_tls() {
        let keys = ["--tls-cert=c", "--tls-key=k"];
        let listeners = ["--listen=unix:a", "--tls-listen=127.0.0.1:1", "--tls-listen=lo:2"];
        let found = sites(&[&listeners[..], &keys].concat()).expect("they are there");
        assert!(!found[0].tls && found[1..].iter().all(|site| site.tls), "{found:?}");
        assert_eq!(found.len(), 3 + usize::from(has_v6()), "{found:?}");
    }

    // The error of an unknown name has the flag.
    #[test]
    fn names_of_nothing() {
        for (place, says) in [
            ("no-such-thing.invalid:1883", "no interface has the name no-such-thing.invalid"),
            ("no_such0:1", "`ip address` lists interfaces"),
        ] {
            let error = sites(&["--listen", place]).expect_err("it is nowhere");
            let flag = format!("--listen {place}: ");
            assert!(error.contains(&flag) && error.contains(says), "{error}");
        }
    }

    // Two flags must not overlap; all IPv4 and all IPv6 addresses do not overlap.
    #[test]
    fn places_do_not_overlap() {
        for (first, second, apart) in [
            ("127.0.0.1:1", "127.0.0.1:1", None),
            ("127.0.0.1:0", "127.0.0.1:0", Some(0)),
            ("127.0.0.1:1", "127.0.0.1:2", Some(0)),
            ("127.0.0.1:1", "127.0.0.2:1", Some(0)),
            ("127.0.0.1:1", "0.0.0.0:1", None),
            ("0.0.0.0:1", "127.0.0.1:1", None),
            ("0.0.0.0:1", "[::]:1", Some(1)),
            ("[::]:1", "0.0.0.0:1", Some(1)),
            ("[::]:1", "127.0.0.1:1", None),
            ("[::1]:1", "[::]:1", None),
            ("0.0.0.0:1", "[::1]:1", Some(0)),
            ("localhost:1", "127.0.0.1:1", None),
            ("localhost:1", ":1", None),
            (":1", ":1", None),
            (":1", ":2", Some(2)),
            ("unix:a", "unix:a", None),
            ("unix:a", "unix:b", Some(0)),
        ] {
            match sites(&["--listen", first, "--listen", second]) {
                Ok(found) => {
                    let v6_only = found.iter().filter(|site| site.v6_only).count();
                    assert!(apart.is_some(), "{first} and {second} are one");
                    assert!(!has_v6() || apart == Some(v6_only), "{first} and {second}: {v6_only}");
                }
                Err(error) => {
                    assert_eq!(apart, None, "{error}");
                    let flags = [format!("--listen {first}"), format!("--listen {second}")];
                    assert!(flags.iter().all(|flag| error.contains(flag)), "{error}");
                    assert!(error.contains("leave one of them out"), "{error}");
                }
            }
        }
    }
}
