//! The consumer groups that are declared for a vhost, from its file `groups`: a line `group NAME
//! FILTER` for each, and below it lines of `key = value` about it. A line that begins with `#` is a
//! comment.

use crate::limits;
use crate::mqtt::{SharedFilter, TopicFilter, TopicName};

use super::error::Fault;
use super::limits_file::parse_bytes;

/// A group that exists without members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeclaredGroup {
    /// Its whole filter, `$share/NAME/FILTER`.
    pub share: Box<str>,
    /// `order`; `None`: the broker's.
    pub order: Option<DeclaredOrder>,
    /// `max-bytes`: messages that may wait in it; `None`: as for other groups.
    pub bytes_max: Option<u64>,
    /// `expiry`: how long what waits is kept while it has no members, milliseconds; `None`: without
    /// end.
    pub expiry_ms: Option<u64>,
    /// `dead-letter`: the topic to which goes what no member takes.
    pub dead_letter: Option<Box<str>>,
    /// `max-deliveries`: how often a message is given out without an acknowledgement.
    pub deliveries_max: Option<u8>,
}

/// How its messages are given out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeclaredOrder {
    /// Those of one publisher and topic are with one member at a time.
    Topic,
    /// A topic stays with one member.
    Sticky,
    /// In no order.
    None,
}

impl DeclaredGroup {
    fn new(share: &str) -> Self {
        Self {
            share: share.into(),
            order: None,
            bytes_max: None,
            expiry_ms: None,
            dead_letter: None,
            deliveries_max: None,
        }
    }

    /// Reads a file; groups are in the order of their filters.
    pub(super) fn parse_all(text: &str) -> Result<Vec<Self>, Fault> {
        let mut groups: Vec<Self> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fault = |says: String| Fault::at(at + 1, says);
            if let Some(rest) = line.strip_prefix("group ") {
                let group = Self::new(&share_of(rest.trim()).map_err(fault)?);
                if groups.iter().any(|other| other.share == group.share) {
                    return Err(fault(format!("{:.80?} is declared twice", group.share)));
                }
                if groups.len() == limits::GROUPS_MAX {
                    return Err(fault(format!(
                        "a vhost has {} groups at most",
                        limits::GROUPS_MAX
                    )));
                }
                groups.push(group);
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                let says = "is neither `group NAME FILTER` nor `key = value`";
                return Err(fault(says.to_owned()));
            };
            let Some(group) = groups.last_mut() else {
                let says = "stands before the first `group NAME FILTER`, which it would be about";
                return Err(fault(says.to_owned()));
            };
            group.set(key.trim(), value.trim()).map_err(fault)?;
        }
        groups.sort_by(|one, other| one.share.cmp(&other.share));
        Ok(groups)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let is_new = match key {
            "order" => self.order.replace(order_of(value)?).is_none(),
            "max-bytes" => {
                let bytes = parse_bytes(value).filter(|bytes| *bytes > 0);
                let takes = || "max-bytes takes bytes, as in 65536, 64KiB or 1GiB".to_owned();
                self.bytes_max.replace(bytes.ok_or_else(takes)?).is_none()
            }
            "expiry" => self.expiry_ms.replace(time_of(value)?).is_none(),
            "dead-letter" => self.dead_letter.replace(self.topic_of(value)?).is_none(),
            "max-deliveries" => self.deliveries_max.replace(deliveries_of(value)?).is_none(),
            _ => {
                return Err(format!(
                    "`{key:.40}` is nothing of a group: order, max-bytes, expiry, dead-letter and \
                     max-deliveries are"
                ));
            }
        };
        match is_new {
            true => Ok(()),
            false => Err(format!("{key} stands here for the second time")),
        }
    }

    /// The topic that refused messages go to.
    fn topic_of(&self, value: &str) -> Result<Box<str>, String> {
        let topic = TopicName::parse(value).ok().filter(|topic| !topic.is_system());
        let topic = topic.filter(|_| !value.starts_with("$share/"));
        let topic = topic.ok_or("dead-letter takes a topic name: not empty, without + and #")?;
        if parsed(&self.share).is_some_and(|shared| shared.filter().matches(topic)) {
            return Err(format!(
                "dead-letter {value:.80?} matches the group's own filter: what is refused would \
                 come to it again"
            ));
        }
        Ok(value.into())
    }
}

/// The whole filter of a group, by its name and filter.
fn share_of(rest: &str) -> Result<String, String> {
    let takes = "group takes a name and a topic filter, as in `group billing meters/#`";
    let (name, filter) = rest.split_once(char::is_whitespace).ok_or(takes)?;
    let share = format!("$share/{name}/{}", filter.trim_start());
    let parsed = TopicFilter::parse(&share).ok().and_then(SharedFilter::parse);
    match parsed {
        Some(Ok(shared)) if shared.filter().is_system() => {
            Err("topics of the system are for no group".to_owned())
        }
        Some(Ok(_)) => Ok(share),
        Some(Err(why)) => Err(format!("{takes}: {why}")),
        None => Err(takes.to_owned()),
    }
}

fn parsed(share: &str) -> Option<SharedFilter<'_>> {
    TopicFilter::parse(share).ok().and_then(SharedFilter::parse)?.ok()
}

fn order_of(value: &str) -> Result<DeclaredOrder, String> {
    match value {
        "topic" => Ok(DeclaredOrder::Topic),
        "sticky" => Ok(DeclaredOrder::Sticky),
        "none" => Ok(DeclaredOrder::None),
        _ => Err("order takes topic, sticky or none".to_owned()),
    }
}

/// Milliseconds of a time, as in 90s or 14d.
fn time_of(value: &str) -> Result<u64, String> {
    let unit = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let factor = match &value[unit..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => 0,
    };
    let number: Option<u64> = value[..unit].parse().ok();
    let ms = number.and_then(|number| number.checked_mul(factor)).filter(|ms| *ms > 0);
    ms.ok_or_else(|| "expiry takes a time, as in 90s, 12h or 14d".to_owned())
}

fn deliveries_of(value: &str) -> Result<u8, String> {
    let range = limits::GROUP_DELIVERIES_MIN..=limits::GROUP_DELIVERIES_MAX;
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let (least, most) = range.into_inner();
        format!(
            "max-deliveries takes {least} to {most}: before that others were lost with the message"
        )
    })
}
