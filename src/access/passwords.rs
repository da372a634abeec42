//! The users of a vhost and their stored passwords.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use compact_str::CompactString;
use foldhash::fast::FixedState;

use crate::limits;

use super::error::Fault;
use super::secret::{Method, Secret};

/// Users by name.
#[derive(Debug, Default)]
pub(super) struct Users {
    secrets: HashMap<CompactString, Arc<Secret>, FixedState>,
    /// The secret that passwords of unknown users are checked against; `None` without users.
    decoy: Option<Arc<Secret>>,
}

impl Users {
    /// Reads a password file: a line `user:hash` for each user.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let mut users = HashMap::with_hasher(FixedState::default());
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fault = |says: String| Fault::at(at + 1, says);
            let Some((name, secret)) = line.split_once(':') else {
                return Err(fault("is no `user:hash`".to_owned()));
            };
            check_name(name).map_err(|says| fault(says.to_owned()))?;
            let secret = Secret::parse(secret).map_err(|invalid| {
                let set = "set the password with `ringmq passwd` or `mosquitto_passwd`";
                fault(format!("what stands behind user {name:?} {invalid}; {set}"))
            })?;
            match users.entry(CompactString::from(name)) {
                Entry::Occupied(_) => {
                    return Err(fault(format!(
                        "user {name:?} stands here for the second time; remove one of the lines"
                    )));
                }
                Entry::Vacant(place) => place.insert(Arc::new(secret)),
            };
        }
        Ok(Self::new(users))
    }

    pub(super) fn new(secrets: HashMap<CompactString, Arc<Secret>, FixedState>) -> Self {
        let mut counts: HashMap<Method, usize> = HashMap::new();
        for secret in secrets.values() {
            *counts.entry(secret.method()).or_default() += 1;
        }
        // Of two kinds that are as usual the dearer one, so that loading twice gives the same.
        let usual = counts.into_iter().max_by_key(|&(method, count)| (count, method));
        let decoy = usual.map(|(method, _)| Arc::new(Secret::decoy(method)));
        Self { secrets, decoy }
    }

    pub(super) fn get(&self, user: &str) -> Option<&Arc<Secret>> {
        self.secrets.get(user)
    }

    pub(super) const fn decoy(&self) -> Option<&Arc<Secret>> {
        self.decoy.as_ref()
    }

    pub(super) fn len(&self) -> usize {
        self.secrets.len()
    }
}

/// Says what is wrong with the name of a user.
///
/// # Errors
/// The fault of a user name.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("has no name of a user before the colon");
    }
    if name.len() > limits::USER_NAME_BYTES_MAX {
        return Err("has a name of a user that is too long");
    }
    if name.chars().any(char::is_control) {
        return Err("has a control character in the name of a user");
    }
    Ok(())
}
