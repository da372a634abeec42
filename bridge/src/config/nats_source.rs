//! `[source.nats]`.

use std::time::Duration;

use ringmq::mqtt::Version;

use super::nats::{self, NatsAccess};
use super::section::Section;
use super::values::duration;
use super::{Mark, MqttTarget, Peer};
use crate::limits::{
    FILTERS_MAX, NATS_ACK_WAIT, NATS_ACK_WAIT_MAX, NATS_ACK_WAIT_MIN, NATS_WINDOW, WINDOW_MAX,
};

/// Subjects of NATS to read from.
#[derive(Debug, Clone)]
pub struct NatsInput {
    /// The cluster.
    pub access: NatsAccess,
    /// The stream that has the subjects; none: they are read as they come, and what comes while
    /// nobody reads is lost.
    pub stream: Option<String>,
    /// Subjects, perhaps with wildcards; each begins with `prefix` and a dot.
    pub subjects: Vec<String>,
    /// Taken off the front of each subject.
    pub prefix: String,
    /// Names the consumer.
    pub consumer: String,
    /// 0 or 1: what messages are published with.
    pub qos: u8,
    /// Which messages are published as retained.
    pub retain: Retain,
    /// Whether what the stream has when the consumer is made is read.
    pub from_start: bool,
    /// Messages in flight at most.
    pub window: u16,
    /// When the server delivers again what is not acknowledged.
    pub ack_wait: Duration,
}

/// Which messages are published as retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retain {
    /// Those with the header `Mqtt-Retain: 1`.
    ByHeader,
    /// All.
    Always,
    /// None.
    Never,
}

/// Input and target of a source with this table.
pub(super) fn source(
    section: &Section<'_, '_>,
    table: Section<'_, '_>,
    name: Option<&str>,
    home: Option<&Peer>,
) -> (Option<NatsInput>, Option<MqttTarget>) {
    let access = nats::access(&table);
    let stream = table.text("stream").map(|text| text.text);
    let prefix = nats::subject(&table, "prefix").unwrap_or_else(|| "mq".to_owned());
    let subjects = subjects(&table, &prefix);
    let consumer = table.text("consumer").map(|text| text.text);
    let qos = table.number("qos", 0, 1).unwrap_or(1);
    let retain = table.parsed("retain", |text| match text {
        "header" => Ok(Retain::ByHeader),
        "always" => Ok(Retain::Always),
        "never" => Ok(Retain::Never),
        _ => Err("takes \"header\", \"always\" or \"never\""),
    });
    let from_start = table.parsed("from", |text| match text {
        "start" => Ok(true),
        "new" => Ok(false),
        _ => Err("takes \"start\" or \"new\""),
    });
    let window = table.number("window", 1, u64::from(WINDOW_MAX));
    let ack_wait = table.parsed("ack_wait", |text| match duration(text)? {
        wait if (NATS_ACK_WAIT_MIN..=NATS_ACK_WAIT_MAX).contains(&wait) => Ok(wait),
        _ => Err("takes 1s to 1h".to_owned()),
    });
    for key in ["consumer", "from", "ack_wait", "window"] {
        if stream.is_none() && table.has(key) {
            table.fault(table.place_of(key), format!("{key} is for a stream: stream is missing"));
        }
    }
    table.finish();
    let target = target(section, name, home, access.as_ref());
    let input = || {
        Some(NatsInput {
            access: access?,
            stream,
            subjects,
            prefix,
            consumer: consumer.unwrap_or_else(|| format!("bridge-{}", name.unwrap_or_default())),
            qos: u8::from(qos == 1),
            retain: retain.unwrap_or(Retain::ByHeader),
            from_start: from_start.unwrap_or(true),
            window: window.and_then(|window| u16::try_from(window).ok()).unwrap_or(NATS_WINDOW),
            ack_wait: ack_wait.unwrap_or(NATS_ACK_WAIT),
        })
    };
    (input(), target)
}

fn subjects(table: &Section<'_, '_>, prefix: &str) -> Vec<String> {
    let subjects = table.texts("subjects");
    if subjects.is_empty() || subjects.len() > FILTERS_MAX {
        let says = format!("subjects takes 1 to {FILTERS_MAX}, as in subjects = [\"mq.cmd.>\"]");
        table.fault(table.place_of("subjects"), says);
    }
    for subject in &subjects {
        let rest = subject.text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'));
        let is_one = rest.is_some_and(|rest| {
            let tokens: Vec<&str> = rest.split('.').collect();
            tokens.iter().enumerate().all(|(at, token)| match *token {
                "*" => true,
                ">" => at + 1 == tokens.len(),
                token => !token.is_empty() && !token.contains(['*', '>', ' ', '\t', '\r', '\n']),
            })
        });
        if !is_one {
            let says = format!("{:?} is no subject behind prefix {prefix:?}", subject.text);
            table.fault(subject.at, says);
        }
    }
    subjects.into_iter().map(|subject| subject.text).collect()
}

/// The broker as the target: it gets what has not been at it.
fn target(
    section: &Section<'_, '_>,
    name: Option<&str>,
    home: Option<&Peer>,
    access: Option<&NatsAccess>,
) -> Option<MqttTarget> {
    let home = home?;
    if home.version != Version::V5 {
        let says = "[source.nats] needs MQTT 5: messages carry the brokers that they have been at";
        section.fault(section.at, says);
    }
    if home.id == home.address.to_string() {
        let says = "[source.nats] needs a name of the broker, which no other broker of the cluster \
                    has: id = \"…\" in [broker]";
        section.fault(section.at, says);
    }
    let add = section.text("add").map(|text| text.text).unwrap_or_default();
    if add.contains(['+', '#', '\0']) || add.starts_with('$') {
        section.fault(section.place_of("add"), "add is the front of a topic: no +, # or $");
    }
    let strip = section.text("strip").map(|text| text.text).unwrap_or_default();
    let mark = Mark { from: access?.id.clone(), to: home.id.clone() };
    Some(MqttTarget {
        peer: home.clone(),
        client_id: format!("bridge-{}-out", name?),
        strip,
        add,
        retain: true,
        mark: Some(mark),
    })
}
