//! The salt that SCRAM sends for an unknown user: it looks like a user's and is the same each time,
//! so that clients cannot find out which users exist.
//!
//! Its key is derived from the keys of one user, which are secret, survive a restart and are known
//! to all shards. It changes only when the keys of that user change, or a user gets smaller ones.

use std::sync::Arc;

use super::identity::Identity;
use super::passwords::Users;
use super::scram::Mechanism;
use super::secret::Secret;

/// See the module.
#[derive(Debug)]
pub(super) struct ScramDecoys {
    key: Vec<u8>,
    /// For each mechanism the iterations and salt bytes of the vhost with the most users of it.
    usual: [Option<(u32, usize)>; 2],
}

impl ScramDecoys {
    pub(super) fn of<'a>(vhosts: &(impl Iterator<Item = &'a Users> + Clone)) -> Self {
        let usual = Mechanism::ALL.map(|mechanism| {
            let users = vhosts.clone().map(|users| users.scram(mechanism));
            users.max_by_key(|users| users.len()).and_then(|users| users.usual())
        });
        let all = Mechanism::ALL.into_iter().flat_map(|mechanism| {
            vhosts.clone().filter_map(move |users| users.scram(mechanism).smallest())
        });
        let smallest = all.min().unwrap_or_default();
        Self { key: Mechanism::Sha512.hmac(smallest, b"ringmq: salts of unknown users"), usual }
    }

    /// Whether any user has keys for a mechanism.
    pub(super) const fn offers(&self, mechanism: Mechanism) -> bool {
        self.usual[mechanism as usize].is_some()
    }

    /// Keys that match no proof. `usual`: iterations and bytes of salt of the vhost.
    pub(super) fn decoy(
        &self,
        mechanism: Mechanism,
        usual: Option<(u32, usize)>,
        identity: &Identity,
    ) -> Arc<Secret> {
        let usual = usual.or(self.usual[mechanism as usize]);
        let (iterations, salt_bytes) = usual.unwrap_or((1, 1));
        let user = identity.user.as_deref().unwrap_or_default();
        let name = format!("{} {} {user}", mechanism.name(), identity.vhost);
        let salt = Mechanism::Sha512.hmac(&self.key, name.as_bytes());
        Arc::new(Secret::scram_decoy(mechanism, iterations, &salt[..salt_bytes]))
    }
}
