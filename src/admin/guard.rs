//! Access control: the host that a request names, the origin of its page, the token that it shows.
//!
//! An operator's browser also runs foreign pages. None of them gets anything here: there are no
//! cookies, and no other origin is allowed. A name that a foreign name server gives this host (DNS
//! rebinding) is not answered. A change needs a header that no form sends.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::{Method, Request, StatusCode};

use crate::limits::{HTTP_ADDRESSES_MAX, HTTP_FAILURES_MAX};

use super::answer::Fault;
use super::sign_ins::SignIns;
use super::tokens::{Holder, Right, Rights, Tokens, hash_of};

pub(super) use super::who::{Origin, Who};

/// The time in which wrong tokens are counted together.
const WINDOW: Duration = Duration::from_secs(60);

/// The process at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Peer {
    /// A process of this host, perhaps a proxy or a tunnel for others; over TLS also one of another
    /// host.
    Tcp(SocketAddr),
    /// A process of this user.
    Unix(u32),
}

impl Peer {
    /// Whether it is on another host.
    pub(super) fn is_far(self) -> bool {
        matches!(self, Self::Tcp(address) if !address.ip().to_canonical().is_loopback())
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(uid) => write!(f, "a Unix socket, user {uid}"),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Guard {
    failures: RefCell<Failures>,
    own_uid: u32,
    pub(super) sign_ins: SignIns,
}

impl Guard {
    pub(super) fn new() -> Self {
        let own_uid = rustix::process::geteuid().as_raw();
        Self { failures: RefCell::default(), own_uid, sign_ins: SignIns::default() }
    }

    /// Admits a request whose token has the right `need`.
    pub(super) fn admit(
        &self,
        headers: &HeaderMap,
        peer: Peer,
        need: Right,
        tokens: &Tokens,
    ) -> Result<Who, Fault> {
        let who = self.identify(headers, peer, tokens)?;
        if who.rights.have(need) {
            return Ok(who);
        }
        let message = format!("{} has no right {}", who.name, need.name());
        Err(Fault::new(StatusCode::FORBIDDEN, "forbidden", message)
            .hint("--http-tokens has the rights of each token"))
    }

    fn identify(&self, headers: &HeaderMap, peer: Peer, tokens: &Tokens) -> Result<Who, Fault> {
        if let Peer::Unix(uid) = peer
            && (uid == 0 || uid == self.own_uid)
        {
            let (name, origin) = (format!("user {uid}"), Origin::Socket);
            return Ok(Who { name, rights: Rights::ALL, vhost: None, origin, is_page: false });
        }
        self.check(headers, peer, |token| {
            let found = tokens.find(token).map(|Holder { name, rights, vhost }| Who {
                name: name.to_owned(),
                rights,
                vhost: vhost.map(Into::into),
                origin: Origin::Token(hash_of(token)),
                is_page: false,
            });
            found.or_else(|| self.sign_ins.find_page(token, Instant::now(), tokens))
        })
    }

    /// Admits a request that shows a code, which cannot be used again.
    pub(super) fn admit_code(&self, headers: &HeaderMap, peer: Peer) -> Result<Who, Fault> {
        self.check(headers, peer, |code| self.sign_ins.take_code(code, Instant::now()))
    }

    /// Looks up the secret of a request, unless its address has shown too many wrong ones.
    fn check(
        &self,
        headers: &HeaderMap,
        peer: Peer,
        find: impl FnOnce(&[u8]) -> Option<Who>,
    ) -> Result<Who, Fault> {
        let address = match peer {
            // Users of this host that may open the socket are counted as one.
            Peer::Unix(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            Peer::Tcp(address) => address.ip(),
        };
        let Some(token) = token_of(headers) else {
            let message = "this needs a token";
            return Err(Fault::new(StatusCode::UNAUTHORIZED, "unauthorized", message).hint(
                "send the header `Authorization: Bearer TOKEN`; the token that may do everything \
                 is in admin.token in the data directory",
            ));
        };
        let now = Instant::now();
        if let Some(wait) = self.failures.borrow_mut().wait(address, now) {
            let message = "too many wrong tokens from this address";
            let fault = Fault::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", message);
            return Err(fault.retry_after(wait.as_secs() + 1));
        }
        find(&token).ok_or_else(|| {
            self.failures.borrow_mut().count(address, now);
            let message = "this token is not known";
            Fault::new(StatusCode::UNAUTHORIZED, "unauthorized", message).hint(
                "tokens are read at start and again at SIGHUP; a code of `ringmq ctl dashboard` is \
                 good once and for a short time",
            )
        })
    }
}

/// The token of a request: a bearer token, or the password of Basic with any user name.
pub(super) fn token_of(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().as_bytes().to_vec());
    }
    let login =
        STANDARD.decode(rest.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let colon = login.iter().position(|byte| *byte == b':')?;
    Some(login[colon + 1..].to_vec())
}

/// Refuses a request that a foreign page may have made the browser send.
pub(super) fn check_origin<B>(
    request: &Request<B>,
    peer: Peer,
    own_hosts: &[String],
) -> Result<(), Fault> {
    let headers = request.headers();
    let refuse = |message: &str| Err(Fault::new(StatusCode::FORBIDDEN, "foreign_origin", message));
    let is_other = |name: HeaderName, own: &[&str]| {
        headers.get_all(name).iter().any(|value| !own.iter().any(|own| value == own))
    };
    let navigates = request.method() == Method::GET
        && headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    let site = HeaderName::from_static("sec-fetch-site");
    if !navigates && is_other(site, &["same-origin", "none"]) {
        return refuse("a page of another origin asks this");
    }
    // Browsers do not use Unix sockets.
    let Peer::Tcp(_) = peer else { return Ok(()) };
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(Ok(host)), None) = (hosts.next().map(|host| host.to_str()), hosts.next()) else {
        let message = "a request names one Host";
        return Err(Fault::new(StatusCode::BAD_REQUEST, "invalid_host", message));
    };
    let meant = request.uri().authority().map(|authority| authority.as_str());
    let is_own_host = |host: &str| is_own_host(host, own_hosts);
    if !is_own_host(host) || meant.is_some_and(|meant| !is_own_host(meant)) {
        let message = format!("{host:.100?} is no name of this host here");
        return Err(Fault::new(StatusCode::MISDIRECTED_REQUEST, "invalid_host", message)
            .hint("name it by its address, as localhost, or by a name of --http-host"));
    }
    let own = [format!("http://{host}"), format!("https://{host}")];
    if is_other(header::ORIGIN, &own.each_ref().map(String::as_str)) {
        return refuse("a page of another origin asks this");
    }
    Ok(())
}

/// Whether a host name cannot come from a foreign name server: an address, localhost, or one of
/// `hosts`.
fn is_own_host(host: &str, hosts: &[String]) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            return address.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || is_port(port));
        }
        None => match host.split_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            Some(_) => return false,
            None => host,
        },
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::Ipv4Addr>().is_ok()
        || hosts.iter().any(|own| name.eq_ignore_ascii_case(own))
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
}

/// Wrong tokens by address, each with the start of its minute.
#[derive(Default, Debug)]
struct Failures(HashMap<IpAddr, (Instant, u32)>);

impl Failures {
    /// The time that an address has to wait after too many wrong tokens.
    fn wait(&mut self, address: IpAddr, now: Instant) -> Option<Duration> {
        let (since, count) = *self.0.get(&self.known_as(address))?;
        let left = WINDOW.checked_sub(now.duration_since(since))?;
        (count >= HTTP_FAILURES_MAX).then_some(left)
    }

    fn count(&mut self, address: IpAddr, now: Instant) {
        if self.0.len() >= HTTP_ADDRESSES_MAX {
            self.0.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
        }
        let entry = self.0.entry(self.known_as(address)).or_insert((now, 0));
        if now.duration_since(entry.0) >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }

    /// An IPv6 address stands for its /64 network. When too many addresses are known, new ones
    /// share one entry.
    fn known_as(&self, address: IpAddr) -> IpAddr {
        let own = match address.to_canonical() {
            IpAddr::V6(v6) if !v6.is_loopback() => {
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)))
            }
            other => other,
        };
        let is_full = self.0.len() >= HTTP_ADDRESSES_MAX && !self.0.contains_key(&own);
        if is_full { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A host is named by an address or as localhost; a name that a foreign name server may have
    // chosen is refused.
    #[test]
    fn own_hosts() {
        for (host, expected) in [
            ("127.0.0.1:9883", true),
            ("127.0.0.1", true),
            ("10.0.0.1:1", true),
            ("localhost:9883", true),
            ("LocalHost", true),
            ("[::1]:9883", true),
            ("[::1]", true),
            ("broker.example:9883", true),
            ("Broker.Example", true),
            ("a.broker.example", false),
            ("localhost.evil.example", false),
            ("evil.example:9883", false),
            ("127.0.0.1.evil.example", false),
            ("127.0.0.1:9883@evil.example", false),
            ("[::1].evil.example", false),
            ("[evil]", false),
            ("", false),
        ] {
            let hosts = ["broker.example".to_owned()];
            assert_eq!(is_own_host(host, &hosts), expected, "{host}");
        }
    }

    // A peer on another host is far, however its address is written.
    #[test]
    fn far_peers() {
        for (address, is_far) in [
            ("127.0.0.1:1", false),
            ("127.9.9.9:1", false),
            ("[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", false),
            ("10.0.0.1:1", true),
            ("[::ffff:10.0.0.1]:1", true),
        ] {
            let peer = Peer::Tcp(address.parse().expect("an address"));
            assert_eq!(peer.is_far(), is_far, "{address}");
        }
        assert!(!Peer::Unix(1).is_far());
    }

    // A page of another origin is refused, whatever it requests; a link to the page may be
    // followed.
    #[test]
    fn other_origins() {
        let peer = Peer::Tcp("127.0.0.1:1".parse().expect("an address"));
        let host = ("host", "127.0.0.1:9883");
        for (method, headers, expected) in [
            ("GET", vec![host], true),
            ("GET", vec![], false),
            ("GET", vec![host, host], false),
            ("GET", vec![("host", "evil.example")], false),
            ("GET", vec![host, ("origin", "http://127.0.0.1:9883")], true),
            ("GET", vec![host, ("origin", "https://127.0.0.1:9883")], true),
            ("GET", vec![host, ("origin", "http://127.0.0.1:9884")], false),
            ("GET", vec![host, ("origin", "null")], false),
            ("DELETE", vec![host, ("sec-fetch-site", "same-origin")], true),
            ("DELETE", vec![host, ("sec-fetch-site", "none")], true),
            ("DELETE", vec![host, ("sec-fetch-site", "same-site")], false),
            ("GET", vec![host, ("sec-fetch-site", "cross-site")], false),
            (
                "GET",
                vec![host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
                true,
            ),
            (
                "DELETE",
                vec![host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
                false,
            ),
        ] {
            let request = Request::builder().method(method).uri("/api/v1/client");
            let request =
                headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
            let request = request.body(()).expect("it is whole");
            assert_eq!(check_origin(&request, peer, &[]).is_ok(), expected, "{method} {headers:?}");
        }
    }

    // After too many wrong tokens within a minute an address waits until the minute ends. Others do
    // not, except those of its IPv6 network.
    #[test]
    fn failures_are_counted() {
        let [own, other] = ["10.0.0.1", "10.0.0.2"].map(|it| it.parse::<IpAddr>().expect("one"));
        let near = ["fd00::1", "fd00::2"].map(|it| it.parse::<IpAddr>().expect("one"));
        let (mut failures, begun) = (Failures::default(), Instant::now());
        for _ in 0..HTTP_FAILURES_MAX {
            assert_eq!(failures.wait(own, begun), None);
            failures.count(own, begun);
            failures.count(near[0], begun);
        }
        let later = begun + Duration::from_secs(20);
        assert_eq!(failures.wait(own, later), Some(Duration::from_secs(40)));
        assert_eq!(failures.wait(near[1], later), Some(Duration::from_secs(40)));
        assert_eq!(failures.wait(other, later), None);
        let over = begun + WINDOW + Duration::from_secs(1);
        assert_eq!(failures.wait(own, over), None);
        failures.count(own, over);
        assert_eq!(failures.wait(own, over), None);
    }

    // Any number of addresses takes bounded memory: those above the bound count as one.
    #[test]
    fn addresses_are_bounded() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let address = |n: u32| IpAddr::V4(std::net::Ipv4Addr::from_bits(n));
        for (n, _) in (0..).zip(0..HTTP_ADDRESSES_MAX + HTTP_FAILURES_MAX as usize) {
            failures.count(address(n), now);
        }
        assert!(failures.0.len() <= HTTP_ADDRESSES_MAX + 1);
        assert!(failures.wait(address(u32::MAX), now).is_some());
        assert!(failures.wait(address(1), now).is_none());
    }

    // A token follows Bearer, or is the password of Basic.
    #[test]
    fn tokens_are_found() {
        for (value, expected) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic YW5uOmE6Yg==", Some("a:b")),
            ("Basic YW5u", None),
            ("Basic %", None),
            ("Digest abc", None),
            ("abc", None),
        ] {
            let headers = [(header::AUTHORIZATION, value.parse().expect("a value"))];
            let headers: HeaderMap = headers.into_iter().collect();
            let token = token_of(&headers);
            assert_eq!(token.as_deref(), expected.map(str::as_bytes), "{value}");
        }
    }
}
