//! Options that change while clients are served.
//!
//! A change ends no session or connection and drops nothing at once. It only resumes what waited
//! because of the old options; a lower bound applies from the next message on.

use crate::store::{CatalogLimits, SessionKey};

use super::super::names::{Context, Options};
use super::Shard;

impl Shard {
    /// Replaces the options, except for those of the shard itself. Rights and routes found by the
    /// old ones stay until [`Shard::set_policy`], which must follow.
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
