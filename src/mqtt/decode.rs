//! Bytes → packets. Every check of the standard that needs only the packet is made here; a decoded
//! packet is valid, borrows from the bytes and has used all of them.
//!
//! If 3.1 (IBM and Eurotech, 2010) allows more than 3.1.1, a 3.1 packet is read by the rules of
//! 3.1.

use super::error::DecodeError;
use super::fields::{PacketId, PacketKind, QoS, Version};
use super::frame::Frame;
use super::message_properties::{PublishProperties, WillProperties};
use super::packet::{
    Ack, Auth, Connack, Connect, ConnectReturn, Disconnect, Packet, Publish, Will, connect_flag,
    publish_flag,
};
use super::properties::{Properties, take_properties};
use super::property::{Carrier, PropertyId, Sender};
use super::reason::ReasonCode;
use super::subscribe::{Suback, Subscribe, Unsuback, Unsubscribe};
use super::topic::TopicName;
use super::wire::{Reader, read_varint, varint_bytes};

/// Reads the packet that `frame` found at the start of `bytes`, from either side.
///
/// A CONNECT has its own version, so `version` is ignored for it.
///
/// # Errors
/// The fault of the packet; [`DecodeError::UnexpectedEnd`] if `bytes` is shorter than
/// [`Frame::total_bytes`].
#[inline]
pub fn decode<'a>(
    version: Version,
    frame: Frame,
    bytes: &'a [u8],
) -> Result<Packet<'a>, DecodeError> {
    decode_of(version, None, frame, bytes)
}

/// As [`decode`], for a packet that a client has sent: a property that only a server may send is an
/// error.
///
/// # Errors
/// As [`decode`].
#[inline]
pub fn decode_from_client<'a>(
    version: Version,
    frame: Frame,
    bytes: &'a [u8],
) -> Result<Packet<'a>, DecodeError> {
    decode_of(version, Some(Sender::Client), frame, bytes)
}

fn decode_of<'a>(
    version: Version,
    sender: Option<Sender>,
    frame: Frame,
    bytes: &'a [u8],
) -> Result<Packet<'a>, DecodeError> {
    let body =
        bytes.get(frame.header_bytes..frame.total_bytes).ok_or(DecodeError::UnexpectedEnd)?;
    let kind = frame.kind()?;
    let reader = Reader::new(body);
    // Two bytes are the least that there are, and most packets have them.
    if version == Version::V5 && frame.header_bytes > 2 {
        check_length(frame)?;
    }
    if kind == PacketKind::Publish {
        // The payload is the rest of the packet, so no bytes can remain.
        return decode_publish(version, sender, frame.first, reader);
    }
    if kind == PacketKind::Auth && version != Version::V5 {
        return Err(DecodeError::ReservedType(kind as u8));
    }
    check_flags(version, kind, frame.first)?;
    decode_other(Source { version, sender, kind }, frame, reader)
}

/// [MQTT-1.5.5-1] v5 The remaining length takes as few bytes as it can.
#[inline(never)]
fn check_length(frame: Frame) -> Result<(), DecodeError> {
    let shortest = 1 + varint_bytes(frame.total_bytes - frame.header_bytes);
    if frame.header_bytes == shortest { Ok(()) } else { Err(DecodeError::PaddedInteger) }
}

/// The facts about a packet before its body is read.
#[derive(Clone, Copy)]
struct Source {
    version: Version,
    sender: Option<Sender>,
    kind: PacketKind,
}

impl Source {
    /// Takes the packet's properties; in 3.x it has none.
    fn take_properties<'a>(self, reader: &mut Reader<'a>) -> Result<Properties<'a>, DecodeError> {
        if self.version != Version::V5 {
            return Ok(Properties::EMPTY);
        }
        take_properties(Carrier::Packet(self.kind), self.sender, reader)
    }

    /// Takes a reason code and checks that the packet may have it.
    fn take_reason(self, reader: &mut Reader<'_>) -> Result<ReasonCode, DecodeError> {
        self.check_reason(reader.take_u8()?)
    }

    fn check_reason(self, code: u8) -> Result<ReasonCode, DecodeError> {
        let known = ReasonCode::try_from(code).ok();
        known
            .filter(|known| known.may_be_in(self.kind, self.sender))
            .ok_or(DecodeError::ReasonCode { kind: self.kind, code })
    }

    /// Takes the optional end of the packet: a reason code and properties.
    fn take_end<'a>(
        self,
        reader: &mut Reader<'a>,
    ) -> Result<(ReasonCode, Properties<'a>), DecodeError> {
        if self.version != Version::V5 || reader.is_empty() {
            return Ok((ReasonCode::Success, Properties::EMPTY));
        }
        let reason = self.take_reason(reader)?;
        if reader.is_empty() {
            return Ok((reason, Properties::EMPTY));
        }
        Ok((reason, self.take_properties(reader)?))
    }

    /// Takes the packet identifier and the properties before a list.
    fn take_list_head<'a>(
        self,
        reader: &mut Reader<'a>,
    ) -> Result<(PacketId, Properties<'a>), DecodeError> {
        Ok((reader.take_packet_id()?, self.take_properties(reader)?))
    }
}

/// Reads the body of any packet but PUBLISH.
fn decode_other<'a>(
    source: Source,
    frame: Frame,
    mut reader: Reader<'a>,
) -> Result<Packet<'a>, DecodeError> {
    let packet = match source.kind {
        PacketKind::Connect => Packet::Connect(decode_connect(frame, &mut reader)?),
        PacketKind::Connack => Packet::Connack(decode_connack(source, &mut reader)?),
        PacketKind::Publish => unreachable!("decoded by the caller"),
        PacketKind::Puback => Packet::Puback(decode_ack(source, &mut reader)?),
        PacketKind::Pubrec => Packet::Pubrec(decode_ack(source, &mut reader)?),
        PacketKind::Pubrel => Packet::Pubrel(decode_ack(source, &mut reader)?),
        PacketKind::Pubcomp => Packet::Pubcomp(decode_ack(source, &mut reader)?),
        PacketKind::Subscribe => {
            let (packet_id, properties) = source.take_list_head(&mut reader)?;
            return Subscribe::from_wire(source.version, packet_id, properties, reader)
                .map(Packet::Subscribe);
        }
        PacketKind::Suback => Packet::Suback(decode_suback(source, &mut reader)?),
        PacketKind::Unsubscribe => {
            let (packet_id, properties) = source.take_list_head(&mut reader)?;
            return Unsubscribe::from_wire(packet_id, properties, reader).map(Packet::Unsubscribe);
        }
        PacketKind::Unsuback => Packet::Unsuback(decode_unsuback(source, &mut reader)?),
        PacketKind::Pingreq => Packet::Pingreq,
        PacketKind::Pingresp => Packet::Pingresp,
        PacketKind::Disconnect => {
            let (reason, properties) = source.take_end(&mut reader)?;
            Packet::Disconnect(Disconnect { reason, properties })
        }
        PacketKind::Auth => Packet::Auth(decode_auth(source, &mut reader)?),
    };
    reader.finish()?;
    Ok(packet)
}

/// [MQTT-2.2.2-2] Flags of any packet but PUBLISH must be those of table 2.2.
fn check_flags(version: Version, kind: PacketKind, first: u8) -> Result<(), DecodeError> {
    let expected = kind.first_byte();
    // 3.1 sends these three with QoS 1 and again with DUP (its section 2.1).
    let is_resend = version == Version::V31
        && matches!(kind, PacketKind::Pubrel | PacketKind::Subscribe | PacketKind::Unsubscribe)
        && first == expected | publish_flag::DUP;
    if first == expected || is_resend { Ok(()) } else { Err(DecodeError::ReservedFlags(kind)) }
}

#[inline]
fn decode_publish(
    version: Version,
    sender: Option<Sender>,
    first: u8,
    mut reader: Reader<'_>,
) -> Result<Packet<'_>, DecodeError> {
    let dup = first & publish_flag::DUP != 0;
    // [MQTT-3.3.1-4] QoS 3 does not exist.
    let qos = QoS::try_from(first >> publish_flag::QOS_SHIFT & 0b11)
        .map_err(|_| DecodeError::InvalidQoS)?;
    if dup && qos == QoS::AtMostOnce {
        return Err(DecodeError::DupWithoutQoS); // [MQTT-3.3.1-2]
    }
    let name = reader.take_bytes()?;
    let topic = if name.is_empty() && version == Version::V5 {
        None
    } else {
        Some(TopicName::from_wire(name)?)
    };
    // [MQTT-2.3.1-5] QoS 0 has no packet identifier.
    let packet_id = match qos {
        QoS::AtMostOnce => None,
        QoS::AtLeastOnce | QoS::ExactlyOnce => Some(reader.take_packet_id()?),
    };
    let properties = match version {
        Version::V31 | Version::V311 => PublishProperties::EMPTY,
        Version::V5 => match reader.take_property_bytes()? {
            [] => PublishProperties::EMPTY,
            bytes => PublishProperties::from_wire(sender, bytes)?,
        },
    };
    // [v5 3.3.2.1] There must be a topic or an alias of one.
    if topic.is_none() && properties.alias().is_none() {
        return Err(DecodeError::NoTopic);
    }
    // Returned as a packet: it is too large to be moved into one.
    Ok(Packet::Publish(Publish {
        dup,
        qos,
        retain: first & publish_flag::RETAIN != 0,
        topic,
        packet_id,
        properties,
        payload: reader.take_rest(),
    }))
}

/// The version of a CONNECT, from its first bytes, even if the others are malformed, missing or too
/// many. `None`: the version is not supported, or it is no CONNECT.
///
/// A malformed CONNECT of MQTT 5 gets a CONNACK of that version (v5 4.13.1).
pub fn connect_version(bytes: &[u8]) -> Option<Version> {
    let (&first, rest) = bytes.split_first()?;
    let (_, length_bytes) = read_varint(rest).ok()??;
    let mut reader = Reader::new(rest.get(length_bytes..)?);
    let name = reader.take_bytes().ok()?;
    let level = reader.take_u8().ok()?;
    let is_connect = first >> 4 == PacketKind::Connect as u8;
    version_of(name, level).ok().filter(|_| is_connect)
}

/// Bit 7 of the level, which the bridges of some brokers set.
const BRIDGE_LEVEL: u8 = 0x80;

/// The version with this protocol name and level.
fn version_of(name: &[u8], level: u8) -> Result<Version, DecodeError> {
    match (name, level) {
        (b"MQTT", 5) => Ok(Version::V5),
        (b"MQTT", 4) => Ok(Version::V311),
        (b"MQIsdp", 3) => Ok(Version::V31),
        // [MQTT-3.1.2-2] The rest may have any form, so it is not read.
        (b"MQTT" | b"MQIsdp", _) => {
            let is_later = name == b"MQTT" && level & !BRIDGE_LEVEL >= 5;
            let answer = if is_later { Version::V5 } else { Version::V311 };
            Err(DecodeError::UnacceptableVersion { level, answer })
        }
        // [MQTT-3.1.2-1]
        _ => Err(DecodeError::UnknownProtocol),
    }
}

fn decode_connect<'a>(frame: Frame, reader: &mut Reader<'a>) -> Result<Connect<'a>, DecodeError> {
    let name = reader.take_bytes()?;
    let version = version_of(name, reader.take_u8()?)?;
    let source = Source { version, sender: Some(Sender::Client), kind: PacketKind::Connect };
    if version == Version::V5 {
        check_length(frame)?;
    }
    let flags = ConnectFlags::parse(version, reader.take_u8()?)?;
    let keep_alive_s = reader.take_u16()?;
    let properties = source.take_properties(reader)?;
    // [MQTT-3.1.3-1] The fields of the payload have this order.
    let client_id = reader.take_str()?;
    let will = match flags.will {
        Some((qos, retain)) => Some(Will {
            // They precede the topic.
            properties: match version {
                Version::V31 | Version::V311 => WillProperties::EMPTY,
                Version::V5 => WillProperties::from_wire(reader.take_property_bytes()?)?,
            },
            topic: TopicName::from_wire(reader.take_bytes()?)?,
            payload: reader.take_bytes()?,
            qos,
            retain,
        }),
        None => None,
    };
    // 3.1 lets the remaining length overrule these flags: a field announced may be missing at the
    // end (its section 3.1, "User name and password flags").
    let is_missing = |reader: &Reader<'_>| version == Version::V31 && reader.is_empty();
    let username = match flags.has_username && !is_missing(reader) {
        true => Some(reader.take_str()?),
        false => None,
    };
    let password = match flags.has_password && !is_missing(reader) {
        true => Some(reader.take_bytes()?),
        false => None,
    };
    Ok(Connect {
        version,
        clean_session: flags.clean_session,
        keep_alive_s,
        client_id,
        will,
        username,
        password,
        properties,
    })
}

/// The connect flags, consistent with each other (3.1.2.3).
struct ConnectFlags {
    clean_session: bool,
    /// QoS and retain.
    will: Option<(QoS, bool)>,
    has_username: bool,
    has_password: bool,
}

impl ConnectFlags {
    fn parse(version: Version, flags: u8) -> Result<Self, DecodeError> {
        let is_set = |bit| flags & bit != 0;
        let qos_bits = flags >> connect_flag::WILL_QOS_SHIFT & 0b11;
        let retain = is_set(connect_flag::WILL_RETAIN);
        // 3.1 leaves bit 0 unused and disregards will QoS and will retain without a will.
        let is_strict = version != Version::V31;
        if is_strict && is_set(connect_flag::RESERVED) {
            return Err(DecodeError::ReservedConnectFlag); // [MQTT-3.1.2-3]
        }
        let will = if is_set(connect_flag::WILL) {
            // [MQTT-3.1.2-14] Will QoS 3 does not exist.
            let qos = QoS::try_from(qos_bits).map_err(|_| DecodeError::InvalidQoS)?;
            Some((qos, retain))
        } else if is_strict && (qos_bits != 0 || retain) {
            return Err(DecodeError::WillFlagsWithoutWill); // [MQTT-3.1.2-13], [MQTT-3.1.2-15]
        } else {
            None
        };
        let has_username = is_set(connect_flag::USERNAME);
        let has_password = is_set(connect_flag::PASSWORD);
        if has_password && !has_username && version != Version::V5 {
            return Err(DecodeError::PasswordWithoutUsername); // [MQTT-3.1.2-22]
        }
        let clean_session = is_set(connect_flag::CLEAN_SESSION);
        Ok(Self { clean_session, will, has_username, has_password })
    }
}

fn decode_connack<'a>(source: Source, reader: &mut Reader<'a>) -> Result<Connack<'a>, DecodeError> {
    let flags = reader.take_u8()?;
    let reason = reader.take_u8()?;
    if source.version == Version::V5 {
        source.check_reason(reason)?;
    } else {
        ConnectReturn::try_from(reason).map_err(|_| DecodeError::ReservedReturnCode(reason))?;
    }
    let session_present = match (source.version, flags) {
        // 3.1 does not use this byte.
        (Version::V31, _) | (_, 0) => false,
        // [MQTT-3.2.2-4] A refusal has no session.
        (_, 1) if reason == ConnectReturn::Accepted as u8 => true,
        _ => return Err(DecodeError::ConnackFlags),
    };
    Ok(Connack { session_present, reason, properties: source.take_properties(reader)? })
}

fn decode_ack<'a>(source: Source, reader: &mut Reader<'a>) -> Result<Ack<'a>, DecodeError> {
    let packet_id = reader.take_packet_id()?;
    let (reason, properties) = source.take_end(reader)?;
    Ok(Ack { packet_id, reason, properties })
}

fn decode_suback<'a>(source: Source, reader: &mut Reader<'a>) -> Result<Suback<'a>, DecodeError> {
    let (packet_id, properties) = source.take_list_head(reader)?;
    if source.version == Version::V5 {
        return Ok(Suback { packet_id, properties, codes: take_codes(source, reader)? });
    }
    let codes = reader.take_rest();
    if codes.is_empty() {
        return Err(DecodeError::EmptyList);
    }
    // [MQTT-3.9.3-2]
    if let Some(&code) = codes.iter().find(|code| !matches!(**code, 0..=2 | Suback::FAILURE)) {
        return Err(DecodeError::ReservedReturnCode(code));
    }
    Ok(Suback { packet_id, properties, codes })
}

fn decode_unsuback<'a>(
    source: Source,
    reader: &mut Reader<'a>,
) -> Result<Unsuback<'a>, DecodeError> {
    let (packet_id, properties) = source.take_list_head(reader)?;
    let codes = if source.version == Version::V5 { take_codes(source, reader)? } else { &[] };
    Ok(Unsuback { packet_id, properties, codes })
}

/// Takes the rest of a packet as a list of reason codes.
fn take_codes<'a>(source: Source, reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let codes = reader.take_rest();
    if codes.is_empty() {
        return Err(DecodeError::EmptyList);
    }
    codes.iter().try_for_each(|code| source.check_reason(*code).map(drop))?;
    Ok(codes)
}

fn decode_auth<'a>(source: Source, reader: &mut Reader<'a>) -> Result<Auth<'a>, DecodeError> {
    if reader.is_empty() {
        // An omitted reason means success without properties, but one property is required (v5
        // 3.15.2.2.2).
        return Err(DecodeError::NoAuthenticationMethod);
    }
    let reason = source.take_reason(reader)?;
    let properties = source.take_properties(reader)?;
    if properties.find(PropertyId::AuthenticationMethod).is_none() {
        return Err(DecodeError::NoAuthenticationMethod);
    }
    Ok(Auth { reason, properties })
}
