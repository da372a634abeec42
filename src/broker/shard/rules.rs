//! A new access policy.

use std::sync::Arc;

use crate::access::{Identity, Policy};

use super::super::names::{CloseReason, Context, VhostId};
use super::Shard;

impl Shard {
    /// Replaces the policy. Clients that have lost the right to connect are disconnected; all
    /// others go on. Nothing is removed that another policy could not restore (see `review`).
    pub fn set_policy(&mut self, policy: Arc<Policy>, context: &mut Context<'_>) {
        let before = self.admission.set_policy(policy);
        let policy = self.admission.policy().clone();
        for (number, name) in policy.vhosts() {
            self.set_name(VhostId(number), name);
        }
        self.quotas.set(&policy, self.options.shards);
        self.relieve_vhosts(context);
        self.exchanges.invalidate_all();
        for conn in self.connections.ids() {
            let Some(open) = self.connections.client(conn) else { continue };
            let session = self.catalog.session(open.session);
            let user = session.owner().map(Into::into);
            let identity = Identity { vhost: open.vhost.0, user, certified: open.certified };
            if !policy.may_stay(&identity, open.client_address.local) {
                self.close(conn, CloseReason::Revoked, context);
            }
        }
        self.review_sessions(Some(&before), context);
    }
}
