//! Events as lines, packets in the form of Mosquitto's debug log, which operators know.
//!
//! Invariant: an event has one line, and perhaps more that begin with a tab. Text of clients is
//! escaped: it cannot end a line or control the terminal.

use std::fmt;
use std::io::Write;

use jiff::Timestamp;

use crate::broker::inspect::{Decision, Direction, Happening, Outcome, TraceEvent, TracedPacket};
use crate::mqtt::{Packet, Version};

use super::packet;

/// Text of clients, without control characters.
struct Safe<'a>(&'a str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        // Most text needs no escape, and a formatted character takes as long as a line of it.
        while let Some(at) = rest.find(|c| !is_plain(c)) {
            let (plain, special) = rest.split_at(at);
            let c = special.chars().next().expect("it was found");
            f.write_str(plain)?;
            write!(f, "{}", c.escape_debug())?;
            rest = &special[c.len_utf8()..];
        }
        f.write_str(rest)
    }
}

/// Whether a character needs no escape.
fn is_plain(c: char) -> bool {
    c != '\\' && matches!(c, ' '..='~')
}

/// The name of a client, or its address if it has none.
struct Client<'a>(&'a TraceEvent);

impl fmt::Display for Client<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0.client {
            "" => self.0.address.fmt(f),
            id => Safe(id).fmt(f),
        }
    }
}

/// A time, given in microseconds since 1970.
pub(super) fn time_of(time_us: u64) -> String {
    let time = i64::try_from(time_us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
    time.map_or_else(String::new, |time| format!("{time:.6}"))
}

pub(super) fn version_of(version: Version) -> &'static str {
    match version {
        Version::V31 => "3.1",
        Version::V311 => "3.1.1",
        Version::V5 => "5",
    }
}

/// The payload if it is text; a cut payload may end within a character.
pub(super) fn payload_of(payload: &[u8], is_cut: bool) -> Option<&str> {
    match str::from_utf8(payload) {
        Ok(text) => Some(text),
        Err(error) if is_cut && error.error_len().is_none() => {
            str::from_utf8(&payload[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

/// The conditions that a reply waits for.
pub(super) fn awaited(peers: bool, disk: bool) -> Vec<&'static str> {
    [(peers, "other shards"), (disk, "the log")]
        .into_iter()
        .filter_map(|(waits, what)| waits.then_some(what))
        .collect()
}

/// Appends an event, with at most `payload_max` bytes of its payload.
pub(super) fn write(event: &TraceEvent, time_us: u64, payload_max: usize, out: &mut Vec<u8>) {
    let mut line = format!("{} ", time_of(time_us));
    line += &match &event.what {
        Happening::Packet(packet) => of_packet(event, packet, payload_max),
        Happening::Decision(decision) => of_decision(event, decision),
    };
    writeln!(out, "{line}").expect("it is memory");
}

fn of_packet(event: &TraceEvent, traced: &TracedPacket, payload_max: usize) -> String {
    let client = Client(event);
    let (kind, packet) = packet::read(traced).unzip();
    let kind = kind.map_or_else(|| "?".to_owned(), |kind| kind.to_string());
    let mut text = match traced.direction {
        Direction::Received => format!("Received {kind} from {client}"),
        Direction::Sent => format!("Sending {kind} to {client}"),
        Direction::Own => format!("Publishing {kind} of the broker"),
    };
    let Some(packet) = packet.flatten() else {
        return text + &format!(" ({} bytes)", traced.total_bytes);
    };
    let id = packet::id_of(&packet).unwrap_or(0);
    text += &match packet {
        Packet::Publish(publish) => {
            let shown = &publish.payload[..publish.payload.len().min(payload_max)];
            let mut text = format!(
                " (d{}, q{}, r{}, m{id}, '{}', ... ({} bytes))",
                u8::from(publish.dup),
                publish.qos as u8,
                u8::from(publish.retain),
                Safe(publish.topic.map_or("", crate::mqtt::TopicName::as_str)),
                traced.payload_bytes,
            );
            if !shown.is_empty() {
                let is_cut = shown.len() < traced.payload_bytes;
                let more = if is_cut { "…" } else { "" };
                text += &match payload_of(shown, is_cut) {
                    Some(payload) => format!("\n\t{}{more}", Safe(payload)),
                    None => format!("\n\t{}{more}", Hex(shown)),
                };
            }
            text
        }
        Packet::Connect(connect) => {
            let user = connect.username.map(|user| format!(", u'{}'", Safe(user)));
            format!(
                " (MQTT {}, c{}, k{}{})",
                version_of(connect.version),
                u8::from(connect.clean_session),
                connect.keep_alive_s,
                user.unwrap_or_default(),
            )
        }
        Packet::Connack(connack) => {
            format!(" ({}, {})", u8::from(connack.session_present), connack.reason)
        }
        Packet::Subscribe(subscribe) => {
            let filters = subscribe.entries();
            let filters = filters.map(|entry| {
                format!("\n\t{} (QoS {})", Safe(entry.filter.as_str()), entry.qos as u8)
            });
            filters.collect()
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters = unsubscribe.filters();
            filters.map(|filter| format!("\n\t{}", Safe(filter.as_str()))).collect()
        }
        Packet::Puback(_) | Packet::Pubrec(_) | Packet::Pubrel(_) | Packet::Pubcomp(_) => {
            format!(" (m{id}, rc0)")
        }
        _ => String::new(),
    };
    text
}

/// Bytes in hexadecimal.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x} "))
    }
}

fn of_decision(event: &TraceEvent, decision: &Decision) -> String {
    let client = Client(event);
    match decision {
        Decision::VerifiesPassword => format!("{client}: its password is verified"),
        Decision::LetIn { user, session_present } => {
            let user = user.as_deref().map(|user| format!("user {}", Safe(user)));
            let session = if *session_present { "session found" } else { "new session" };
            let user = user.unwrap_or_else(|| "anonymous".to_owned());
            format!("{client}: let in from {}, {user}, {session}", event.address)
        }
        Decision::Refused { why } => format!("{client}: refused: {}", Safe(why)),
        Decision::Publish { topic, denied: None } => {
            format!("{client}: may publish to '{}'", Safe(topic))
        }
        Decision::Publish { topic, denied: Some(why) } => {
            format!("Denied PUBLISH from {client} to '{}': {why}", Safe(topic))
        }
        Decision::Subscription { filter, granted } => match granted {
            Ok(qos) => format!("{client}: granted '{}' at QoS {}", Safe(filter), *qos as u8),
            Err(why) => format!("Denied SUBSCRIBE from {client} to '{}': {why}", Safe(filter)),
        },
        Decision::Route { topic, sessions, shards, retain } => {
            let kept = if *retain { ", retained" } else { "" };
            let shards = match &**shards {
                [] => String::new(),
                shards => {
                    let names: Vec<String> = shards.iter().map(u16::to_string).collect();
                    format!(", and shards {}", names.join(", "))
                }
            };
            format!("'{}' goes to {sessions} sessions here{shards}{kept}", Safe(topic))
        }
        Decision::Target { topic, qos, outcome } => {
            let (topic, qos) = (Safe(topic), *qos as u8);
            match outcome {
                Outcome::Sent => format!("'{topic}' to {client} (q{qos}): sent"),
                Outcome::Waits(why) => format!("'{topic}' to {client} (q{qos}): waits for {why}"),
                Outcome::Dropped(why) => format!("'{topic}' to {client} (q{qos}): dropped: {why}"),
            }
        }
        Decision::Targets { topic, more } => {
            format!("'{}' to {more} more sessions", Safe(topic))
        }
        Decision::DroppedOldest { messages } => {
            format!("{client}: its session is full: {messages} that waited longest were dropped")
        }
        Decision::ReplyWaits { reply, packet_id, peers, disk } => {
            let awaited = awaited(*peers, *disk).join(" and ");
            let awaited = if awaited.is_empty() { "those before it".to_owned() } else { awaited };
            format!("{reply} to {client} (m{packet_id}) waits for {awaited}")
        }
        Decision::Paused(why) => format!("{client}: not read from: {why}"),
        Decision::Resumed(why) => format!("{client}: {why} is over"),
        Decision::Closed { why } => format!("{client}: disconnected: {}", Safe(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Text of clients cannot end its line.
    #[test]
    fn texts_are_safe() {
        for (text, safe) in [
            ("plant/7 'a'", "plant/7 'a'"),
            ("a\nb\t\u{1b}[31m", "a\\nb\\t\\u{1b}[31m"),
            ("\u{202e}\\", "\\u{202e}\\\\"),
        ] {
            assert_eq!(Safe(text).to_string(), safe);
        }
    }

    // A payload that was cut is text if the part before the cut is.
    #[test]
    fn payloads() {
        let euro = "€".as_bytes();
        for (payload, is_cut, expected) in [
            (&b"abc"[..], false, Some("abc")),
            (&euro[..2], true, Some("")),
            (&euro[..2], false, None),
            (&[0xff, b'a'], true, None),
        ] {
            assert_eq!(payload_of(payload, is_cut), expected, "{payload:?}");
        }
    }

    // Times have the format of RFC 3339, with microseconds.
    #[test]
    fn times() {
        assert_eq!(time_of(1_700_000_000_000_001), "2023-11-14T22:13:20.000001Z");
        assert_eq!(time_of(0), "1970-01-01T00:00:00.000000Z");
    }
}
