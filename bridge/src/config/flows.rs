//! The tables of the file: `[broker]`, `[http]`, `[[sink]]`, `[[source]]`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use ringmq::mqtt::{TopicFilter, TopicName, Version};

use super::loops;
use super::section::{Section, Text};
use super::values::{address, bytes, duration, secret_file};
use super::{
    BatchLimits, Config, Dead, Flow, Input, KafkaOnce, MqttInput, Peer, Target, TlsFiles, targets,
};
use crate::limits::{
    BATCH_BYTES, BATCH_BYTES_MAX, BATCH_MESSAGES, BATCH_MESSAGES_MAX, BUFFER_BYTES,
    BUFFER_BYTES_MAX, BUFFER_BYTES_MIN, FILTERS_MAX, FLOWS_MAX, LINGER, LINGER_MAX, WINDOW_MAX,
};

/// The state directory that a distribution's service uses.
const STATE_DIRECTORY: &str = "/var/lib/ringmq-bridge";

/// The whole file.
pub(super) fn config(root: Section<'_, '_>) -> Option<Config> {
    let mut admin = None;
    let home = root.section("broker").map(|section| {
        let peer = broker_of(&section);
        admin = super::admin::admin(&section, tls_files(&section));
        section.finish();
        peer
    });
    if home.is_none() {
        root.fault(0, "[broker] is missing: url = \"unix:/run/ringmq/mqtt.sock\", or mqtt://HOST");
    }
    let http = root.section("http").map(|section| {
        let listen = section.text("listen").filter(|listen| listen.text != "none");
        let address = listen.and_then(|listen| match listen.text.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                section.fault(listen.at, "http.listen takes ADDRESS:PORT or none");
                None
            }
        });
        section.finish();
        address
    });
    let state = root.text("state_dir").map(|text| PathBuf::from(text.text));
    let state = state.or_else(|| std::env::var_os("STATE_DIRECTORY").map(PathBuf::from));
    let state = state.unwrap_or_else(|| STATE_DIRECTORY.into());
    let sinks = root.sections("sink");
    let sources = root.sections("source");
    if sinks.is_empty() && sources.is_empty() {
        root.fault(0, "there is no [[sink]] and no [[source]]: nothing would be moved");
    }
    let count = sinks.len() + sources.len();
    if count > FLOWS_MAX {
        root.fault(0, format!("{count} sinks and sources, {FLOWS_MAX} at most: use two files"));
    }
    let home = home.flatten();
    let mut names = BTreeSet::new();
    let mut flows = Vec::new();
    for (sections, is_sink) in [(sinks, true), (sources, false)] {
        for section in sections {
            flows.extend(flow(section, is_sink, home.as_ref(), &state, &mut names));
        }
    }
    loops::check(&root, &flows);
    root.finish();
    home.map(|_| Config { http: http.flatten(), admin, flows })
}

/// The keys of a table for TLS.
pub(super) fn tls_files(section: &Section<'_, '_>) -> TlsFiles {
    let file = |key| section.text(key).map(|text| text.text);
    let identity = match (file("cert_file"), file("key_file")) {
        (Some(chain), Some(key)) => Some((chain, key)),
        (None, None) => None,
        _ => {
            section.fault(section.at, "cert_file and key_file go together");
            None
        }
    };
    TlsFiles { ca: file("ca_file"), identity }
}

fn flow(
    section: Section<'_, '_>,
    is_sink: bool,
    home: Option<&Peer>,
    state: &std::path::Path,
    names: &mut BTreeSet<String>,
) -> Option<Flow> {
    let name = section.required("name").and_then(|text| name(&section, text, names));
    let batch = section.section("batch").map_or_else(BatchLimits::default, batch);
    let buffer = section.parsed("buffer", bytes);
    let buffer = buffer.unwrap_or(BUFFER_BYTES.max(2 * batch.bytes));
    if !(BUFFER_BYTES_MIN..=BUFFER_BYTES_MAX).contains(&buffer) || buffer < batch.bytes {
        let says = "buffer takes 64KiB to 1GiB, and not less than a batch";
        section.fault(section.place_of("buffer"), says);
    }
    let dead = dead(&section, name.as_deref());
    let (input, target) = if is_sink {
        let input = sink_input(&section, name.as_deref(), home);
        let from = input.as_ref().map(|input| &input.peer);
        let target = targets::target(&section, name.as_deref(), from);
        (input.map(Input::Mqtt), target)
    } else {
        targets::source(&section, name.as_deref(), home)
    };
    let is_member = matches!(&input, Some(Input::Mqtt(input)) if input.group.is_some());
    let fault = target.as_ref().and_then(Target::fault_in_group).filter(|_| is_member);
    if let Some(says) = fault {
        section.fault(section.place_of("group"), says);
    }
    section.finish();
    let (name, input, target) = (name?, input?, target?);
    let has_file = target.needs_positions() && !is_member;
    let positions = has_file.then(|| state.join(format!("{name}.position")));
    Some(Flow { name, input, target, batch, buffer, dead, home: home?.clone(), positions })
}

fn name(section: &Section<'_, '_>, text: Text, names: &mut BTreeSet<String>) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.text.is_empty() || text.text.len() > 64 || !text.text.chars().all(is_plain) {
        section.fault(text.at, "a name has letters, digits, - and _, 64 at most");
        return None;
    }
    if !names.insert(text.text.clone()) {
        section.fault(text.at, format!("there are two of the name {:?}", text.text));
        return None;
    }
    Some(text.text)
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { messages: BATCH_MESSAGES, bytes: BATCH_BYTES, linger: LINGER }
    }
}

fn batch(section: Section<'_, '_>) -> BatchLimits {
    let default = BatchLimits::default();
    let messages = section.number("messages", 1, BATCH_MESSAGES_MAX as u64);
    let size = section.parsed("bytes", |text| {
        let size = bytes(text)?;
        match (1..=BATCH_BYTES_MAX).contains(&size) {
            true => Ok(size),
            false => Err("takes 1 byte to 256MiB".to_owned()),
        }
    });
    let linger = section.parsed("linger", |text| {
        let linger: Duration = duration(text)?;
        match linger <= LINGER_MAX {
            true => Ok(linger),
            false => Err("takes 1m at most".to_owned()),
        }
    });
    section.finish();
    BatchLimits {
        messages: messages.and_then(|n| usize::try_from(n).ok()).unwrap_or(default.messages),
        bytes: size.unwrap_or(default.bytes),
        linger: linger.unwrap_or(default.linger),
    }
}

fn dead(section: &Section<'_, '_>, name: Option<&str>) -> Dead {
    let Some(text) = section.text("dead") else {
        return Dead::Topic(format!("dead/{}", name.unwrap_or_default()));
    };
    match text.text.as_str() {
        "stop" => Dead::Stop,
        "drop" => Dead::Drop,
        topic => {
            if let Err(error) = TopicName::parse(topic) {
                section
                    .fault(text.at, format!("dead takes a topic, \"stop\" or \"drop\": {error}"));
            }
            Dead::Topic(topic.to_owned())
        }
    }
}

/// The input of a sink.
fn sink_input(
    section: &Section<'_, '_>,
    name: Option<&str>,
    home: Option<&Peer>,
) -> Option<MqttInput> {
    let mut peer = home.cloned();
    if let Some(own) = section.parsed("broker", address)
        && let Some(peer) = &mut peer
    {
        peer.address = own;
    }
    subscription(section, name, peer)
}

/// The keys of a subscription.
pub(super) fn subscription(
    section: &Section<'_, '_>,
    name: Option<&str>,
    peer: Option<Peer>,
) -> Option<MqttInput> {
    let filters = section.texts("filters");
    if filters.is_empty() {
        section.fault(section.place_of("filters"), "filters is missing, as in filters = [\"a/#\"]");
    }
    if filters.len() > FILTERS_MAX {
        let says = format!("{} filters, {FILTERS_MAX} at most", filters.len());
        section.fault(section.place_of("filters"), says);
    }
    for filter in &filters {
        if let Err(error) = TopicFilter::parse(&filter.text) {
            section.fault(filter.at, format!("is no topic filter: {error}"));
        }
        if filter.text.starts_with("$share/") {
            let says = "leave $share/NAME/ out, and write group = \"NAME\"";
            section.fault(filter.at, says);
        }
    }
    let group = section.parsed("group", group_name);
    let qos = section.number("qos", 0, 1).unwrap_or(1);
    let window = section.number("window", 1, u64::from(WINDOW_MAX));
    let client_id = section.text("client_id").map(|text| text.text);
    let retained = section.switch("retained").unwrap_or(true);
    let name = name?;
    Some(MqttInput {
        peer: peer?,
        client_id: client_id.unwrap_or_else(|| format!("bridge-{name}")),
        filters: filters.into_iter().map(|filter| filter.text).collect(),
        group,
        qos: u8::from(qos == 1),
        window: window.and_then(|window| u16::try_from(window).ok()).unwrap_or(WINDOW_MAX),
        retained,
    })
}

/// [MQTT-4.8.2-1] and [MQTT-4.8.2-2]; the length is ringmq's bound.
fn group_name(text: &str) -> Result<String, &'static str> {
    match !text.is_empty() && text.len() <= 128 && !text.contains(['/', '+', '#', '\0']) {
        true => Ok(text.to_owned()),
        false => Err("takes 1 to 128 bytes without /, + and #"),
    }
}

/// The broker that a table describes; the table may have other keys too.
pub(super) fn broker_of(section: &Section<'_, '_>) -> Option<Peer> {
    let url = section.required("url");
    let address = url.and_then(|url| match address(&url.text) {
        Ok(address) => Some(address),
        Err(says) => {
            section.fault(url.at, format!("{}.url {says}", section.name));
            None
        }
    });
    let version = section.parsed("version", |text| match text {
        "5" => Ok(Version::V5),
        "3.1.1" => Ok(Version::V311),
        _ => Err("takes \"5\" or \"3.1.1\""),
    });
    let user = section.text("user").map(|text| text.text);
    let password = section.parsed("password_file", secret_file);
    if section.has("password_file") && user.is_none() {
        section.fault(section.place_of("password_file"), "a password needs a user");
    }
    let tls = tls_files(section);
    let id = section.text("id").map(|text| text.text);
    let version = version.unwrap_or(Version::V5);
    let address = address?;
    let id = id.unwrap_or_else(|| address.to_string());
    Some(Peer { address, tls, user, password, version, id })
}

impl Target {
    /// Whether the target needs positions that are the same after a restart.
    /// Why the target cannot have the messages of a group: they have no positions.
    fn fault_in_group(&self) -> Option<&'static str> {
        match self {
            Self::Http(target) if target.time.is_none() => Some(
                "members of a group number messages each for itself, so that lines of one \
                 millisecond could replace each other: set time",
            ),
            Self::Kafka(target) if target.once == KafkaOnce::Transactional => Some(
                "members of a group know no position of a message, so that transactions could \
                 not recognise it: once = \"idempotent\" is all that is possible",
            ),
            _ => None,
        }
    }

    fn needs_positions(&self) -> bool {
        match self {
            Self::Mqtt(_) | Self::Http(_) => false,
            // Headers may have them.
            Self::Kafka(target) => target.has_positions(),
            Self::Nats(_) | Self::Postgres(_) => true,
        }
    }
}
