//! The selection of a trace: clients, topics or both, and the kinds of events.

use std::net::IpAddr;

use crate::mqtt::{TopicFilter, TopicName};

use super::super::names::AddressRange;

/// A selection of client ids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TracedId {
    /// This client id.
    Exactly(Box<str>),
    /// Client ids with this prefix.
    Prefix(Box<str>),
}

/// See the module. All given conditions must hold; `None` is no condition.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TraceSpec {
    /// The number of a vhost.
    pub vhost: Option<u16>,
    /// Client ids.
    pub id: Option<TracedId>,
    /// The user; empty for anonymous clients.
    pub user: Option<Box<str>>,
    /// The client's addresses.
    pub address: Option<AddressRange>,
    /// A topic filter. With it only events about messages are recorded.
    pub topic: Option<Box<str>>,
    /// Kinds of events.
    pub kinds: TraceKinds,
    /// Number of payload bytes that are kept, from its beginning.
    pub payload_bytes: usize,
}

/// The properties of a client that a trace selects by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) vhost: u16,
    pub(crate) id: &'a str,
    pub(crate) user: Option<&'a str>,
    pub(crate) address: Option<IpAddr>,
}

impl TraceSpec {
    /// Whether it selects clients, and not only topics.
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

/// The kinds of events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum TraceKind {
    /// CONNECT and CONNACK.
    Connect,
    /// All other packets.
    Packet,
    /// Receivers of messages, drops, and waits with their reasons.
    Deliver,
    /// Permissions to connect, publish and subscribe.
    Auth,
    /// The end of a connection.
    Close,
}

impl TraceKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Connect, Self::Packet, Self::Deliver, Self::Auth, Self::Close];

    /// Its name in the API.
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
    /// Whether it contains a kind.
    pub fn has(self, kind: TraceKind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // All conditions of a trace must hold; a topic alone selects no client.
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

    // Each kind has its bit, and all kinds are recorded if none is named.
    #[test]
    fn kinds() {
        let some: TraceKinds = [TraceKind::Auth, TraceKind::Close].into_iter().collect();
        let has = TraceKind::ALL.map(|kind| some.has(kind));
        assert_eq!(has, [false, false, false, true, true]);
        assert!(TraceKind::ALL.into_iter().all(|kind| TraceKinds::default().has(kind)));
    }
}
