//! Traces in files of the data directory, for use without a connected reader. A file is written
//! while its trace runs and stays until it is deleted.
//!
//! Invariant: there are at most [`TRACE_FILES_MAX`] files of [`TRACE_FILE_BYTES_MAX`] each, and
//! none grows while the disk is low. The admin thread never waits for the disk: blocking tasks do.
//! A name from a request is used only if it has the form of names made here.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::UNIX_EPOCH;

use hyper::StatusCode;
use hyper::body::Bytes;
use jiff::Timestamp;
use log::warn;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::{spawn_blocking, spawn_local};

use crate::limits::{TRACE_CHUNK_BYTES, TRACE_FILE_BYTES_MAX, TRACE_FILES_MAX};

use super::super::actor::Actor;
use super::super::answer::{Answer, Fault, json_of, streamed};
use super::super::query::Query;
use super::super::state::Admin;
use super::super::traces::Running;
use super::reader::{Format, feed};

/// The files contain data of clients.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// The file of a trace, and its name.
pub(super) struct Recording {
    file: File,
    pub(super) name: String,
    format: Format,
}

/// Makes a file for a trace that begins now.
pub(super) async fn create(directory: &Path, id: u64, format: Format) -> Result<Recording, Fault> {
    let (directory, time) = (directory.to_owned(), Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    let name = format!("{time}-{id}.{}", format.ending());
    let path = directory.join(&name);
    let made = spawn_blocking(move || {
        let made = DirBuilder::new().mode(DIRECTORY_MODE).create(&directory);
        made.or_else(|error| match error.kind() {
            ErrorKind::AlreadyExists => Ok(()),
            _ => Err(error),
        })?;
        if names(&directory)?.len() >= TRACE_FILES_MAX {
            return Ok(None);
        }
        OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path).map(Some)
    });
    match made.await.expect("it does not panic") {
        Ok(Some(file)) => Ok(Recording { file, name, format }),
        Ok(None) => {
            let says = format!("there are {TRACE_FILES_MAX} files of traces, and no more may be");
            let fault = Fault::new(StatusCode::CONFLICT, "too_many", says);
            Err(fault.hint("DELETE /api/v1/trace/file deletes one; /api/v1/trace/files lists them"))
        }
        Err(error) => Err(refused(&format!("cannot make the file {name}"), &error)),
    }
}

/// Writes the events of a trace into its file. Returns `None` when the trace ends, or the reason
/// for an earlier end.
pub(super) async fn record(
    admin: &Rc<Admin>,
    running: &Rc<Running>,
    recording: Recording,
) -> Option<&'static str> {
    let Recording { mut file, format, .. } = recording;
    let (sender, mut pieces) = mpsc::channel::<Bytes>(1);
    spawn_local({
        let (admin, running) = (admin.clone(), running.clone());
        async move { feed(&admin, &running, format, sender).await }
    });
    let mut bytes = 0;
    while let Some(piece) = pieces.recv().await {
        bytes += piece.len() as u64;
        if bytes > TRACE_FILE_BYTES_MAX {
            return Some("its file is full");
        }
        if is_disk_low(admin).await {
            return Some("the disk is low");
        }
        let written = spawn_blocking(move || {
            let written = file.write_all(&piece);
            (file, written)
        });
        let (back, written) = written.await.expect("it does not panic");
        file = back;
        if let Err(error) = written {
            warn!("the file of trace {} cannot be written: {error}", running.id);
            return Some("its file cannot be written");
        }
    }
    None
}

/// Whether the disk is low: messages have priority over traces.
async fn is_disk_low(admin: &Admin) -> bool {
    let figures = admin.asker.figures().await;
    figures.iter().flatten().any(|kept| {
        let gauges = &kept.snapshot.gauges;
        gauges.disk_free < gauges.disk_limit
    })
}

/// All files, oldest first.
pub(super) async fn list(admin: &Admin) -> Answer {
    let directory = admin.traces.directory.clone();
    let found = spawn_blocking(move || {
        let mut items = Vec::new();
        for name in names(&directory)? {
            // A file that was deleted meanwhile is left out.
            let Ok(told) = fs::metadata(directory.join(&name)) else { continue };
            let since = told.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let changed = i64::try_from(since.as_secs()).ok();
            let changed = changed.and_then(|seconds| Timestamp::from_second(seconds).ok());
            items.push((name, told.len(), changed.map(|time| time.to_string())));
        }
        Ok(items)
    });
    let found = found.await.expect("it does not panic");
    let found = found.map_err(|error| refused("cannot list the files of traces", &error))?;
    let running = admin.traces.running.borrow();
    let items = found.into_iter().map(|(name, bytes, changed)| {
        let trace = running.iter().find(|it| it.file() == Some(&name)).map(|it| it.id.to_string());
        json!({ "name": name, "bytes": bytes, "changed_at": changed, "trace": trace })
    });
    Ok(json_of(StatusCode::OK, &json!({ "items": items.collect::<Vec<Value>>() })))
}

/// The present content of a file.
pub(super) async fn fetch(admin: &Admin, query: &Query<'_>) -> Answer {
    let (name, format) = named(query)?;
    let path = admin.traces.directory.join(&name);
    let opened = spawn_blocking(move || {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok((file, bytes))
    });
    let (mut file, bytes) = match opened.await.expect("it does not panic") {
        Ok(found) => found,
        Err(error) => return Err(missing_or(&name, &error)),
    };
    let (sender, pieces) = mpsc::channel(1);
    spawn_local(async move {
        let mut left = bytes;
        while left > 0 {
            let read = spawn_blocking(move || {
                let mut piece = Vec::with_capacity(TRACE_CHUNK_BYTES);
                let most = left.min(TRACE_CHUNK_BYTES as u64);
                let read = (&mut file).take(most).read_to_end(&mut piece);
                (file, read.map(|_| piece))
            });
            let (back, read) = read.await.expect("it does not panic");
            file = back;
            // A file that became shorter ends the answer early.
            let Ok(piece) = read.inspect_err(|error| warn!("a file of a trace: {error}")) else {
                return;
            };
            left -= piece.len() as u64;
            if piece.is_empty() || sender.send(piece.into()).await.is_err() {
                return;
            }
        }
    });
    Ok(streamed(format.content_type(), pieces))
}

/// The running trace that writes the file named in a request, if any.
pub(super) fn writer(admin: &Admin, query: &Query<'_>) -> Result<Option<Rc<Running>>, Fault> {
    let (name, _) = named(query)?;
    let running = admin.traces.running.borrow();
    Ok(running.iter().find(|it| it.file() == Some(&name)).cloned())
}

/// Deletes a file.
pub(super) async fn delete(admin: &Admin, query: &Query<'_>, by: &Actor) -> Answer {
    let (name, _) = named(query)?;
    let path = admin.traces.directory.join(&name);
    let deleted = spawn_blocking(move || fs::remove_file(path)).await.expect("it does not panic");
    deleted.map_err(|error| missing_or(&name, &error))?;
    by.audit_of("delete trace file", &name, "deleted");
    Ok(json_of(StatusCode::OK, &json!({ "name": name })))
}

/// The name of the requested file, and its format.
fn named(query: &Query<'_>) -> Result<(String, Format), Fault> {
    let name = query.need("name")?;
    match format_of(name) {
        Some(format) => Ok((name.to_owned(), format)),
        None => Err(no_file(name)),
    }
}

/// The format of a file by its name; `None` if the name is not that of a trace file.
fn format_of(name: &str) -> Option<Format> {
    let (stem, ending) = name.split_once('.')?;
    let is_of_stem = |byte: u8| byte.is_ascii_digit() || b"TZ-".contains(&byte);
    let is_stem = !stem.is_empty() && stem.len() <= 64 && stem.bytes().all(is_of_stem);
    let found = Format::NAMES.into_iter().map(|(_, format)| format);
    found.filter(|_| is_stem).find(|format| format.ending() == ending)
}

/// The names of the trace files in a directory, which may not exist yet.
fn names(directory: &PathBuf) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().into_string();
        names.extend(name.ok().filter(|name| format_of(name).is_some()));
    }
    names.sort_unstable();
    Ok(names)
}

fn no_file(name: &str) -> Fault {
    let says = format!("no file of a trace {name:.100?}");
    Fault::new(StatusCode::NOT_FOUND, "not_found", says).hint("GET /api/v1/trace/files lists them")
}

fn missing_or(name: &str, error: &io::Error) -> Fault {
    match error.kind() {
        ErrorKind::NotFound => no_file(name),
        _ => refused(&format!("the file {name}"), error),
    }
}

fn refused(what: &str, error: &io::Error) -> Fault {
    Fault::new(StatusCode::CONFLICT, "refused_by_system", format!("{what}: {error}"))
        .hint("it is in the directory `traces` of the data directory")
}

#[cfg(test)]
mod tests {
    use super::*;

    // Only names made here are used as paths.
    #[test]
    fn names_are_checked() {
        for (name, is_one) in [
            ("20261130T112300Z-3.pcapng", true),
            ("20261130T112300Z-3.ndjson", true),
            ("20261130T112300Z-12.txt", true),
            ("20261130T112300Z-3.json", false),
            ("20261130T112300Z-3", false),
            (".txt", false),
            ("../admin.token", false),
            ("1.txt/../../admin.token", false),
            ("a.txt", false),
            ("1.txt\0", false),
            ("", false),
        ] {
            assert_eq!(format_of(name).is_some(), is_one, "{name}");
        }
        assert_eq!(format_of(&format!("{}.txt", "1".repeat(65))).map(|_| ()), None);
    }
}
