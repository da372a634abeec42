//! Token files, as `--http-tokens` names them: lists, adds and removes tokens. No request is sent:
//! the broker reads the file at the next reload.

use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::rand::{GetRandomFlags, getrandom};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::config::Ctl;
use crate::limits::TOKEN_FILE_BYTES_MAX;
use crate::whole_file::WholeFile;

use super::error::CtlError;
use super::output::{Cell, Form, Output, Table};
use super::text::shown;

/// Bytes of a token, enough that it cannot be guessed.
const TOKEN_BYTES: usize = 32;

const RIGHTS: [&str; 5] = ["metrics", "read", "publish", "operate", "admin"];

/// Executes the verb.
pub(super) fn show(ctl: &Ctl, output: &mut Output) -> Result<(), CtlError> {
    let path = Path::new(ctl.get("file").unwrap_or_default());
    let name = ctl.get("name").unwrap_or_default();
    match ctl.verb.words {
        [_, "add"] => add(ctl, path, name, output),
        [_, "rm"] => {
            change(path, false, |text| {
                let kept: String =
                    text.split_inclusive('\n').filter(|line| !is_of(line, name)).collect();
                match kept.len() == text.len() {
                    true => Err(missing(path, name)),
                    false => Ok(kept),
                }
            })?;
            output.line("taken out; the broker forgets it at the next reload");
            Ok(())
        }
        _ => list(path, output),
    }
}

fn add(ctl: &Ctl, path: &Path, name: &str, output: &mut Output) -> Result<(), CtlError> {
    let (rights, vhost) = (ctl.get("rights").unwrap_or_default(), ctl.get("vhost"));
    let is_plain = |text: &str| {
        !text.is_empty()
            && !text.starts_with('#')
            && !text.contains(':')
            && text.trim() == text
            && !text.chars().any(char::is_control)
    };
    let usage = |says: String| Err(CtlError::Usage(says));
    if !is_plain(name) || !vhost.is_none_or(is_plain) {
        return usage(
            "a name has no colons, no control characters, and does not begin with #".to_owned(),
        );
    }
    if let Some(wrong) = rights.split(',').find(|right| !RIGHTS.contains(&right.trim())) {
        return usage(format!("there is no right {}: {} are", shown(wrong), RIGHTS.join(", ")));
    }
    let mut secret = [0; TOKEN_BYTES];
    let filled = getrandom(&mut secret, GetRandomFlags::empty());
    if filled != Ok(secret.len()) {
        return Err(CtlError::Failed("the system gives no random bytes".to_owned()));
    }
    let token = URL_SAFE_NO_PAD.encode(secret);
    let hash: String =
        Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let vhost = vhost.map(|vhost| format!(":{vhost}")).unwrap_or_default();
    let line = format!("{name}:{hash}:{rights}{vhost}\n");
    change(path, true, |text| {
        if text.lines().any(|line| is_of(line, name)) {
            let says = format!("{}: has a token of {} already", path.display(), shown(name));
            return Err(CtlError::Failed(says));
        }
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        Ok(format!("{text}{end}{line}"))
    })?;
    match output.form() {
        Form::Json => output.json(&json!({ "name": name, "token": token })),
        Form::Terminal | Form::Tabs => output.line(&token),
    }
    output.note("This is the token; it is shown once. The broker takes it at the next reload.");
    Ok(())
}

fn list(path: &Path, output: &mut Output) -> Result<(), CtlError> {
    let text = read(&WholeFile::open(path, false).map_err(|error| failed(path, &error))?, path)?;
    let rows = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let rows = rows.filter_map(|line| {
        let mut parts = line.splitn(4, ':');
        let (name, _hash, rights) = (parts.next()?, parts.next()?, parts.next()?);
        Some((name, rights, parts.next().unwrap_or_default()))
    });
    let rows = rows.map(|(name, rights, vhost)| [name, rights, vhost].map(Cell::text).to_vec());
    Table::new(["name", "rights", "vhost"]).rows(&rows.collect::<Vec<_>>(), output);
    Ok(())
}

/// Whether a line is the token of this name.
fn is_of(line: &str, name: &str) -> bool {
    let line = line.trim();
    !line.starts_with('#') && line.split_once(':').is_some_and(|(own, _)| own == name)
}

fn change(
    path: &Path,
    may_make: bool,
    edit: impl FnOnce(&str) -> Result<String, CtlError>,
) -> Result<(), CtlError> {
    let file = WholeFile::open(path, may_make).map_err(|error| failed(path, &error))?;
    let edited = edit(&read(&file, path)?)?;
    if edited.len() as u64 > TOKEN_FILE_BYTES_MAX {
        let says = format!("{}: would have more than {TOKEN_FILE_BYTES_MAX} bytes", path.display());
        return Err(CtlError::Failed(says));
    }
    file.replace(edited.as_bytes()).map_err(|error| failed(path, &error))
}

fn read(file: &WholeFile, path: &Path) -> Result<String, CtlError> {
    let text = file.read(TOKEN_FILE_BYTES_MAX).map_err(|error| failed(path, &error))?;
    let says = || {
        CtlError::Failed(format!("{}: is too large or no text", shown(&path.display().to_string())))
    };
    text.and_then(|text| String::from_utf8(text).ok()).ok_or_else(says)
}

fn missing(path: &Path, name: &str) -> CtlError {
    let path = shown(&path.display().to_string());
    CtlError::Missing(format!("{path}: has no token of {}", shown(name)))
}

fn failed(path: &Path, error: &io::Error) -> CtlError {
    CtlError::Failed(format!("{}: {error}", shown(&path.display().to_string())))
}
