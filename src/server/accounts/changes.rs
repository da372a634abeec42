//! The steps of each change.

use std::fmt::Write as _;

use serde_json::json;

use crate::access::{Policy, check_hash};
use crate::admin::{LIMIT_FIELDS, Password, TaskError, TaskErrorKind};
use crate::limits::PASSWORD_FILE_BYTES_MAX;
use crate::passwd;

use super::file_steps::FileStep;
use super::listing::{no_user, secrets};
use super::places::{Kind, Places, no_vhost, read};
use super::work::Work;

fn invalid(message: impl Into<String>) -> TaskError {
    TaskError::new(TaskErrorKind::Invalid, message, "")
}

/// The encoded hash of a password, as a password file holds it.
pub(super) fn secret_of(password: &Password) -> Result<String, TaskError> {
    match password {
        Password::Plain(plain) => {
            let hash = passwd::hash(plain.as_bytes());
            hash.map_err(|error| TaskError::of_field("password", error.to_string(), ""))
        }
        Password::Hash(hash) => match check_hash(hash) {
            Ok(()) => Ok(hash.clone()),
            Err(error) => {
                Err(TaskError::of_field("password_hash", format!("password_hash {error}"), ""))
            }
        },
    }
}

pub(super) fn put_user(
    places: &Places<'_>,
    (vhost, name): (&str, &str),
    password: &Password,
) -> Result<Work, TaskError> {
    passwd::check(name).map_err(|error| TaskError::of_field("name", error.to_string(), ""))?;
    let created = !secrets(places, vhost)?.contains_key(name);
    let secret = secret_of(password)?;
    let step = edited(places, vhost, name, Some(&secret))?;
    Ok(Work::Change(vec![step], json!({ "vhost": vhost, "name": name, "created": created })))
}

pub(super) fn delete_user(places: &Places<'_>, vhost: &str, name: &str) -> Result<Work, TaskError> {
    if !secrets(places, vhost)?.contains_key(name) {
        return Err(no_user(vhost, name));
    }
    let step = edited(places, vhost, name, None)?;
    Ok(Work::Change(vec![step], json!({ "deleted": true })))
}

fn edited(
    places: &Places<'_>,
    vhost: &str,
    name: &str,
    secret: Option<&str>,
) -> Result<FileStep, TaskError> {
    let path = places.file(vhost, Kind::Passwords)?;
    let text = read(&path, PASSWORD_FILE_BYTES_MAX)?.unwrap_or_default();
    let text = passwd::edit_file(text.into_bytes(), name, secret);
    let text = text.map_err(|says| invalid(format!("{}: {says}", path.display())))?;
    Ok(FileStep::Write(path, text))
}

/// A new vhost has an empty password file, so no client can connect until a user is added.
pub(super) fn put_vhost(
    places: &Places<'_>,
    policy: &Policy,
    name: &str,
) -> Result<Work, TaskError> {
    let mut answer = json!({ "name": name, "created": false });
    if places.folder(name).is_some() {
        return Ok(Work::Told(answer));
    }
    let folder = places.new_folder(name)?;
    let is_there = policy.vhosts().any(|(_, known)| known == name);
    answer["created"] = (!is_there).into();
    let mut steps = vec![FileStep::Make(folder.clone())];
    if !is_there {
        steps.push(FileStep::Write(folder.join("passwords"), Vec::new()));
    }
    Ok(Work::Change(steps, answer))
}

pub(super) fn delete_vhost(places: &Places<'_>, name: &str) -> Result<Work, TaskError> {
    places.directory()?;
    let folder = places.folder(name).ok_or_else(|| no_vhost(name))?;
    Ok(Work::Change(vec![FileStep::Remove(folder)], json!({ "deleted": true })))
}

/// Limits as their file has them.
pub(super) fn limits_text(limits: &[Option<u64>]) -> Vec<u8> {
    let given = LIMIT_FIELDS.iter().zip(limits).filter_map(|(name, limit)| Some((name, (*limit)?)));
    let mut text = String::new();
    for (name, limit) in given {
        let _infallible = writeln!(text, "{} = {limit}", name.replace('_', "-"));
    }
    text.into_bytes()
}

pub(super) fn put_limits(
    places: &Places<'_>,
    vhost: &str,
    limits: &[Option<u64>],
) -> Result<Work, TaskError> {
    let path = places.file(vhost, Kind::Limits)?;
    let fields = LIMIT_FIELDS.iter().zip(limits);
    let fields = fields.map(|(name, limit)| ((*name).to_owned(), (*limit).into())).collect();
    let step = FileStep::Write(path, limits_text(limits));
    Ok(Work::Change(vec![step], serde_json::Value::Object(fields)))
}

pub(super) fn delete_limits(places: &Places<'_>, vhost: &str) -> Result<Work, TaskError> {
    let path = places.file(vhost, Kind::Limits)?;
    let answer = json!({ "deleted": true });
    match path.exists() {
        true => Ok(Work::Change(vec![FileStep::Remove(path)], answer)),
        false => Ok(Work::Told(json!({ "deleted": false }))),
    }
}
