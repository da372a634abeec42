//! Users and rules: read from files at start and again at SIGHUP, and distributed to the shards.

use std::sync::Arc;

use log::info;

use crate::access::{LoadError, Policy, Sources};
use crate::broker::{OnDenied, Takeover};
use crate::config::{self, Options};
use crate::disk::{DirectoryError, Vhosts};

use super::StartError;
use super::auth::{PasswordVerifier, VerifierPool};
use super::random::secret_key;

/// The current policy, and the means to replace it.
pub(super) struct Access {
    vhosts: Vhosts,
    policy: Arc<Policy>,
    pool: VerifierPool,
}

impl Access {
    /// Reads the files, and starts the threads that verify passwords.
    pub(super) fn open(
        sources: &Sources,
        mut vhosts: Vhosts,
        helpers: usize,
        failures_max: u32,
    ) -> Result<Self, StartError> {
        let policy = load(sources, &mut vhosts).map_err(StartError::Access)?;
        let pool = VerifierPool::open(helpers, failures_max, secret_key())
            .map_err(|error| StartError::System("start a thread that verifies passwords", error))?;
        Ok(Self { vhosts, policy, pool })
    }

    /// The current policy.
    pub(super) fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Numbers and names of all vhosts that have existed and were not deleted.
    pub(super) fn vhosts(&self) -> Vec<(u16, String)> {
        self.vhosts.iter().map(|(number, name)| (number, name.to_owned())).collect()
    }

    /// A shard's interface to the threads that verify passwords.
    pub(super) fn verifier(&self, wake: impl Fn() + Send + Sync + 'static) -> PasswordVerifier {
        self.pool.verifier(wake)
    }

    /// Reads the same or other files; returns the policy, and the numbers that its vhosts have. The
    /// current policy stays in force until [`Access::replace`].
    pub(super) fn read(&self, sources: &Sources) -> Result<(Arc<Policy>, Vhosts), LoadError> {
        let mut vhosts = self.vhosts.clone();
        let policy = Policy::load(sources, &mut |name| vhosts.assign(name))?;
        Ok((Arc::new(policy), vhosts))
    }

    /// Stores the numbers of new vhosts.
    ///
    /// # Errors
    /// If they cannot be written; then the new vhosts have no numbers.
    pub(super) fn keep_numbers(&mut self, vhosts: Vhosts) -> Result<(), DirectoryError> {
        let new = vhosts.iter().count() - self.vhosts.iter().count();
        if new > 0 {
            vhosts.save()?;
            log_new(new);
            self.vhosts = vhosts;
        }
        Ok(())
    }

    /// Puts a policy in force that was read before.
    pub(super) fn replace(&mut self, policy: Arc<Policy>, failures_max: u32) {
        self.policy = policy;
        self.pool.set_failures_max(failures_max);
        self.pool.forget();
    }
}

fn load(sources: &Sources, vhosts: &mut Vhosts) -> Result<Arc<Policy>, LoadError> {
    let before = vhosts.iter().count();
    let policy = Policy::load(sources, &mut |name| vhosts.number_of(name))?;
    let new = vhosts.iter().count() - before;
    if new > 0 {
        log_new(new);
    }
    Ok(Arc::new(policy))
}

fn log_new(count: usize) {
    info!("{count} new vhost{}", if count == 1 { "" } else { "s" });
}

pub(super) fn on_denied(options: &Options) -> OnDenied {
    match options.access.on_denied {
        config::OnDenied::Drop => OnDenied::Drop,
        config::OnDenied::Disconnect => OnDenied::Disconnect,
    }
}

pub(super) fn takeover(options: &Options) -> Takeover {
    match options.access.takeover {
        config::Takeover::SameUser => Takeover::SameUser,
        config::Takeover::Any => Takeover::Any,
    }
}
