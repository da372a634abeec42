//! Lists users, vhosts and their limits.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::access::{Policy, VhostLimits};
use crate::admin::{LIMIT_FIELDS, TaskError, TaskErrorKind};
use crate::limits::PASSWORD_FILE_BYTES_MAX;

use super::places::{Kind, Places, no_vhost, read};

/// A page of the users of a vhost, by name.
pub(super) fn users(
    places: &Places<'_>,
    vhost: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Value, TaskError> {
    let users = secrets(places, vhost)?;
    let mut rest = users.into_keys().filter(|name| after.is_none_or(|after| &**name > after));
    let names: Vec<String> = rest.by_ref().take(limit).collect();
    let items: Vec<Value> =
        names.iter().map(|name| json!({ "vhost": vhost, "name": name })).collect();
    let mut answer = json!({ "items": items });
    if rest.next().is_some()
        && let Some(last) = names.last()
    {
        answer["next"] = last.as_str().into();
    }
    Ok(answer)
}

/// One user.
pub(super) fn user(places: &Places<'_>, vhost: &str, name: &str) -> Result<Value, TaskError> {
    if secrets(places, vhost)?.contains_key(name) {
        return Ok(json!({ "vhost": vhost, "name": name }));
    }
    Err(no_user(vhost, name))
}

pub(super) fn no_user(vhost: &str, name: &str) -> TaskError {
    let message = format!("no user {name:.200?} in vhost {vhost:?}");
    TaskError::new(TaskErrorKind::Missing, message, "names are case sensitive")
}

/// The users of a vhost, and their encoded hashes.
pub(super) fn secrets(
    places: &Places<'_>,
    vhost: &str,
) -> Result<BTreeMap<String, String>, TaskError> {
    let path = places.file(vhost, Kind::Passwords)?;
    let text = read(&path, PASSWORD_FILE_BYTES_MAX)?.unwrap_or_default();
    if text.trim_start().starts_with('{') {
        let message = format!("{} is an export of another broker's definitions", path.display());
        let hint =
            "its users cannot be listed or changed here: change them there, and export again";
        return Err(TaskError::new(TaskErrorKind::Conflict, message, hint));
    }
    let lines = text.lines().map(|line| line.trim_start_matches('\u{feff}').trim());
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let users = lines.filter_map(|line| line.split_once(':'));
    Ok(users.map(|(name, secret)| (name.to_owned(), secret.to_owned())).collect())
}

/// Every vhost.
pub(super) fn vhosts(places: &Places<'_>, policy: &Policy) -> Result<Value, TaskError> {
    let mut vhosts: Vec<(u16, &str)> = policy.vhosts().collect();
    vhosts.sort_by_key(|(_, name)| *name);
    let folders: BTreeMap<String, String> = places.folders().collect();
    let items: Vec<Value> = vhosts
        .into_iter()
        .map(|(number, name)| facts(policy, (number, name), folders.contains_key(name)))
        .collect();
    Ok(json!({ "items": items }))
}

/// One vhost.
pub(super) fn vhost(places: &Places<'_>, policy: &Policy, name: &str) -> Result<Value, TaskError> {
    let found = policy.vhosts().find(|(_, known)| *known == name);
    let found = found.ok_or_else(|| no_vhost(name))?;
    Ok(facts(policy, found, places.folder(name).is_some()))
}

fn facts(policy: &Policy, (number, name): (u16, &str), has_folder: bool) -> Value {
    let limits = limits_json(policy.limits(number));
    json!({ "name": name, "number": number, "has_folder": has_folder, "limits": limits })
}

/// The limits of a vhost.
pub(super) fn limits_of(policy: &Policy, vhost: &str) -> Result<Value, TaskError> {
    let found = policy.vhosts().find(|(_, known)| *known == vhost);
    let (number, _) = found.ok_or_else(|| no_vhost(vhost))?;
    Ok(limits_json(policy.limits(number)))
}

fn limits_json(limits: &VhostLimits) -> Value {
    let values = [
        limits.connections_max,
        limits.sessions_max,
        limits.retained_bytes_max,
        limits.queued_bytes_max,
        limits.publish_rate,
    ];
    let fields = LIMIT_FIELDS.iter().zip(values);
    Value::Object(fields.map(|(name, value)| ((*name).to_owned(), value.into())).collect())
}
