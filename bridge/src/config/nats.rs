//! `[sink.nats]`.

use async_nats::ServerAddr;

use super::section::Section;
use super::values::{Secret, secret_file};
use super::{Peer, TlsFiles, flows};
use crate::limits::{ENVELOPE_BYTES, ENVELOPE_BYTES_MAX};

/// A cluster, and how to log in there.
#[derive(Debug, Clone)]
pub struct NatsAccess {
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
    /// Files for TLS, with `tls://`.
    pub tls: TlsFiles,
    /// What messages that have been at it name it by. The same in all bridges.
    pub id: String,
}

/// Streams of NATS to write to.
#[derive(Debug, Clone)]
pub struct NatsTarget {
    /// The cluster.
    pub access: NatsAccess,
    /// The broker that messages leave, if it has a name of its own.
    pub broker: Option<String>,
    /// What becomes of messages.
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

/// The keys that say how to connect.
pub(super) fn access(table: &Section<'_, '_>) -> Option<NatsAccess> {
    let servers = table.texts("servers");
    if servers.is_empty() {
        let says = "servers is missing, as in servers = [\"nats://127.0.0.1:4222\"]";
        table.fault(table.place_of("servers"), says);
    }
    for server in &servers {
        if let Err(error) = server.text.parse::<ServerAddr>() {
            table.fault(server.at, format!("is no server: {error}"));
        }
    }
    let id = table.text("id").map_or_else(|| "nats".to_owned(), |text| text.text);
    Some(NatsAccess {
        servers: servers.into_iter().map(|text| text.text).collect(),
        user: table.text("user").map(|text| text.text),
        password: table.parsed("password_file", secret_file),
        token: table.parsed("token_file", secret_file),
        credentials_file: table.text("credentials_file").map(|text| text.text),
        tls: flows::tls_files(table),
        id,
    })
}

/// The target of a table. `from`: the broker that is read from.
pub(super) fn target(table: Section<'_, '_>, from: Option<&Peer>) -> Option<NatsTarget> {
    let access = access(&table);
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
    let from = from.filter(|from| from.id != from.address.to_string());
    Some(NatsTarget { access: access?, broker: from.map(|from| from.id.clone()), format })
}

/// A subject without wildcards.
pub(super) fn subject(table: &Section<'_, '_>, key: &'static str) -> Option<String> {
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
