//! Bytes → packets. Every check of the standard that needs no more than the packet is made here;
//! what comes out is valid, borrows from the bytes and has used every one of them.
//!
//! Where 3.1 (IBM and Eurotech, 2010) is wider than 3.1.1, a 3.1 packet is read as 3.1 says.

use super::error::DecodeError;
use super::fields::{PacketKind, Properties, QoS, Version};
use super::frame::Frame;
use super::packet::{
    Ack, Connack, Connect, ConnectReturn, Disconnect, Packet, Publish, Will, connect_flag,
    publish_flag,
};
use super::subscribe::{Suback, Subscribe, Unsuback, Unsubscribe};
use super::topic::TopicName;
use super::wire::Reader;

/// Reads the packet that `frame` found at the start of `bytes`.
///
/// A CONNECT says its own version, for it `version` is ignored.
///
/// # Errors
/// What is wrong with the packet; [`DecodeError::UnexpectedEnd`] if `bytes` is shorter than
/// [`Frame::total_bytes`].
pub fn decode<'a>(
    version: Version,
    frame: Frame,
    bytes: &'a [u8],
) -> Result<Packet<'a>, DecodeError> {
    let body =
        bytes.get(frame.header_bytes..frame.total_bytes).ok_or(DecodeError::UnexpectedEnd)?;
    let kind = frame.kind()?;
    if version == Version::V5 && kind != PacketKind::Connect {
        return Err(DecodeError::UnacceptableVersion);
    }
    let mut reader = Reader::new(body);
    if kind == PacketKind::Publish {
        // It uses the rest as its payload: nothing to finish.
        return decode_publish(frame.first, reader).map(Packet::Publish);
    }
    check_flags(version, kind, frame.first)?;
    let packet = match kind {
        PacketKind::Connect => Packet::Connect(decode_connect(&mut reader)?),
        PacketKind::Connack => Packet::Connack(decode_connack(version, &mut reader)?),
        PacketKind::Publish => unreachable!("decoded above"),
        PacketKind::Puback => Packet::Puback(Ack::new(reader.take_packet_id()?)),
        PacketKind::Pubrec => Packet::Pubrec(Ack::new(reader.take_packet_id()?)),
        PacketKind::Pubrel => Packet::Pubrel(Ack::new(reader.take_packet_id()?)),
        PacketKind::Pubcomp => Packet::Pubcomp(Ack::new(reader.take_packet_id()?)),
        PacketKind::Subscribe => {
            let packet_id = reader.take_packet_id()?;
            return Subscribe::from_wire(packet_id, reader).map(Packet::Subscribe);
        }
        PacketKind::Suback => Packet::Suback(decode_suback(&mut reader)?),
        PacketKind::Unsubscribe => {
            let packet_id = reader.take_packet_id()?;
            return Unsubscribe::from_wire(packet_id, reader).map(Packet::Unsubscribe);
        }
        PacketKind::Unsuback => Packet::Unsuback(Unsuback {
            packet_id: reader.take_packet_id()?,
            properties: Properties::EMPTY,
            codes: &[],
        }),
        PacketKind::Pingreq => Packet::Pingreq,
        PacketKind::Pingresp => Packet::Pingresp,
        PacketKind::Disconnect => Packet::Disconnect(Disconnect::default()),
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
fn decode_publish(first: u8, mut reader: Reader<'_>) -> Result<Publish<'_>, DecodeError> {
    let dup = first & publish_flag::DUP != 0;
    // [MQTT-3.3.1-4] QoS 3 does not exist.
    let qos = QoS::try_from(first >> publish_flag::QOS_SHIFT & 0b11)
        .map_err(|_| DecodeError::InvalidQoS)?;
    if dup && qos == QoS::AtMostOnce {
        return Err(DecodeError::DupWithoutQoS); // [MQTT-3.3.1-2]
    }
    let topic = TopicName::from_wire(reader.take_bytes()?)?;
    // [MQTT-2.3.1-5] QoS 0 has no packet identifier.
    let packet_id = match qos {
        QoS::AtMostOnce => None,
        QoS::AtLeastOnce | QoS::ExactlyOnce => Some(reader.take_packet_id()?),
    };
    Ok(Publish {
        dup,
        qos,
        retain: first & publish_flag::RETAIN != 0,
        topic,
        packet_id,
        properties: Properties::EMPTY,
        payload: reader.take_rest(),
    })
}

fn decode_connect<'a>(reader: &mut Reader<'a>) -> Result<Connect<'a>, DecodeError> {
    let name = reader.take_bytes()?;
    let level = reader.take_u8()?;
    let version = match (name, level) {
        (b"MQTT", 4) => Version::V311,
        (b"MQIsdp", 3) => Version::V31,
        // [MQTT-3.1.2-2] What follows may have any form, so nothing more is read.
        (b"MQTT" | b"MQIsdp", _) => return Err(DecodeError::UnacceptableVersion),
        // [MQTT-3.1.2-1]
        _ => return Err(DecodeError::UnknownProtocol),
    };
    let flags = ConnectFlags::parse(version, reader.take_u8()?)?;
    let keep_alive_s = reader.take_u16()?;
    // [MQTT-3.1.3-1] The fields of the payload stand in this order.
    let client_id = reader.take_str()?;
    let will = match flags.will {
        Some((qos, retain)) => Some(Will {
            topic: TopicName::from_wire(reader.take_bytes()?)?,
            payload: reader.take_bytes()?,
            qos,
            retain,
            properties: Properties::EMPTY,
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
        properties: Properties::EMPTY,
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
        if has_password && !has_username {
            return Err(DecodeError::PasswordWithoutUsername); // [MQTT-3.1.2-22]
        }
        let clean_session = is_set(connect_flag::CLEAN_SESSION);
        Ok(Self { clean_session, will, has_username, has_password })
    }
}

fn decode_connack<'a>(
    version: Version,
    reader: &mut Reader<'a>,
) -> Result<Connack<'a>, DecodeError> {
    let flags = reader.take_u8()?;
    let reason = reader.take_u8()?;
    ConnectReturn::try_from(reason).map_err(|_| DecodeError::ReservedReturnCode(reason))?;
    let session_present = match (version, flags) {
        // 3.1 does not use this byte.
        (Version::V31, _) | (_, 0) => false,
        // [MQTT-3.2.2-4] A refusal has no session.
        (_, 1) if reason == ConnectReturn::Accepted as u8 => true,
        _ => return Err(DecodeError::ConnackFlags),
    };
    Ok(Connack { session_present, reason, properties: Properties::EMPTY })
}

fn decode_suback<'a>(reader: &mut Reader<'a>) -> Result<Suback<'a>, DecodeError> {
    let packet_id = reader.take_packet_id()?;
    let codes = reader.take_rest();
    if codes.is_empty() {
        return Err(DecodeError::EmptyList);
    }
    // [MQTT-3.9.3-2]
    if let Some(&code) = codes.iter().find(|code| !matches!(**code, 0..=2 | Suback::FAILURE)) {
        return Err(DecodeError::ReservedReturnCode(code));
    }
    Ok(Suback { packet_id, properties: Properties::EMPTY, codes })
}
