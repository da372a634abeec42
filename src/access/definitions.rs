//! Users and permissions of a vhost from an export of RabbitMQ's or LavinMQ's definitions:
//!
//! ```json
//! {"users": [{"name": "u", "password_hash": "…", "hashing_algorithm": "…_sha256"}],
//!  "permissions": [{"user": "u", "vhost": "/", "configure": "", "write": ".*", "read": ".*"}]}
//! ```
//!
//! As in these brokers, a user without a permission for a vhost has no access to it. An export
//! without `permissions` gives its users access, and no rules. Other parts of it are ignored.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use compact_str::CompactString;
use foldhash::fast::FixedState;
use serde_json::Value;

use super::error::Fault;
use super::passwords::{Users, check_name};
use super::permission::Permission;
use super::secret::{InvalidSecret, Method, Secret};

/// The part of an export about one vhost.
#[derive(Debug)]
pub(super) struct Definitions {
    pub(super) users: Users,
    /// `None`: the export has no permissions.
    pub(super) permissions: Option<Permissions>,
}

/// Permissions by user.
pub(super) type Permissions = HashMap<CompactString, Permission, FixedState>;

/// Whether a file is an export, and not lines of a password file.
pub(super) fn is_export(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

impl Definitions {
    /// Reads the part of `text` about `vhost`.
    pub(super) fn parse(text: &str, vhost: &str) -> Result<Self, Fault> {
        let root: Value = serde_json::from_str(text).map_err(|error| {
            Fault::at(error.line().max(1), format!("begins with {{ and is no JSON: {error}"))
        })?;
        let Some(entries) = root.get("users").and_then(Value::as_array) else {
            return Err(Fault::whole("has no list `users`: is it an export of definitions?"));
        };
        let permissions = match root.get("permissions") {
            None => None,
            Some(entries) => Some(parse_permissions(entries, vhost)?),
        };
        let mut users = HashMap::with_hasher(FixedState::default());
        for (at, entry) in entries.iter().enumerate() {
            let name = text_of(entry, "name").unwrap_or_default();
            let fault = |says: String| Fault::whole(format!("users[{at}], {name:?}: {says}"));
            check_name(name).map_err(|says| fault(says.to_owned()))?;
            let secret = parse_secret(entry).map_err(fault)?;
            if permissions.as_ref().is_some_and(|permissions| !permissions.contains_key(name)) {
                continue;
            }
            match (users.entry(CompactString::from(name)), secret) {
                (Entry::Occupied(_), _) => {
                    return Err(fault("stands here for the second time".to_owned()));
                }
                // Such a user cannot log in with a password.
                (Entry::Vacant(_), None) => {}
                (Entry::Vacant(place), Some(secret)) => {
                    place.insert(Arc::new(secret));
                }
            }
        }
        Ok(Self { users: Users::new(users), permissions })
    }
}

fn parse_permissions(entries: &Value, vhost: &str) -> Result<Permissions, Fault> {
    let entries = entries.as_array().ok_or_else(|| Fault::whole("`permissions` is no list"))?;
    let mut permissions = Permissions::default();
    for (at, entry) in entries.iter().enumerate() {
        let fault = |says: String| Fault::whole(format!("permissions[{at}]: {says}"));
        let text = |key: &str| {
            text_of(entry, key).ok_or_else(|| fault(format!("`{key}` is missing, or is no text")))
        };
        if text("vhost")? != vhost {
            continue;
        }
        let permission = Permission::parse(text("configure")?, text("write")?, text("read")?);
        permissions.insert(text("user")?.into(), permission.map_err(fault)?);
    }
    Ok(permissions)
}

/// The password of a user; `None` if there is none.
fn parse_secret(entry: &Value) -> Result<Option<Secret>, String> {
    let Some(hash) = text_of(entry, "password_hash") else {
        return Err("`password_hash` is missing, or is no text".to_owned());
    };
    if hash.is_empty() {
        return Ok(None);
    }
    let algorithm = text_of(entry, "hashing_algorithm").unwrap_or("rabbit_password_hashing_sha256");
    // LavinMQ once wrote the kind before the hash.
    let secret = match algorithm {
        "rabbit_password_hashing_sha256" => {
            Secret::parse_rabbit(Method::SaltedSha256, hash.strip_prefix("$5$").unwrap_or(hash))
        }
        "rabbit_password_hashing_sha512" => {
            Secret::parse_rabbit(Method::SaltedSha512, hash.strip_prefix("$6$").unwrap_or(hash))
        }
        "lavinmq_bcrypt" => Secret::parse(hash),
        _ => return Err(format!("`{algorithm:.60}` is not taken; set a password with SHA-256")),
    };
    let says = |invalid: InvalidSecret| format!("the hash of the password {invalid}");
    secret.map(Some).map_err(says)
}

fn text_of<'a>(entry: &'a Value, key: &str) -> Option<&'a str> {
    entry.get(key).and_then(Value::as_str)
}
