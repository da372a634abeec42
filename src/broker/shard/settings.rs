//! Options that change while clients are served.
//!
//! Nothing is done to a session or connection at once but to let go on what waited by the old
//! options: a bound that is lower now is met by the next message that meets it.

use crate::store::{CatalogLimits, SessionKey};

use super::super::names::{Context, Options};
use super::Shard;

impl Shard {
    /// Replaces the options, but for what they say of the shard itself. Rights and routes that were
    /// found by the old ones hold until [`Shard::set_policy`], which is to follow.
    pub fn set_options(
        &mut self,
        options: &Options,
        retained: CatalogLimits,
        context: &mut Context<'_>,
    ) {
        let Options { shard, shards, start_ms, seed, publish_rate, .. } = self.options;
        self.options = Options { shard, shards, start_ms, seed, ..options.clone() };
        let options = &self.options;
        self.outputs.set_options(options, context.now_ms);
        self.delivery.set_options(options);
        self.full_sessions.set_options(options);
        self.expiry.set_options(options);
        self.storage.shortage_mut().set_options(options);
        self.client_log.set_names_connections(options.log_connections);
        self.catalog.set_limits(retained);
        if options.publish_rate != publish_rate {
            self.gates.restart_meters(context.now_ms);
        }
        if !self.catalog.sessions().is_empty() {
            self.expiry.expect(context.now_ms);
        }
        let keys: Vec<SessionKey> = self.full_sessions.sessions().collect();
        keys.into_iter().for_each(|key| self.relieve_session(key, context));
    }
}
