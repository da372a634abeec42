//! What the control thread knows of the broker, and the admin thread needs or tells.

use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;

use super::facts::Facts;
use super::tokens::Tokens;

/// See the module.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Clients are let in.
    pub is_ready: bool,
    /// It is being drained: clients are not let in for now.
    pub draining: bool,
    /// Settings, listeners and certificates.
    pub facts: Arc<Facts>,
    /// The last reload succeeded; so did the start.
    pub reloaded: bool,
    /// When the last one did, seconds since 1970.
    pub reloaded_at_s: u64,
    /// Numbers and names of the vhosts.
    pub vhosts: Arc<[(u16, String)]>,
    /// Who may ask what.
    pub tokens: Arc<Tokens>,
    /// Sessions with metrics of their own.
    pub watched: Arc<[WatchedSessions]>,
    /// With it TCP is TLS; connections that are open keep what they began with.
    pub tls: Option<Arc<ServerConfig>>,
    /// Names by which operators may ask.
    pub hosts: Arc<[String]>,
    /// The thread is to end.
    pub is_over: bool,
}

/// Sessions that have metrics of their own, as the operator has named them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchedSessions {
    /// The name of the vhost.
    pub vhost: String,
    /// A client id, or what client ids begin with.
    pub id: String,
    /// All sessions whose client id begins so; else one.
    pub is_prefix: bool,
}
