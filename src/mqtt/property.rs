//! The properties of MQTT 5 (v5 2.2.2.2): one table that the decoder, the encoder and the
//! documentation share.
//! All identifiers are below 64, so that a set of properties is a `u64`.
//! All identifiers fit in a byte below 64, so that a set of properties is a `u64`.

use std::fmt;

use super::fields::{OutOfRange, PacketKind};

/// The data type of a property's value (v5 1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// One byte.
    Byte,
    /// Two bytes, most significant first.
    TwoByteInteger,
    /// Four bytes, most significant first.
    FourByteInteger,
    /// One to four bytes, seven bits in each.
    VariableByteInteger,
    /// A length and UTF-8.
    String,
    /// A length and bytes.
    BinaryData,
    /// Two strings: a name and a value.
    StringPair,
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Byte => "byte",
            Self::TwoByteInteger => "two byte integer",
            Self::FourByteInteger => "four byte integer",
            Self::VariableByteInteger => "variable byte integer",
            Self::String => "string",
            Self::BinaryData => "binary data",
            Self::StringPair => "string pair",
        })
    }
}

/// The values of its type that a property may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueRule {
    /// All of them.
    Any,
    /// 0 and 1.
    Flag,
    /// All but 0.
    NotZero,
    /// Topic names.
    TopicName,
}

/// The sender of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// The carrier of a list of properties: a packet, or the will inside a CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// A packet. PINGREQ and PINGRESP have no properties.
    Packet(PacketKind),
    /// The will (v5 3.1.3.2).
    Will,
}

impl Carrier {
    /// All carriers of properties, CONNECT first.
    pub const ALL: [Self; 14] = [
        Self::Packet(PacketKind::Connect),
        Self::Will,
        Self::Packet(PacketKind::Connack),
        Self::Packet(PacketKind::Publish),
        Self::Packet(PacketKind::Puback),
        Self::Packet(PacketKind::Pubrec),
        Self::Packet(PacketKind::Pubrel),
        Self::Packet(PacketKind::Pubcomp),
        Self::Packet(PacketKind::Subscribe),
        Self::Packet(PacketKind::Suback),
        Self::Packet(PacketKind::Unsubscribe),
        Self::Packet(PacketKind::Unsuback),
        Self::Packet(PacketKind::Disconnect),
        Self::Packet(PacketKind::Auth),
    ];

    /// Its index in tables of 16; 0 is not a packet type.
    const fn index(self) -> usize {
        match self {
            Self::Packet(kind) => kind as usize,
            Self::Will => 0,
        }
    }

    const fn bit(self) -> u16 {
        1 << self.index()
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(kind) => kind.fmt(f),
            Self::Will => f.write_str("the will"),
        }
    }
}

/// Declares [`PropertyId`] and [`PROPERTIES`]: identifier, name, type, values, carriers.
macro_rules! properties {
    ($($id:ident = $number:literal, $name:literal, $value:ident $rule:ident, $carriers:expr;)*) => {
        /// The identifier of a property (v5 2.2.2.2).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum PropertyId {
            $(#[doc = $name] $id = $number,)*
        }

        impl TryFrom<u8> for PropertyId {
            type Error = OutOfRange;

            #[inline]
            fn try_from(number: u8) -> Result<Self, OutOfRange> {
                match number {
                    $($number => Ok(Self::$id),)*
                    _ => Err(OutOfRange(number)),
                }
            }
        }

        /// All properties, by their identifiers.
        pub static PROPERTIES: &[PropertyRow] = &[$(PropertyRow {
            id: PropertyId::$id,
            name: $name,
            value: ValueType::$value,
            rule: ValueRule::$rule,
            carriers: $carriers,
        },)*];
    };
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PropertyRow {
    /// Its identifier.
    pub id: PropertyId,
    /// Its name in the standard.
    pub name: &'static str,
    /// The data type of its value.
    pub value: ValueType,
    /// The values that it may have.
    pub rule: ValueRule,
    /// A bit for each [`Carrier`].
    carriers: u16,
}

const CONNECT: u16 = Carrier::Packet(PacketKind::Connect).bit();
const WILL: u16 = Carrier::Will.bit();
const CONNACK: u16 = Carrier::Packet(PacketKind::Connack).bit();
const PUBLISH: u16 = Carrier::Packet(PacketKind::Publish).bit();
const SUBSCRIBE: u16 = Carrier::Packet(PacketKind::Subscribe).bit();
const DISCONNECT: u16 = Carrier::Packet(PacketKind::Disconnect).bit();
const AUTH: u16 = Carrier::Packet(PacketKind::Auth).bit();
/// Packets that answer others.
const ANSWERS: u16 = CONNACK
    | Carrier::Packet(PacketKind::Puback).bit()
    | Carrier::Packet(PacketKind::Pubrec).bit()
    | Carrier::Packet(PacketKind::Pubrel).bit()
    | Carrier::Packet(PacketKind::Pubcomp).bit()
    | Carrier::Packet(PacketKind::Suback).bit()
    | Carrier::Packet(PacketKind::Unsuback).bit();
const EVERYWHERE: u16 = {
    let mut all = 0;
    let mut at = 0;
    while at < Carrier::ALL.len() {
        all |= Carrier::ALL[at].bit();
        at += 1;
    }
    all
};

properties! {
    PayloadFormat = 0x01, "Payload Format Indicator", Byte Flag, PUBLISH | WILL;
    MessageExpiry = 0x02, "Message Expiry Interval", FourByteInteger Any, PUBLISH | WILL;
    ContentType = 0x03, "Content Type", String Any, PUBLISH | WILL;
    ResponseTopic = 0x08, "Response Topic", String TopicName, PUBLISH | WILL;
    CorrelationData = 0x09, "Correlation Data", BinaryData Any, PUBLISH | WILL;
    SubscriptionId =
        0x0b, "Subscription Identifier", VariableByteInteger NotZero, PUBLISH | SUBSCRIBE;
    SessionExpiry =
        0x11, "Session Expiry Interval", FourByteInteger Any, CONNECT | CONNACK | DISCONNECT;
    AssignedClientId = 0x12, "Assigned Client Identifier", String Any, CONNACK;
    ServerKeepAlive = 0x13, "Server Keep Alive", TwoByteInteger Any, CONNACK;
    AuthenticationMethod = 0x15, "Authentication Method", String Any, CONNECT | CONNACK | AUTH;
    AuthenticationData = 0x16, "Authentication Data", BinaryData Any, CONNECT | CONNACK | AUTH;
    RequestProblemInformation = 0x17, "Request Problem Information", Byte Flag, CONNECT;
    WillDelay = 0x18, "Will Delay Interval", FourByteInteger Any, WILL;
    RequestResponseInformation = 0x19, "Request Response Information", Byte Flag, CONNECT;
    ResponseInformation = 0x1a, "Response Information", String Any, CONNACK;
    ServerReference = 0x1c, "Server Reference", String Any, CONNACK | DISCONNECT;
    ReasonString = 0x1f, "Reason String", String Any, ANSWERS | DISCONNECT | AUTH;
    ReceiveMaximum = 0x21, "Receive Maximum", TwoByteInteger NotZero, CONNECT | CONNACK;
    TopicAliasMaximum = 0x22, "Topic Alias Maximum", TwoByteInteger Any, CONNECT | CONNACK;
    TopicAlias = 0x23, "Topic Alias", TwoByteInteger NotZero, PUBLISH;
    MaximumQoS = 0x24, "Maximum QoS", Byte Flag, CONNACK;
    RetainAvailable = 0x25, "Retain Available", Byte Flag, CONNACK;
    UserProperty = 0x26, "User Property", StringPair Any, EVERYWHERE;
    MaximumPacketSize = 0x27, "Maximum Packet Size", FourByteInteger NotZero, CONNECT | CONNACK;
    WildcardSubscriptionAvailable = 0x28, "Wildcard Subscription Available", Byte Flag, CONNACK;
    SubscriptionIdAvailable = 0x29, "Subscription Identifier Available", Byte Flag, CONNACK;
    SharedSubscriptionAvailable = 0x2a, "Shared Subscription Available", Byte Flag, CONNACK;
}

impl PropertyRow {
    /// Whether it is allowed in the properties of `carrier`.
    pub const fn may_be_in(&self, carrier: Carrier) -> bool {
        self.carriers & carrier.bit() != 0
    }

    /// Whether it is allowed there more than once.
    pub const fn may_repeat_in(&self, carrier: Carrier) -> bool {
        match self.id {
            PropertyId::UserProperty => true,
            // Each matching subscription may have one (v5 3.3.2.3.8).
            PropertyId::SubscriptionId => carrier.bit() == PUBLISH,
            _ => false,
        }
    }

    /// The only side that may send it in that packet, if both sides send the packet.
    pub const fn only_from(&self, carrier: Carrier) -> Option<Sender> {
        match (self.id, carrier.bit()) {
            // [MQTT-3.3.4-6] v5
            (PropertyId::SubscriptionId, PUBLISH) => Some(Sender::Server),
            (PropertyId::ServerReference, DISCONNECT) => Some(Sender::Server),
            // [MQTT-3.14.2-2] v5
            (PropertyId::SessionExpiry, DISCONNECT) => Some(Sender::Client),
            _ => None,
        }
    }
}

impl PropertyId {
    /// Its row of the table.
    #[inline]
    pub fn row(self) -> &'static PropertyRow {
        &PROPERTIES[usize::from(ROW_OF[self as usize])]
    }

    /// The set with this property only.
    #[inline]
    pub(super) const fn bit(self) -> u64 {
        1 << self as u64
    }
}

impl fmt::Display for PropertyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().name)
    }
}

/// Sets of properties, in which a bit is 1 << identifier.
pub(super) struct Rights {
    /// The allowed properties.
    pub(super) allowed: u64,
    /// Properties that may be repeated.
    pub(super) repeatable: u64,
    /// Properties that only a client may send, and properties that only a server may send.
    pub(super) from_client: u64,
    pub(super) from_server: u64,
}

/// The rights of properties in `carrier`.
#[inline]
pub(super) fn rights_of(carrier: Carrier) -> &'static Rights {
    &RIGHTS[carrier.index()]
}

/// Rights by the index of the carrier.
static RIGHTS: [Rights; 16] = {
    const NONE: Rights = Rights { allowed: 0, repeatable: 0, from_client: 0, from_server: 0 };
    let mut rights = [NONE; 16];
    let mut at = 0;
    while at < Carrier::ALL.len() * PROPERTIES.len() {
        let carrier = Carrier::ALL[at / PROPERTIES.len()];
        let row = &PROPERTIES[at % PROPERTIES.len()];
        let (bit, rights) = (row.id.bit(), &mut rights[carrier.index()]);
        if row.may_be_in(carrier) {
            rights.allowed |= bit;
            if row.may_repeat_in(carrier) {
                rights.repeatable |= bit;
            }
            match row.only_from(carrier) {
                Some(Sender::Client) => rights.from_client |= bit,
                Some(Sender::Server) => rights.from_server |= bit,
                None => {}
            }
        }
        at += 1;
    }
    rights
};

/// The index of each identifier's row.
static ROW_OF: [u8; 64] = {
    let mut places = [u8::MAX; 64];
    let mut at = 0u8;
    while (at as usize) < PROPERTIES.len() {
        places[PROPERTIES[at as usize].id as usize] = at;
        at += 1;
    }
    places
};

#[cfg(test)]
mod tests {
    use super::*;

    // Each identifier has its row, and no other byte has one.
    #[test]
    fn identifiers() {
        let mut count = 0;
        for byte in 0..=255 {
            if let Ok(id) = PropertyId::try_from(byte) {
                assert_eq!((id.row().id, id as u8), (id, byte));
                count += 1;
            }
        }
        assert_eq!((count, PROPERTIES.len()), (27, 27));
        assert!(PROPERTIES.is_sorted_by_key(|row| row.id));
    }
}
