//! The reason codes of MQTT 5 (v5 2.4), and the packets that may have each.

use std::fmt;

use super::fields::{OutOfRange, PacketKind};
use super::property::Sender;

/// Declares [`ReasonCode`] and [`REASON_CODES`]: code, name, packets.
macro_rules! reason_codes {
    ($($(#[$attribute:meta])* $code:ident = $number:literal, $name:literal, $packets:expr;)*) => {
        /// The result that a packet reports (v5 2.4). Codes from 0x80 on are failures.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub enum ReasonCode {
            $(#[doc = $name] $(#[$attribute])* $code = $number,)*
        }

        impl TryFrom<u8> for ReasonCode {
            type Error = OutOfRange;

            #[inline]
            fn try_from(number: u8) -> Result<Self, OutOfRange> {
                match number {
                    $($number => Ok(Self::$code),)*
                    _ => Err(OutOfRange(number)),
                }
            }
        }

        /// All reason codes, in order.
        pub static REASON_CODES: &[ReasonRow] = &[$(ReasonRow {
            code: ReasonCode::$code,
            name: $name,
            packets: $packets,
        },)*];
    };
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasonRow {
    /// The code.
    pub code: ReasonCode,
    /// Its name in the standard. Code 0 has others too: normal disconnection, granted QoS 0.
    pub name: &'static str,
    /// See [`mask`].
    packets: u32,
}

const CONNACK: u32 = 1 << PacketKind::Connack as u32;
/// PUBACK and PUBREC.
const RECEIVED: u32 = 1 << PacketKind::Puback as u32 | 1 << PacketKind::Pubrec as u32;
/// PUBREL and PUBCOMP.
const RELEASED: u32 = 1 << PacketKind::Pubrel as u32 | 1 << PacketKind::Pubcomp as u32;
const SUBACK: u32 = 1 << PacketKind::Suback as u32;
const UNSUBACK: u32 = 1 << PacketKind::Unsuback as u32;
/// DISCONNECT from the server, from the client, and from either.
const SERVER_LEAVES: u32 = 1 << PacketKind::Disconnect as u32;
const CLIENT_LEAVES: u32 = SERVER_LEAVES << CLIENT_SHIFT;
const DISCONNECT: u32 = SERVER_LEAVES | CLIENT_LEAVES;
const SERVER_AUTH: u32 = 1 << PacketKind::Auth as u32;
const CLIENT_AUTH: u32 = SERVER_AUTH << CLIENT_SHIFT;

/// DISCONNECT and AUTH from a client have separate bits.
const CLIENT_SHIFT: u32 = 16;

reason_codes! {
    #[default]
    Success = 0x00, "Success",
        CONNACK | RECEIVED | RELEASED | SUBACK | UNSUBACK | DISCONNECT | SERVER_AUTH;
    GrantedQoS1 = 0x01, "Granted QoS 1", SUBACK;
    GrantedQoS2 = 0x02, "Granted QoS 2", SUBACK;
    DisconnectWithWill = 0x04, "Disconnect with Will Message", CLIENT_LEAVES;
    NoMatchingSubscribers = 0x10, "No matching subscribers", RECEIVED;
    NoSubscriptionExisted = 0x11, "No subscription existed", UNSUBACK;
    ContinueAuthentication = 0x18, "Continue authentication", SERVER_AUTH | CLIENT_AUTH;
    Reauthenticate = 0x19, "Re-authenticate", CLIENT_AUTH;
    UnspecifiedError = 0x80, "Unspecified error",
        CONNACK | RECEIVED | SUBACK | UNSUBACK | DISCONNECT;
    MalformedPacket = 0x81, "Malformed Packet", CONNACK | DISCONNECT;
    ProtocolError = 0x82, "Protocol Error", CONNACK | DISCONNECT;
    ImplementationSpecificError = 0x83, "Implementation specific error",
        CONNACK | RECEIVED | SUBACK | UNSUBACK | DISCONNECT;
    UnsupportedProtocolVersion = 0x84, "Unsupported Protocol Version", CONNACK;
    ClientIdNotValid = 0x85, "Client Identifier not valid", CONNACK;
    BadUserNameOrPassword = 0x86, "Bad User Name or Password", CONNACK;
    NotAuthorized = 0x87, "Not authorized", CONNACK | RECEIVED | SUBACK | UNSUBACK | SERVER_LEAVES;
    ServerUnavailable = 0x88, "Server unavailable", CONNACK;
    ServerBusy = 0x89, "Server busy", CONNACK | SERVER_LEAVES;
    Banned = 0x8a, "Banned", CONNACK;
    ServerShuttingDown = 0x8b, "Server shutting down", SERVER_LEAVES;
    BadAuthenticationMethod = 0x8c, "Bad authentication method", CONNACK;
    KeepAliveTimeout = 0x8d, "Keep Alive timeout", SERVER_LEAVES;
    SessionTakenOver = 0x8e, "Session taken over", SERVER_LEAVES;
    TopicFilterInvalid = 0x8f, "Topic Filter invalid", SUBACK | UNSUBACK | SERVER_LEAVES;
    TopicNameInvalid = 0x90, "Topic Name invalid", CONNACK | RECEIVED | DISCONNECT;
    PacketIdInUse = 0x91, "Packet Identifier in use", RECEIVED | SUBACK | UNSUBACK;
    PacketIdNotFound = 0x92, "Packet Identifier not found", RELEASED;
    ReceiveMaximumExceeded = 0x93, "Receive Maximum exceeded", DISCONNECT;
    TopicAliasInvalid = 0x94, "Topic Alias invalid", DISCONNECT;
    PacketTooLarge = 0x95, "Packet too large", CONNACK | DISCONNECT;
    MessageRateTooHigh = 0x96, "Message rate too high", DISCONNECT;
    QuotaExceeded = 0x97, "Quota exceeded", CONNACK | RECEIVED | SUBACK | DISCONNECT;
    AdministrativeAction = 0x98, "Administrative action", DISCONNECT;
    PayloadFormatInvalid = 0x99, "Payload format invalid", CONNACK | RECEIVED | DISCONNECT;
    RetainNotSupported = 0x9a, "Retain not supported", CONNACK | SERVER_LEAVES;
    QoSNotSupported = 0x9b, "QoS not supported", CONNACK | SERVER_LEAVES;
    UseAnotherServer = 0x9c, "Use another server", CONNACK | SERVER_LEAVES;
    ServerMoved = 0x9d, "Server moved", CONNACK | SERVER_LEAVES;
    SharedSubscriptionsNotSupported = 0x9e, "Shared Subscriptions not supported",
        SUBACK | SERVER_LEAVES;
    ConnectionRateExceeded = 0x9f, "Connection rate exceeded", CONNACK | SERVER_LEAVES;
    MaximumConnectTime = 0xa0, "Maximum connect time", SERVER_LEAVES;
    SubscriptionIdsNotSupported = 0xa1, "Subscription Identifiers not supported",
        SUBACK | SERVER_LEAVES;
    WildcardSubscriptionsNotSupported = 0xa2, "Wildcard Subscriptions not supported",
        SUBACK | SERVER_LEAVES;
}

impl ReasonCode {
    /// Whether it is a failure.
    #[inline]
    pub const fn is_error(self) -> bool {
        self as u8 >= 0x80
    }

    /// Its name in the standard.
    pub fn name(self) -> &'static str {
        let at = REASON_CODES.binary_search_by_key(&self, |row| row.code);
        at.map_or("", |at| REASON_CODES[at].name)
    }

    /// Whether a packet of this type may have it; `sender` is the sender of the packet, if known.
    #[inline]
    pub fn may_be_in(self, kind: PacketKind, sender: Option<Sender>) -> bool {
        PACKETS[self as usize] & mask(kind, sender) != 0
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The bits of a packet in [`ReasonRow::packets`].
#[inline]
const fn mask(kind: PacketKind, sender: Option<Sender>) -> u32 {
    let bit = 1 << kind as u32;
    if !matches!(kind, PacketKind::Disconnect | PacketKind::Auth) {
        return bit;
    }
    match sender {
        Some(Sender::Server) => bit,
        Some(Sender::Client) => bit << CLIENT_SHIFT,
        None => bit | bit << CLIENT_SHIFT,
    }
}

/// [`ReasonRow::packets`] by code.
static PACKETS: [u32; 256] = {
    let mut packets = [0; 256];
    let mut at = 0;
    while at < REASON_CODES.len() {
        packets[REASON_CODES[at].code as usize] = REASON_CODES[at].packets;
        at += 1;
    }
    packets
};

#[cfg(test)]
mod tests {
    use super::*;
    use PacketKind as K;
    use Sender::{Client, Server};

    // The codes of each packet are those of its table in the standard.
    #[test]
    fn packets_and_their_codes() {
        let received: &[u8] = &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
        let table: [(PacketKind, Option<Sender>, &[u8]); 11] = [
            (
                K::Connack,
                None,
                &[
                    0, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c,
                    0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
                ],
            ),
            (K::Puback, None, received),
            (K::Pubrec, Some(Client), received),
            (K::Pubrel, None, &[0, 0x92]),
            (K::Pubcomp, None, &[0, 0x92]),
            (K::Suback, None, &[0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2]),
            (K::Unsuback, None, &[0, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91]),
            (
                K::Disconnect,
                Some(Client),
                &[0, 4, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99],
            ),
            (
                K::Disconnect,
                Some(Server),
                &[
                    0, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93,
                    0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0,
                    0xa1, 0xa2,
                ],
            ),
            (K::Auth, Some(Client), &[0x18, 0x19]),
            (K::Auth, Some(Server), &[0, 0x18]),
        ];
        for (kind, sender, expected) in table {
            let is_in = |byte: &u8| {
                ReasonCode::try_from(*byte).is_ok_and(|code| code.may_be_in(kind, sender))
            };
            let found: Vec<u8> = (0..=255).filter(is_in).collect();
            assert_eq!(found, expected, "{kind} {sender:?}");
        }
        let either = ReasonCode::Reauthenticate.may_be_in(K::Auth, None);
        assert!(either && ReasonCode::ServerShuttingDown.may_be_in(K::Disconnect, None));
    }

    // Each code has its name and its byte; those from 0x80 on are failures.
    #[test]
    fn codes_and_names() {
        assert!(REASON_CODES.is_sorted_by_key(|row| row.code));
        assert_eq!(REASON_CODES.len(), 43);
        for row in REASON_CODES {
            assert_eq!(ReasonCode::try_from(row.code as u8), Ok(row.code));
            assert_eq!((row.code.name(), row.code.to_string()), (row.name, row.name.to_owned()));
            assert_eq!(row.code.is_error(), row.code as u8 >= 0x80);
        }
    }
}
