//! The state of the broker that the control thread shares with the admin thread.

use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;

use super::facts::Facts;
use super::tokens::Tokens;

/// See the module.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Clients are accepted.
    pub is_ready: bool,
    /// The broker is being drained: clients are not accepted for now.
    pub draining: bool,
    /// Settings, listeners and certificates.
    pub facts: Arc<Facts>,
    /// The last reload, or the start, succeeded.
    pub reloaded: bool,
    /// The time of the last successful one, in seconds since 1970.
    pub reloaded_at_s: u64,
    /// Numbers and names of the vhosts.
    pub vhosts: Arc<[(u16, String)]>,
    /// Tokens and their rights.
    pub tokens: Arc<Tokens>,
    /// Sessions with metrics of their own.
    pub watched: Arc<[WatchedSessions]>,
    /// If set, TCP uses TLS; open connections keep the configuration that they began with.
    pub tls: Option<Arc<ServerConfig>>,
    /// Host names that requests may use.
    pub hosts: Arc<[String]>,
    /// The thread is to end.
    pub is_over: bool,
}

/// Sessions that have metrics of their own, as the operator named them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchedSessions {
    /// The name of the vhost.
    pub vhost: String,
    /// A client id, or a prefix of client ids.
    pub id: String,
    /// Whether `id` is a prefix.
    pub is_prefix: bool,
}
