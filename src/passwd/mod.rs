//! `ringmq passwd`: sets or deletes the password of one user in a password file.
//!
//! The file is replaced as a whole: whoever reads it meanwhile, a broker that reloads, sees the old
//! one or the new one. Who changes it holds a lock on it, and one that finds, once it has the lock,
//! that the file was replaced begins again with the new one.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::rand::{GetRandomFlags, getrandom};

use crate::access::{Secret, check_user_name};
use crate::config::Passwd;
use crate::limits;

#[cfg(test)]
mod tests;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Why nothing was changed, and what to do.
#[derive(Debug)]
pub struct PasswdError(String);

impl fmt::Display for PasswdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PasswdError {}

/// Asks for a password if it needs one, and changes the file. Gives what it has done as a sentence.
///
/// # Errors
/// What is wrong with the user's name, the password or the file, which is then as it was.
pub fn run(options: &Passwd) -> Result<String, PasswdError> {
    let (user, file) = (options.user.as_str(), options.file.display());
    check(user)?;
    if options.delete {
        replace(&options.file, user, None)?;
        return Ok(format!("{file}: user {user} is deleted"));
    }
    let password =
        if options.stdin { read_password(io::stdin().lock())? } else { ask_password(user)? };
    let secret = Secret::make(&password, salt()?).to_string();
    replace(&options.file, user, Some(&secret))?;
    Ok(format!("{file}: the password of user {user} is set"))
}

fn check(user: &str) -> Result<(), PasswdError> {
    if user.contains(':') {
        return Err(error(
            "the name of a user has no colon: each vhost has a file of its own, without its name",
        ));
    }
    if user.starts_with('#') || user.trim() != user {
        return Err(error(
            "the name of a user has no # or space at its beginning, none at its end",
        ));
    }
    check_user_name(user).map_err(|_| {
        let max = limits::USER_NAME_BYTES_MAX;
        error(format!("the name of a user has 1 to {max} bytes and no control characters"))
    })
}

fn ask_password(user: &str) -> Result<Vec<u8>, PasswdError> {
    let ask = |prompt: String| {
        rpassword::prompt_password(prompt).map_err(|fault| {
            error(format!("cannot ask for a password: {fault}; --stdin reads it from a pipe"))
        })
    };
    let password = ask(format!("Password of {user}: "))?;
    check_password(password.as_bytes())?;
    if ask("Once more: ".to_owned())? != password {
        return Err(error("the two passwords differ; nothing was changed"));
    }
    Ok(password.into_bytes())
}

/// The first line, without its end.
fn read_password(input: impl Read) -> Result<Vec<u8>, PasswdError> {
    // Two more than there may be: for the end of the line.
    let bytes_max = limits::PASSWORD_BYTES_MAX as u64 + 2;
    let mut password = Vec::new();
    BufReader::new(input.take(bytes_max))
        .read_until(b'\n', &mut password)
        .map_err(|fault| error(format!("cannot read the password: {fault}")))?;
    if password.pop_if(|byte| *byte == b'\n').is_some() {
        password.pop_if(|byte| *byte == b'\r');
    }
    check_password(&password)?;
    Ok(password)
}

fn check_password(password: &[u8]) -> Result<(), PasswdError> {
    let max = limits::PASSWORD_BYTES_MAX;
    if !(1..=max).contains(&password.len()) {
        return Err(error(format!("a password has 1 to {max} bytes")));
    }
    Ok(())
}

fn salt() -> Result<[u8; 16], PasswdError> {
    let mut salt = [0; 16];
    match getrandom(&mut salt, GetRandomFlags::empty()) {
        Ok(16) => Ok(salt),
        Ok(_) => Err(error("the system gives no random bytes")),
        Err(fault) => Err(error(format!("the system gives no random bytes: {fault}"))),
    }
}

/// Puts a line for `user` in place of the one there is, or takes that one away.
fn replace(path: &Path, user: &str, secret: Option<&str>) -> Result<(), PasswdError> {
    let fault = |fault: io::Error| error(format!("{}: {fault}", path.display()));
    let (path, locked) = lock(path, secret.is_some()).map_err(fault)?;
    let mut text = Vec::new();
    (&locked).take(limits::PASSWORD_FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(fault)?;
    if text.len() as u64 > limits::PASSWORD_FILE_BYTES_MAX {
        let max = limits::PASSWORD_FILE_BYTES_MAX;
        return Err(error(format!("{}: has more than {max} bytes", path.display())));
    }
    // The mark that editors of Windows put there would be part of the first user's name.
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    if text.trim_ascii_start().starts_with(b"{") {
        let says = "is an export of definitions, and not a password file; export it again";
        return Err(error(format!("{}: {says}", path.display())));
    }
    let (text, found) = edit(&text, user, secret);
    if secret.is_none() && !found {
        return Err(error(format!("{}: there is no user {user:?}", path.display())));
    }
    write_whole(&path, &locked, &text).map_err(fault)
}

/// `text` with the line of `user` replaced, added or taken away, and whether there was one.
fn edit(text: &[u8], user: &str, secret: Option<&str>) -> (Vec<u8>, bool) {
    let line = secret.map(|secret| format!("{user}:{secret}\n").into_bytes());
    let is_users = |line: &[u8]| {
        let name = line.trim_ascii_start().strip_prefix(user.as_bytes());
        name.is_some_and(|rest| rest.first() == Some(&b':'))
    };
    let mut edited = Vec::with_capacity(text.len() + line.as_ref().map_or(0, Vec::len) + 1);
    let mut found = false;
    for old in text.split_inclusive(|&byte| byte == b'\n') {
        match &line {
            _ if !is_users(old) => edited.extend_from_slice(old),
            Some(line) if !found => edited.extend_from_slice(line),
            _ => {}
        }
        found |= is_users(old);
    }
    if let Some(line) = line.filter(|_| !found) {
        if edited.last().is_some_and(|&byte| byte != b'\n') {
            edited.push(b'\n');
        }
        edited.extend_from_slice(&line);
    }
    (edited, found)
}

/// Opens and locks the file, and makes it if it is missing and `may_make`. Its path comes back
/// without symbolic links, so that what they lead to is replaced and not they.
fn lock(path: &Path, may_make: bool) -> io::Result<(PathBuf, File)> {
    loop {
        // Read by nobody else from the moment it is there.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(may_make)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        file.lock()?;
        let path = fs::canonicalize(path);
        let is_same = |path: &PathBuf| match (fs::metadata(path), file.metadata()) {
            (Ok(there), Ok(here)) => (there.dev(), there.ino()) == (here.dev(), here.ino()),
            _ => false,
        };
        if let Some(path) = path.ok().filter(is_same) {
            return Ok((path, file));
        }
    }
}

/// Writes `text` beside the file and puts it in its place, with its mode and its owner.
fn write_whole(path: &Path, old: &File, text: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Whoever reads a directory of a vhost leaves names with a dot alone.
    let beside = path.with_file_name(format!(".{name}.new"));
    // Left by one that was killed: nobody else is here, since the file is locked.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = fill(&new, old, text).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // It is of no use to anybody; the first error is the one to tell.
        let _ = fs::remove_file(&beside);
        return written;
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    File::open(directory)?.sync_all()
}

fn fill(mut new: &File, old: &File, text: &[u8]) -> io::Result<()> {
    new.write_all(text)?;
    let (is, was) = (new.metadata()?, old.metadata()?);
    if (is.uid(), is.gid()) != (was.uid(), was.gid()) {
        fchown(new, Some(was.uid()), Some(was.gid()))?;
    }
    new.set_permissions(was.permissions())?;
    new.sync_all()
}

fn error(says: impl Into<String>) -> PasswdError {
    PasswdError(says.into())
}
