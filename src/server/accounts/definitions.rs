//! Users, rules and limits of all vhosts as one document of JSON.
//!
//! ```json
//! {"vhosts": [{"name": "/", "users": [{"name": "ann", "password_hash": "$7$…"}],
//!              "acl": "topic read a/#\n", "limits": {"max_connections": 10}}]}
//! ```
//! An import replaces the objects that it names: the users, the rules or the limits of a vhost as a
//! whole. It keeps all other objects.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::access::{Policy, Sources};
use crate::admin::{FileFault, LIMIT_FIELDS, TaskError, TaskErrorKind};
use crate::limits::{ACL_FILE_BYTES_MAX, HTTP_DEFINITIONS_BYTES_MAX, VHOSTS_MAX};
use crate::passwd;

use super::changes::limits_text;
use super::file_steps::FileStep;
use super::listing::{limits_of, secrets};
use super::places::{Kind, Places, encoded, read};

/// The folder for validating a document that is not imported.
const CHECKED: &str = "definitions.check";

fn invalid(message: impl Into<String>) -> TaskError {
    TaskError::new(TaskErrorKind::Invalid, message, "")
}

/// The document of the current state.
pub(super) fn export(places: &Places<'_>, policy: &Policy) -> Result<Value, TaskError> {
    let mut names: Vec<&str> = policy.vhosts().map(|(_, name)| name).collect();
    names.sort_unstable();
    let (mut vhosts, mut bytes) = (Vec::new(), 0);
    for name in names {
        let mut vhost = json!({ "name": name });
        // Objects without a file are not exported.
        if places.file(name, Kind::Passwords).is_ok_and(|path| path.exists()) {
            let users = secrets(places, name)?.into_iter();
            let users = users.map(|(name, hash)| json!({ "name": name, "password_hash": hash }));
            vhost["users"] = users.collect::<Vec<_>>().into();
        }
        if let Ok(path) = places.file(name, Kind::Acl)
            && let Some(text) = read(&path, ACL_FILE_BYTES_MAX)?
        {
            vhost["acl"] = text.into();
        }
        if places.file(name, Kind::Limits).is_ok_and(|path| path.exists()) {
            vhost["limits"] = limits_of(policy, name)?;
        }
        bytes += vhost.to_string().len();
        if bytes > HTTP_DEFINITIONS_BYTES_MAX {
            let message = format!("there are more than {HTTP_DEFINITIONS_BYTES_MAX} bytes of them");
            let hint = "copy the files that --passwords, --acl and --vhosts name";
            return Err(TaskError::new(TaskErrorKind::Conflict, message, hint));
        }
        vhosts.push(vhost);
    }
    Ok(json!({ "vhosts": vhosts }))
}

/// One vhost of a document.
struct Definition<'d> {
    name: &'d str,
    passwords: Option<Vec<u8>>,
    acl: Option<Vec<u8>>,
    limits: Option<Vec<u8>>,
}

impl Definition<'_> {
    fn files(self) -> impl Iterator<Item = (Kind, Vec<u8>)> {
        let files =
            [(Kind::Passwords, self.passwords), (Kind::Acl, self.acl), (Kind::Limits, self.limits)];
        files.into_iter().filter_map(|(kind, text)| Some((kind, text?)))
    }
}

/// The steps of an import.
pub(super) fn steps(places: &Places<'_>, document: &Value) -> Result<Vec<FileStep>, TaskError> {
    let mut steps = Vec::new();
    for mut definition in parse(document)? {
        let name = definition.name;
        let has_flags = places.file(name, Kind::Passwords).is_ok();
        if places.folder(name).is_some() || has_flags {
            for (kind, text) in definition.files() {
                steps.push(FileStep::Write(places.file(name, kind)?, text));
            }
            continue;
        }
        let folder = places.new_folder(name)?;
        steps.push(FileStep::Make(folder.clone()));
        // No client can connect to a new vhost before it has users.
        definition.passwords.get_or_insert_default();
        let files = definition.files();
        steps.extend(files.map(|(kind, text)| FileStep::Write(folder.join(file(kind)), text)));
    }
    Ok(steps)
}

fn file(kind: Kind) -> &'static str {
    match kind {
        Kind::Passwords => "passwords",
        Kind::Acl => "acl",
        Kind::Limits => "limits",
    }
}

/// Validates a document as a reload would, without a change.
pub(super) fn check(data_dir: &Path, document: &Value) -> Result<(), TaskError> {
    let directory = data_dir.join(CHECKED);
    let failed = |error: std::io::Error| {
        let message = format!("cannot look at it in {}: {error}", directory.display());
        TaskError::new(TaskErrorKind::System, message, "")
    };
    let _left = fs::remove_dir_all(&directory);
    DirBuilder::new().mode(0o700).create(&directory).map_err(failed)?;
    let checked = check_in(&directory, document);
    fs::remove_dir_all(&directory).map_err(failed)?;
    checked
}

fn check_in(directory: &Path, document: &Value) -> Result<(), TaskError> {
    let mut names = Vec::new();
    for definition in parse(document)? {
        let (name, folder) = (definition.name, directory.join(encoded(definition.name)));
        let written = DirBuilder::new().mode(0o700).create(&folder).and_then(|()| {
            definition.files().try_for_each(|(kind, text)| fs::write(folder.join(file(kind)), text))
        });
        written.map_err(|error| {
            TaskError::new(TaskErrorKind::System, format!("cannot look at it: {error}"), "")
        })?;
        names.push(name);
    }
    let Some(first) = names.first() else { return Ok(()) };
    let sources = Sources {
        vhosts: Some(directory.to_owned()),
        default_vhost: (*first).to_owned(),
        ..Sources::default()
    };
    let mut next = 0;
    let mut number = |_: &str| {
        next += 1;
        Ok(next)
    };
    let Err(error) = Policy::load(&sources, &mut number) else { return Ok(()) };
    let file = error.path.strip_prefix(directory).unwrap_or(&error.path).to_owned();
    let fault = FileFault { file: Some(file), line: error.line, key: None, message: error.says };
    let message = "the broker would not take these definitions";
    Err(TaskError { faults: vec![fault], ..invalid(message) })
}

fn parse(document: &Value) -> Result<Vec<Definition<'_>>, TaskError> {
    let vhosts = document.get("vhosts").and_then(Value::as_array);
    let vhosts =
        vhosts.ok_or_else(|| TaskError::of_field("vhosts", "there is no list `vhosts`", ""))?;
    if vhosts.len() > VHOSTS_MAX {
        return Err(TaskError::of_field(
            "vhosts",
            format!("there are more than {VHOSTS_MAX} vhosts"),
            "",
        ));
    }
    let mut found: Vec<Definition<'_>> = Vec::new();
    for (at, vhost) in vhosts.iter().enumerate() {
        let definition = parse_vhost(vhost);
        let definition = definition
            .map_err(|says| TaskError::of_field("vhosts", format!("vhosts[{at}]: {says}"), ""))?;
        if found.iter().any(|known| known.name == definition.name) {
            return Err(TaskError::of_field(
                "vhosts",
                format!("vhosts[{at}]: this vhost stands here twice"),
                "",
            ));
        }
        found.push(definition);
    }
    Ok(found)
}

fn parse_vhost(vhost: &Value) -> Result<Definition<'_>, String> {
    let fields = vhost.as_object().ok_or("is no object")?;
    let known = ["name", "users", "acl", "limits"];
    if let Some(name) = fields.keys().find(|name| !known.contains(&&***name)) {
        return Err(format!("there is no field {name:.64?}: it has {}", known.join(", ")));
    }
    let name = fields.get("name").and_then(Value::as_str).ok_or("its name is missing")?;
    crate::access::check_vhost_name(name)?;
    let acl = fields.get("acl").map(|acl| acl.as_str().ok_or("acl is a text"));
    Ok(Definition {
        name,
        passwords: fields.get("users").map(parse_users).transpose()?,
        acl: acl.transpose()?.map(|text| text.as_bytes().to_vec()),
        limits: fields.get("limits").map(parse_limits).transpose()?,
    })
}

fn parse_users(users: &Value) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    for (at, user) in users.as_array().ok_or("users is a list")?.iter().enumerate() {
        let field = |field| user.get(field).and_then(Value::as_str);
        let name = field("name").ok_or_else(|| format!("users[{at}]: its name is missing"))?;
        passwd::check(name).map_err(|error| format!("users[{at}]: {error}"))?;
        let hash = field("password_hash")
            .filter(|hash| !hash.contains(['\n', '\r']))
            .ok_or_else(|| format!("users[{at}]: its password_hash is missing"))?;
        text.extend(format!("{name}:{hash}\n").into_bytes());
    }
    Ok(text)
}

fn parse_limits(limits: &Value) -> Result<Vec<u8>, String> {
    let fields: &Map<String, Value> = limits.as_object().ok_or("limits is an object")?;
    if let Some(name) = fields.keys().find(|name| !LIMIT_FIELDS.contains(&&***name)) {
        return Err(format!("{name:.64?} is no limit: {} are", LIMIT_FIELDS.join(", ")));
    }
    let limits: Result<Vec<Option<u64>>, String> = LIMIT_FIELDS
        .iter()
        .map(|name| match fields.get(*name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| format!("{name} is a number")),
        })
        .collect();
    Ok(limits_text(&limits?))
}
