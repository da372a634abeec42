//! Properties of messages: of a PUBLISH (v5 3.3.2.3) and of a will (v5 3.1.3.2).
//!
//! The properties that subscribers receive are one range of bytes, the *forwarded* properties:
//! payload format, message expiry, content type, response topic, correlation data and user
//! properties as they were sent, user properties in their order. A message expiry comes first, so
//! that [`expiry`] is one comparison and [`set_expiry`] a patch. The topic alias, subscription
//! identifiers and the will delay concern one connection and are not among them.

use super::error::DecodeError;
use super::fields::{PacketKind, SubscriptionId, TopicAlias};
use super::properties::{Properties, Span, check};
use super::property::{Carrier, PropertyId, Sender};
use super::wire::put_bytes;

const PUBLISH: Carrier = Carrier::Packet(PacketKind::Publish);

/// The size of a message expiry: its identifier and four bytes of the interval.
const EXPIRY_BYTES: usize = 5;

/// Bytes of a topic alias: its identifier and two of the number.
const ALIAS_BYTES: usize = 3;

/// The seconds after which a message must not be delivered any more, from its forwarded properties;
/// `None`: never.
#[inline]
pub fn expiry(forwarded: &[u8]) -> Option<u32> {
    match forwarded {
        [first, a, b, c, d, ..] if *first == PropertyId::MessageExpiry as u8 => {
            Some(u32::from_be_bytes([*a, *b, *c, *d]))
        }
        _ => None,
    }
}

/// Replaces the message expiry at the start of forwarded properties [MQTT-3.3.2-6] v5.
///
/// # Panics
/// If there is none.
#[inline]
pub fn set_expiry(forwarded: &mut [u8], seconds: u32) {
    assert!(expiry(forwarded).is_some(), "the message has no expiry");
    forwarded[1..EXPIRY_BYTES].copy_from_slice(&seconds.to_be_bytes());
}

/// Appends a user property to forwarded properties.
///
/// # Panics
/// If name or value are longer than the protocol allows.
pub fn append_user_property(name: &str, value: &str, forwarded: &mut Vec<u8>) {
    forwarded.push(PropertyId::UserProperty as u8);
    put_bytes(name.as_bytes(), forwarded);
    put_bytes(value.as_bytes(), forwarded);
}

/// The properties of a PUBLISH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublishProperties<'a> {
    all: Properties<'a>,
    forwarded: Extent,
    alias: Option<TopicAlias>,
}

impl<'a> PublishProperties<'a> {
    /// No properties.
    pub const EMPTY: Self = Self { all: Properties::EMPTY, forwarded: Extent::EMPTY, alias: None };

    /// Takes a list.
    ///
    /// # Errors
    /// Faults of the properties of a PUBLISH.
    pub fn new(list: Properties<'a>) -> Result<Self, DecodeError> {
        Self::from_wire(None, list.as_bytes())
    }

    /// Forwarded properties, as the only ones of a packet.
    ///
    /// They are not checked again: they come from [`PublishProperties::forwarded`] or
    /// [`WillProperties::forwarded`].
    #[inline]
    pub const fn forwarding(forwarded: &'a [u8]) -> Self {
        let all = Properties::checked_before(forwarded);
        Self { all, forwarded: Extent::whole(forwarded.len()), alias: None }
    }

    pub(super) fn from_wire(sender: Option<Sender>, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if let Some(alias) = only_alias(bytes) {
            let all = Properties::checked_before(bytes);
            return Ok(Self { all, forwarded: Extent::behind(bytes.len()), alias: Some(alias) });
        }
        let mut alias = None;
        let mut forwarded = Extent::EMPTY;
        check(PUBLISH, sender, bytes, |id, number, span| {
            if id == PropertyId::TopicAlias {
                let number = number.and_then(|number| u16::try_from(number).ok());
                alias = number.and_then(TopicAlias::new);
            }
            forwarded.note(id, span);
        })?;
        Ok(Self { all: Properties::checked_before(bytes), forwarded, alias })
    }

    /// All properties, in the order of the packet.
    #[inline]
    pub const fn list(&self) -> Properties<'a> {
        self.all
    }

    /// The topic alias on this connection.
    #[inline]
    pub const fn alias(&self) -> Option<TopicAlias> {
        self.alias
    }

    /// The same, if there are no other properties.
    #[inline]
    pub(crate) const fn only_alias(&self) -> Option<TopicAlias> {
        if self.all.as_bytes().len() == ALIAS_BYTES { self.alias } else { None }
    }

    /// The identifiers of the subscriptions that match the message.
    pub fn subscription_ids(&self) -> impl Iterator<Item = SubscriptionId> + use<'a> {
        let ids = self.all.iter().filter(|property| property.id == PropertyId::SubscriptionId);
        ids.filter_map(|property| SubscriptionId::new(property.value.number()?))
    }

    /// The forwarded properties (see the file). They are borrowed from the packet if they are
    /// contiguous and in order there; otherwise they are assembled in `scratch`.
    #[inline]
    pub fn forwarded<'b>(&self, scratch: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        self.forwarded.take(self.all, scratch)
    }
}

/// The properties of a will.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WillProperties<'a> {
    all: Properties<'a>,
    forwarded: Extent,
    delay_s: u32,
}

impl<'a> WillProperties<'a> {
    /// No properties.
    pub const EMPTY: Self = Self { all: Properties::EMPTY, forwarded: Extent::EMPTY, delay_s: 0 };

    /// Takes a list.
    ///
    /// # Errors
    /// Faults of the properties of a will.
    pub fn new(list: Properties<'a>) -> Result<Self, DecodeError> {
        Self::from_wire(list.as_bytes())
    }

    pub(super) fn from_wire(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut delay_s = 0;
        let mut forwarded = Extent::EMPTY;
        check(Carrier::Will, None, bytes, |id, number, span| {
            if let (PropertyId::WillDelay, Some(seconds)) = (id, number) {
                delay_s = seconds;
            }
            forwarded.note(id, span);
        })?;
        Ok(Self { all: Properties::checked_before(bytes), forwarded, delay_s })
    }

    /// All properties, in the order of the packet.
    pub const fn list(&self) -> Properties<'a> {
        self.all
    }

    /// Seconds between the end of the connection and the will; 0: none (v5 3.1.3.2.2).
    pub const fn delay_s(&self) -> u32 {
        self.delay_s
    }

    /// As [`PublishProperties::forwarded`].
    pub fn forwarded<'b>(&self, scratch: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        self.forwarded.take(self.all, scratch)
    }
}

/// Makes a list of forwarded properties that were kept as bytes.
///
/// # Errors
/// The fault, if a message may not have these properties.
pub fn forwarded_list(bytes: &[u8]) -> Result<Properties<'_>, DecodeError> {
    check(Carrier::Will, None, bytes, |_, _, _| {})?;
    Ok(Properties::checked_before(bytes))
}

/// The range of forwarded properties in a list. `from <= to`, and both are in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Extent {
    from: u32,
    to: u32,
    /// Whether other properties are between them, or a message expiry is not the first: then they
    /// are `from..to` only after assembly.
    is_scattered: bool,
    /// Whether another property follows the last forwarded one so far.
    is_interrupted: bool,
}

impl Extent {
    const EMPTY: Self = Self::whole(0);

    #[expect(clippy::cast_possible_truncation, reason = "a packet has at most 268,435,455 bytes")]
    const fn whole(bytes: usize) -> Self {
        Self { from: 0, to: bytes as u32, is_scattered: false, is_interrupted: false }
    }

    /// The extent before any forwarded property, after `bytes` bytes of others.
    #[expect(clippy::cast_possible_truncation, reason = "a packet has at most 268,435,455 bytes")]
    const fn behind(bytes: usize) -> Self {
        Self { from: bytes as u32, to: bytes as u32, is_scattered: false, is_interrupted: false }
    }

    /// Adds the next property of the list.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a packet has at most 268,435,455 bytes")]
    fn note(&mut self, id: PropertyId, span: Span) {
        let (start, end) = (span.start as u32, span.end as u32);
        if is_forwarded(id) {
            let is_late = id == PropertyId::MessageExpiry && start > self.from;
            self.is_scattered |= is_late || self.is_interrupted;
            self.to = end;
        } else if self.from == self.to {
            (self.from, self.to) = (end, end);
        } else {
            self.is_interrupted = true;
        }
    }

    #[inline]
    fn take<'a: 'b, 'b>(self, all: Properties<'a>, scratch: &'b mut Vec<u8>) -> &'b [u8] {
        if self.is_scattered {
            return assemble(all, scratch);
        }
        &all.as_bytes()[self.from as usize..self.to as usize]
    }
}

/// The topic alias, if it is the only property, as publishers that use aliases send it.
#[inline]
fn only_alias(bytes: &[u8]) -> Option<TopicAlias> {
    match bytes {
        [id, high, low] if *id == PropertyId::TopicAlias as u8 => {
            TopicAlias::new(u16::from_be_bytes([*high, *low]))
        }
        _ => None,
    }
}

/// Whether subscribers receive it.
#[inline]
const fn is_forwarded(id: PropertyId) -> bool {
    !matches!(id, PropertyId::TopicAlias | PropertyId::SubscriptionId | PropertyId::WillDelay)
}

#[cold]
fn assemble<'b>(all: Properties<'_>, scratch: &'b mut Vec<u8>) -> &'b [u8] {
    scratch.clear();
    for is_first in [true, false] {
        let is_next = |id| is_forwarded(id) && (id == PropertyId::MessageExpiry) == is_first;
        for (_, bytes) in all.spans().filter(|(property, _)| is_next(property.id)) {
            scratch.extend_from_slice(bytes);
        }
    }
    scratch
}
