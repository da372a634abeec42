//! What a trace is of: clients, topics or both, and the kinds of events that are wanted.

use std::net::IpAddr;

use crate::mqtt::{TopicFilter, TopicName};

use super::super::names::AddressRange;

/// Which client ids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TracedId {
    /// This one.
    Exactly(Box<str>),
    /// Those that begin so.
    Prefix(Box<str>),
}

/// See the module. All that is given must hold; what is none is not asked for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TraceSpec {
    /// The number of a vhost.
    pub vhost: Option<u16>,
    /// Client ids.
    pub id: Option<TracedId>,
    /// The user; empty: nobody.
    pub user: Option<Box<str>>,
    /// Where the client connected from.
    pub address: Option<AddressRange>,
    /// A topic filter. With it only what is about a message is traced.
    pub topic: Option<Box<str>>,
    /// Kinds of events.
    pub kinds: TraceKinds,
    /// Bytes of a payload that are kept, from its beginning.
    pub payload_bytes: usize,
}

/// A client, as a trace is asked whether it is of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) vhost: u16,
    pub(crate) id: &'a str,
    pub(crate) user: Option<&'a str>,
    pub(crate) address: Option<IpAddr>,
}

impl TraceSpec {
    /// Whether it is of clients, and not only of topics.
    pub(super) fn is_of_clients(&self) -> bool {
        self.id.is_some() || self.user.is_some() || self.address.is_some()
    }

    pub(super) fn has_client(&self, client: &Candidate<'_>) -> bool {
        let id = match &self.id {
            Some(TracedId::Exactly(id)) => **id == *client.id,
            Some(TracedId::Prefix(prefix)) => client.id.starts_with(&**prefix),
            None => true,
        };
        let user = self.user.as_deref();
        let address = self.address;
        id && self.has_vhost(client.vhost)
            && user.is_none_or(|user| client.user.unwrap_or_default() == user)
            && address.is_none_or(|range| client.address.is_some_and(|address| range.has(address)))
    }

    pub(super) fn has_vhost(&self, vhost: u16) -> bool {
        self.vhost.is_none_or(|wanted| wanted == vhost)
    }

    pub(super) fn has_topic(&self, topic: TopicName<'_>) -> bool {
        self.topic.as_deref().is_none_or(|filter| {
            TopicFilter::parse(filter).is_ok_and(|filter| filter.matches(topic))
        })
    }
}

/// What an event is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum TraceKind {
    /// CONNECT and CONNACK.
    Connect,
    /// All other packets.
    Packet,
    /// Who gets a message, and who does not; what waits, and for what.
    Deliver,
    /// Who may come in, publish, subscribe.
    Auth,
    /// The end of a connection.
    Close,
}

impl TraceKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Connect, Self::Packet, Self::Deliver, Self::Auth, Self::Close];

    /// Its name, as operators know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Packet => "packet",
            Self::Deliver => "deliver",
            Self::Auth => "auth",
            Self::Close => "close",
        }
    }
}

/// A set of [`TraceKind`]s.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceKinds(u8);

impl Default for TraceKinds {
    /// All.
    fn default() -> Self {
        TraceKind::ALL.into_iter().collect()
    }
}

impl FromIterator<TraceKind> for TraceKinds {
    fn from_iter<I: IntoIterator<Item = TraceKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |set, kind| set | 1 << kind as u8))
    }
}

impl TraceKinds {
    /// Whether a kind is in it.
    pub fn has(self, kind: TraceKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // All that a trace asks for must hold; a topic alone is of no client.
    #[test]
    fn all_must_hold() {
        let ann = Candidate {
            vhost: 1,
            id: "dev-7",
            user: Some("ann"),
            address: "10.0.0.9".parse().ok(),
        };
        let any = TraceSpec::default();
        let range = |text: &str| {
            Some(AddressRange { address: text.parse().expect("an address"), bits: 24 })
        };
        for (spec, of_clients, expected) in [
            (any.clone(), false, true),
            (TraceSpec { id: Some(TracedId::Exactly("dev-7".into())), ..any.clone() }, true, true),
            (TraceSpec { id: Some(TracedId::Exactly("dev-".into())), ..any.clone() }, true, false),
            (TraceSpec { id: Some(TracedId::Prefix("dev-".into())), ..any.clone() }, true, true),
            (TraceSpec { user: Some("ann".into()), ..any.clone() }, true, true),
            (TraceSpec { user: Some("".into()), ..any.clone() }, true, false),
            (TraceSpec { address: range("10.0.0.0"), ..any.clone() }, true, true),
            (TraceSpec { address: range("10.0.1.0"), ..any.clone() }, true, false),
            (
                TraceSpec { address: range("10.0.0.0"), user: Some("x".into()), ..any.clone() },
                true,
                false,
            ),
            (TraceSpec { vhost: Some(2), ..any.clone() }, false, false),
            (TraceSpec { topic: Some("a/#".into()), ..any }, false, true),
        ] {
            assert_eq!(spec.is_of_clients(), of_clients, "{spec:?}");
            assert_eq!(spec.has_client(&ann), expected, "{spec:?}");
        }
        let nobody = Candidate { user: None, address: None, ..ann };
        let of_nobody = TraceSpec { user: Some("".into()), ..TraceSpec::default() };
        assert!(of_nobody.has_client(&nobody));
    }

    // Kinds are told apart, and all are wanted if none is named.
    #[test]
    fn kinds() {
        let some: TraceKinds = [TraceKind::Auth, TraceKind::Close].into_iter().collect();
        let has = TraceKind::ALL.map(|kind| some.has(kind));
        assert_eq!(has, [false, false, false, true, true]);
        assert!(TraceKind::ALL.into_iter().all(|kind| TraceKinds::default().has(kind)));
    }
}
