//! The users of a vhost and their stored passwords.
//!
//! A user may have several, separated by spaces: at most one hash that passwords are checked
//! against, and keys for SCRAM, one for each mechanism. Without such a hash, passwords are checked
//! against the first of the keys.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use compact_str::CompactString;
use foldhash::fast::FixedState;

use crate::limits;

use super::error::Fault;
use super::scram::Mechanism;
use super::secret::{InvalidSecret, Method, Secret};

/// Users by name.
#[derive(Debug, Default)]
pub(super) struct Users {
    secrets: HashMap<CompactString, Arc<Secret>, FixedState>,
    /// The secret that passwords of unknown users are checked against; `None` without users.
    decoy: Option<Arc<Secret>>,
    /// Keys for SCRAM, by mechanism.
    scram: [ScramUsers; 2],
}

/// The users that have keys for one mechanism of SCRAM.
#[derive(Debug, Default)]
pub(super) struct ScramUsers {
    keys: HashMap<CompactString, Arc<Secret>, FixedState>,
    /// The most frequent pair of iterations and salt length in bytes.
    usual: Option<(u32, usize)>,
}

/// The stored passwords of one user.
#[derive(Debug)]
pub(super) struct Credentials {
    /// The secret that passwords are checked against.
    password: Arc<Secret>,
    /// Keys for SCRAM, by mechanism.
    scram: [Option<Arc<Secret>>; 2],
}

impl Credentials {
    /// Parses the text after the name of a user.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let (mut password, mut scram) = (None, [None, None]);
        for text in text.split(' ') {
            let secret = Arc::new(Secret::parse(text)?);
            let place = match secret.method() {
                Method::Scram { mechanism, .. } => &mut scram[mechanism as usize],
                _ => &mut password,
            };
            if place.replace(secret).is_some() {
                return Err(InvalidSecret::twice());
            }
        }
        let password = password.or_else(|| scram.iter().flatten().next().cloned());
        Ok(Self { password: password.expect("a text has a part at least"), scram })
    }
}

impl ScramUsers {
    fn new(keys: HashMap<CompactString, Arc<Secret>, FixedState>) -> Self {
        let mut counts: HashMap<(u32, usize), usize> = HashMap::new();
        for secret in keys.values() {
            let (salt, iterations) = secret.scram_salt();
            *counts.entry((iterations, salt.len())).or_default() += 1;
        }
        // The order makes the result the same at each load.
        let usual = counts.into_iter().max_by_key(|&(cost, count)| (count, cost));
        Self { keys, usual: usual.map(|(cost, _)| cost) }
    }

    pub(super) fn get(&self, user: &str) -> Option<&Arc<Secret>> {
        self.keys.get(user)
    }

    /// The most frequent pair of iterations and salt length in bytes; `None` without users.
    pub(super) const fn usual(&self) -> Option<(u32, usize)> {
        self.usual
    }

    /// The smallest of all `ServerKey`s.
    pub(super) fn smallest(&self) -> Option<&[u8]> {
        self.keys.values().map(|secret| secret.scram_keys()[1]).min()
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// Checks whether a text is valid after the name of a user.
///
/// # Errors
/// The fault of the text.
pub fn check_hash(text: &str) -> Result<(), InvalidSecret> {
    Credentials::parse(text).map(drop)
}

impl Users {
    /// Reads a password file: a line `user:hash` for each user.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let mut users = HashMap::with_hasher(FixedState::default());
        let mut scram = [(); 2].map(|()| HashMap::with_hasher(FixedState::default()));
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
            let found = Credentials::parse(secret).map_err(|invalid| {
                let set = "set the password with `ringmq passwd` or `mosquitto_passwd`";
                fault(format!("what stands behind user {name:?} {invalid}; {set}"))
            })?;
            match users.entry(CompactString::from(name)) {
                Entry::Occupied(_) => {
                    return Err(fault(format!(
                        "user {name:?} stands here for the second time; remove one of the lines"
                    )));
                }
                Entry::Vacant(place) => place.insert(found.password),
            };
            for (users, keys) in scram.iter_mut().zip(found.scram) {
                users.extend(keys.map(|keys| (CompactString::from(name), keys)));
            }
        }
        Ok(Self { scram: scram.map(ScramUsers::new), ..Self::new(users) })
    }

    pub(super) fn new(secrets: HashMap<CompactString, Arc<Secret>, FixedState>) -> Self {
        let mut counts: HashMap<Method, usize> = HashMap::new();
        for secret in secrets.values() {
            *counts.entry(secret.method()).or_default() += 1;
        }
        // Of two equally frequent methods the more expensive one: the result is the same at each
        // load.
        let usual = counts.into_iter().max_by_key(|&(method, count)| (count, method));
        let decoy = usual.map(|(method, _)| Arc::new(Secret::decoy(method)));
        Self { secrets, decoy, scram: Default::default() }
    }

    /// The users with keys for a mechanism.
    pub(super) fn scram(&self, mechanism: Mechanism) -> &ScramUsers {
        &self.scram[mechanism as usize]
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

/// Checks the name of a user.
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
