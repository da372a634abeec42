//! `[sink.nats]`.

use super::section::Section;
use super::values::{Secret, secret_file};
use crate::limits::{ENVELOPE_BYTES, ENVELOPE_BYTES_MAX};

/// Streams of NATS to write to.
#[derive(Debug, Clone)]
pub struct NatsTarget {
    /// Servers of one cluster, as `nats://HOST:PORT`.
    pub servers: Vec<String>,
    /// User name.
    pub user: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// A token instead of both.
    pub token: Option<Secret>,
    /// A file of credentials instead of these.
    pub credentials_file: Option<String>,
    /// Certificates to trust, with `tls://`.
    pub ca: Option<String>,
    /// The form of messages.
    pub format: NatsFormat,
}

/// The form of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NatsFormat {
    /// Each becomes a NATS message. Its subject is this prefix and its topic.
    Message {
        /// The prefix, without a final dot.
        prefix: String,
    },
    /// Many are sent as an envelope on this subject.
    Batch {
        /// The subject.
        subject: String,
        /// The most bytes of an envelope with more than one message.
        bytes: usize,
    },
}

/// The target of a table.
pub(super) fn target(table: Section<'_, '_>) -> Option<NatsTarget> {
    let servers: Vec<String> = table.texts("servers").into_iter().map(|text| text.text).collect();
    if servers.is_empty() {
        let says = "servers is missing, as in servers = [\"nats://127.0.0.1:4222\"]";
        table.fault(table.place_of("servers"), says);
    }
    let user = table.text("user").map(|text| text.text);
    let password = table.parsed("password_file", secret_file);
    let token = table.parsed("token_file", secret_file);
    let credentials_file = table.text("credentials_file").map(|text| text.text);
    let ca = table.text("ca_file").map(|text| text.text);
    let is_batch = table.parsed("format", |text| match text {
        "message" => Ok(false),
        "batch" => Ok(true),
        _ => Err("takes \"message\" or \"batch\""),
    });
    let prefix = subject(&table, "prefix");
    let batch_subject = subject(&table, "subject");
    let bytes = table.parsed("bytes", |text| {
        let bytes = super::values::bytes(text)?;
        match (1..=ENVELOPE_BYTES_MAX).contains(&bytes) {
            true => Ok(bytes),
            false => Err("takes 1 byte to 1MiB, and not more than max_payload".to_owned()),
        }
    });
    let is_batch = is_batch.unwrap_or(false);
    if is_batch && batch_subject.is_none() && !table.has("subject") {
        table.fault(table.at, "format = \"batch\" needs the subject of its envelopes");
    }
    for (key, belongs) in [("prefix", !is_batch), ("subject", is_batch), ("bytes", is_batch)] {
        if table.has(key) && !belongs {
            let format = if is_batch { "batch" } else { "message" };
            table.fault(table.place_of(key), format!("format = {format:?} has no {key}"));
        }
    }
    table.finish();
    let format = match is_batch {
        true => {
            NatsFormat::Batch { subject: batch_subject?, bytes: bytes.unwrap_or(ENVELOPE_BYTES) }
        }
        false => NatsFormat::Message { prefix: prefix.unwrap_or_else(|| "mq".to_owned()) },
    };
    Some(NatsTarget { servers, user, password, token, credentials_file, ca, format })
}

/// A subject without wildcards.
fn subject(table: &Section<'_, '_>, key: &'static str) -> Option<String> {
    let text = table.text(key)?;
    let is_token = |token: &str| {
        !token.is_empty() && !token.contains(|c: char| c.is_whitespace() || matches!(c, '*' | '>'))
    };
    if !text.text.split('.').all(is_token) {
        table.fault(text.at, format!("{:?} is no subject: tokens with dots between", text.text));
        return None;
    }
    Some(text.text)
}
