//! `[sink.kafka]`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::section::{Section, Text};
use super::values::{Secret, duration, secret_file};
use super::{TlsFiles, flows};
use crate::limits::{COLUMNS_MAX, KAFKA_TIMEOUT, KAFKA_TIMEOUT_MAX};
use crate::template::Template;

/// Options of librdkafka that have keys of their own here, or that the bridge's promise needs.
const OWN: &[&str] = &[
    "acks",
    "bootstrap.servers",
    "delivery.timeout.ms",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.broker.list",
    "queue.buffering.max.messages",
    "queuing.strategy",
    "request.required.acks",
    "retries",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "transactional.id",
];

/// Topics of a cluster to write to.
#[derive(Debug, Clone)]
pub struct KafkaTarget {
    /// Brokers of the cluster, `HOST:PORT`.
    pub servers: Vec<String>,
    /// The topic of a message.
    pub topic: Template,
    /// Its key; none: no key, and any partition.
    pub key: Option<Template>,
    /// Its headers.
    pub headers: Vec<(String, Template)>,
    /// What is done against duplicates.
    pub once: KafkaOnce,
    /// The transactional id, if it is not the sink's name.
    pub id: Option<String>,
    /// The topic in whose first partition the position is kept, with transactions.
    pub cursor_topic: Option<String>,
    /// How long the brokers may be silent.
    pub timeout: Duration,
    /// User name and password.
    pub login: Option<(String, Secret)>,
    /// Files for TLS; none: plain TCP.
    pub tls: Option<TlsFiles>,
    /// More options of librdkafka.
    pub options: BTreeMap<String, String>,
}

impl KafkaTarget {
    /// Whether a record tells its message's position, or a transaction keeps it.
    pub(super) fn has_positions(&self) -> bool {
        let templates = self.headers.iter().map(|(_, template)| template);
        let mut templates = templates.chain(&self.key).chain([&self.topic]);
        self.once == KafkaOnce::Transactional || templates.any(Template::has_position)
    }
}

/// What is done against duplicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KafkaOnce {
    /// Nothing: for brokers that do not know idempotent producers.
    AtLeast,
    /// The brokers drop what this producer sends again.
    Idempotent,
    /// A batch and its position are one transaction.
    Transactional,
}

/// The target of a table.
pub(super) fn target(table: Section<'_, '_>) -> Option<KafkaTarget> {
    if cfg!(not(feature = "kafka")) {
        table.fault(table.at, "this bridge is built without Kafka: its feature is `kafka`");
    }
    let servers: Vec<String> = table.texts("servers").into_iter().map(|text| text.text).collect();
    if servers.is_empty() || servers.iter().any(|server| server.is_empty() || server.contains(','))
    {
        let says = "servers is missing or has none, as in servers = [\"127.0.0.1:9092\"]";
        table.fault(table.place_of("servers"), says);
    }
    let topic = table.required("topic").and_then(|text| topic(&table, &text));
    let key = match table.text("key") {
        None => Some(Template::parse("{topic}").expect("is one")),
        Some(text) if text.text.is_empty() => None,
        Some(text) => compiled(&table, &text),
    };
    let mut headers = Vec::new();
    for (name, text) in table.pairs("headers") {
        headers.extend(compiled(&table, &text).map(|template| (name.text, template)));
    }
    if headers.len() > COLUMNS_MAX {
        table.fault(table.place_of("headers"), format!("more than {COLUMNS_MAX} headers"));
    }
    let once = table.parsed("once", |text| match text {
        "idempotent" => Ok(KafkaOnce::Idempotent),
        "at-least" => Ok(KafkaOnce::AtLeast),
        "transactional" => Ok(KafkaOnce::Transactional),
        _ => Err("takes \"idempotent\", \"at-least\" or \"transactional\""),
    });
    let once = once.unwrap_or(KafkaOnce::Idempotent);
    let id = table.text("id").map(|text| text.text);
    let cursor_topic = cursor_topic(&table, topic.as_ref(), once);
    let timeout = table.parsed("timeout", |text| match duration(text)? {
        timeout if !timeout.is_zero() && timeout <= KAFKA_TIMEOUT_MAX => Ok(timeout),
        _ => Err("takes 1ms to 1h".to_owned()),
    });
    let login = login(&table);
    let is_tls = table.switch("tls").unwrap_or(false);
    let files = flows::tls_files(&table);
    if !is_tls && files != TlsFiles::default() {
        table.fault(table.at, "ca_file, cert_file and key_file need tls = true");
    }
    let options = options(&table);
    let target = KafkaTarget {
        servers,
        topic: topic?,
        key,
        headers,
        once,
        id,
        cursor_topic,
        timeout: timeout.unwrap_or(KAFKA_TIMEOUT),
        login,
        tls: is_tls.then_some(files),
        options,
    };
    #[cfg(feature = "kafka")]
    if let Err(says) = crate::sinks::KafkaSink::check(&target) {
        table.fault(table.at, format!("librdkafka: {says}"));
    }
    table.finish();
    Some(target)
}

/// The topic that keeps the position: the sink's own, if it is one topic.
fn cursor_topic(
    table: &Section<'_, '_>,
    topic: Option<&Template>,
    once: KafkaOnce,
) -> Option<String> {
    let own = table.text("cursor_topic");
    if once != KafkaOnce::Transactional {
        for key in ["cursor_topic", "id"] {
            if table.has(key) {
                let says = format!("{key} needs once = \"transactional\"");
                table.fault(table.place_of(key), says);
            }
        }
        return None;
    }
    if let Some(own) = own {
        return Some(own.text);
    }
    let topic = topic?;
    if !topic.is_literal() {
        let says = "once = \"transactional\" with places in topic needs cursor_topic, the topic \
                    that keeps the position";
        table.fault(table.place_of("once"), says);
        return None;
    }
    Some(topic.literals().collect())
}

fn login(table: &Section<'_, '_>) -> Option<(String, Secret)> {
    let user = table.text("user").map(|text| text.text);
    let password = table.parsed("password_file", secret_file);
    if table.has("user") != table.has("password_file") {
        table.fault(table.at, "user and password_file go together");
    }
    Some((user?, password?))
}

fn options(table: &Section<'_, '_>) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    for (name, value) in table.pairs("options") {
        if OWN.contains(&name.text.as_str()) {
            let says = format!("{:?} is set by the bridge or has a key of its own", name.text);
            table.fault(value.at, says);
        }
        options.insert(name.text, value.text);
    }
    options
}

/// A template for a topic: what stands between its places is taken as it is.
fn topic(table: &Section<'_, '_>, text: &Text) -> Option<Template> {
    let template = compiled(table, text)?;
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.text.is_empty() || !template.literals().all(|literal| literal.chars().all(is_allowed)) {
        let says = "is no topic of Kafka: letters, digits, '.', '_', '-' and places such as {1}";
        table.fault(text.at, format!("{:?} {says}", text.text));
        return None;
    }
    Some(template)
}

fn compiled(table: &Section<'_, '_>, text: &Text) -> Option<Template> {
    match Template::parse(&text.text) {
        Ok(template) => Some(template),
        Err(error) => {
            table.fault(text.at, error.to_string());
            None
        }
    }
}
