//! The tables of targets below a sink or a source.

use std::collections::BTreeMap;

use ringmq::mqtt::{TopicFilter, Version};

use super::flows::{broker_of, subscription, tls_files};
use super::section::Section;
use super::values::{Secret, host_and_port, secret_file};
use super::{MqttInput, NatsTarget, Peer, PostgresTarget, TlsFiles, nats, postgres};
use crate::limits::COLUMNS_MAX;
use crate::template::Template;
use crate::value::ValueTemplate;

/// The target of a flow.
#[derive(Debug, Clone)]
pub enum Target {
    /// Another MQTT broker; for a source the home broker.
    Mqtt(MqttTarget),
    /// Line protocol over HTTP.
    Http(HttpTarget),
    /// Streams of NATS.
    Nats(NatsTarget),
    /// A table of PostgreSQL.
    Postgres(PostgresTarget),
}

impl Target {
    /// The kind, as the configuration names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Mqtt(_) => "mqtt",
            Self::Http(_) => "http",
            Self::Nats(_) => "nats",
            Self::Postgres(_) => "postgres",
        }
    }
}

/// An MQTT broker to publish to.
#[derive(Debug, Clone)]
pub struct MqttTarget {
    /// The broker.
    pub peer: Peer,
    /// The client id of the publishing connection.
    pub client_id: String,
    /// Removed from the front of each topic; all filters begin with it.
    pub strip: String,
    /// Added in front of the rest.
    pub add: String,
    /// Whether the retain flag is passed on.
    pub retain: bool,
    /// Detects loops. With 3.1.1 it is `None`, and the configuration must exclude loops.
    pub mark: Option<Mark>,
}

/// The two brokers of a bridge, by their names in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The source, which is added to each message.
    pub from: String,
    /// The target: a message that has been there is not sent again.
    pub to: String,
}

/// A server that takes line protocol.
#[derive(Debug, Clone)]
pub struct HttpTarget {
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Files for TLS; none: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Path and query.
    pub path: String,
    /// The value of the `Authorization` header: a scheme such as `Token` or `Basic`, and its data.
    pub authorization: Option<Secret>,
    /// The measurement.
    pub measurement: Template,
    /// Tags by name.
    pub tags: BTreeMap<String, Template>,
    /// Fields by name.
    pub fields: BTreeMap<String, ValueTemplate>,
    /// The time, in milliseconds since 1970; `None`: the message's.
    pub time: Option<ValueTemplate>,
}

/// The target of a sink.
pub(super) fn target(
    section: &Section<'_, '_>,
    name: Option<&str>,
    from: Option<&Peer>,
) -> Option<Target> {
    let mqtt = section.section("mqtt").map(|table| mqtt(section, table, name, from));
    let http = section.section("http").map(|table| http(table).map(Target::Http));
    let nats = section.section("nats").map(|table| nats::target(table).map(Target::Nats));
    let postgres = section.section("postgres");
    let postgres = postgres.map(|table| postgres::target(table).map(Target::Postgres));
    let mut found: Vec<Option<Target>> =
        [mqtt, http, nats, postgres].into_iter().flatten().collect();
    if found.len() != 1 {
        let says = "a sink has one target: [sink.http], [sink.mqtt], [sink.nats], [sink.postgres]";
        section.fault(section.at, says);
    }
    found.pop().flatten()
}

/// Input and target of a source.
pub(super) fn source(
    section: &Section<'_, '_>,
    name: Option<&str>,
    home: Option<&Peer>,
) -> (Option<MqttInput>, Option<Target>) {
    let Some(table) = section.section("mqtt") else {
        section.fault(section.at, "a source has [source.mqtt]");
        return (None, None);
    };
    let peer = broker_of(&table);
    table.finish();
    let target = publishing(section, home.cloned(), peer.as_ref(), name);
    let input = subscription(section, name, peer);
    (input, target.map(Target::Mqtt))
}

fn mqtt(
    sink: &Section<'_, '_>,
    table: Section<'_, '_>,
    name: Option<&str>,
    from: Option<&Peer>,
) -> Option<Target> {
    let peer = broker_of(&table);
    table.finish();
    publishing(sink, peer, from, name).map(Target::Mqtt)
}

/// The keys for publishing.
fn publishing(
    section: &Section<'_, '_>,
    peer: Option<Peer>,
    from: Option<&Peer>,
    name: Option<&str>,
) -> Option<MqttTarget> {
    let strip = section.text("strip").map(|text| text.text).unwrap_or_default();
    let add = section.text("add").map(|text| text.text).unwrap_or_default();
    if add.contains(['+', '#', '\0']) || add.starts_with('$') {
        section.fault(section.place_of("add"), "add is the front of a topic: no +, # or $");
    }
    for filter in section.texts("filters") {
        let front = TopicFilter::parse(&filter.text).map_or("", TopicFilter::literal_prefix);
        if !front.starts_with(&strip) && !filter.text.starts_with(&strip) {
            let says = format!("does not begin with {strip:?}, which strip takes off");
            section.fault(filter.at, says);
        }
    }
    let retain = section.switch("retain").unwrap_or(true);
    let (peer, from) = (peer?, from?);
    let is_v5 = peer.version == Version::V5;
    let mark = is_v5.then(|| Mark { from: from.id.clone(), to: peer.id.clone() });
    let client_id = format!("bridge-{}-out", name?);
    Some(MqttTarget { peer, client_id, strip, add, retain, mark })
}

fn http(table: Section<'_, '_>) -> Option<HttpTarget> {
    let url = table.required("url");
    let parts = url.and_then(|url| match split_url(&url.text) {
        Ok(parts) => Some(parts),
        Err(says) => {
            table.fault(url.at, format!("{}.url: {says}", table.name));
            None
        }
    });
    let authorization = table.parsed("authorization_file", secret_file);
    let files = tls_files(&table);
    let measurement = table.required("measurement");
    let measurement = measurement.and_then(|text| compiled(&table, &text.text, text.at));
    let (mut tags, mut fields) = (BTreeMap::new(), BTreeMap::new());
    for (name, text) in table.pairs("tags") {
        tags.extend(compiled(&table, &text.text, text.at).map(|template| (name.text, template)));
    }
    for (name, text) in table.pairs("fields") {
        match ValueTemplate::parse(&text.text) {
            Ok(template) => {
                fields.insert(name.text, template);
            }
            Err(error) => table.fault(text.at, error.to_string()),
        }
    }
    let time = table.parsed("time", ValueTemplate::parse);
    if !table.has("fields") {
        table.fault(table.place_of("fields"), "a line has at least one field: fields = { … }");
    }
    if tags.len() + fields.len() > COLUMNS_MAX {
        table.fault(table.at, format!("more than {COLUMNS_MAX} tags and fields"));
    }
    table.finish();
    let (is_tls, host, port, path) = parts?;
    let tls = is_tls.then_some(files);
    let measurement = measurement?;
    Some(HttpTarget { host, port, tls, path, authorization, measurement, tags, fields, time })
}

fn compiled(table: &Section<'_, '_>, text: &str, at: usize) -> Option<Template> {
    match Template::parse(text) {
        Ok(template) => Some(template),
        Err(error) => {
            table.fault(at, error.to_string());
            None
        }
    }
}

/// Splits a URL into TLS or not, host, port and path.
fn split_url(url: &str) -> Result<(bool, String, u16, String), String> {
    let (is_tls, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err("takes http://HOST:PORT/PATH or https://…".to_owned()),
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the path has a space or a letter that must be encoded as %20 is".to_owned());
    }
    let (host, port) = host_and_port(authority, if is_tls { 443 } else { 80 })?;
    Ok((is_tls, host, port, path.to_owned()))
}
