//! `ringmq passwd`: sets or deletes the password of one user in a password file.
//!
//! The file is replaced as a whole ([`WholeFile`]).

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use rustix::rand::{GetRandomFlags, getrandom};

use crate::access::{Mechanism, Secret, check_user_name, is_prepared};
use crate::config::Passwd;
use crate::limits;
use crate::whole_file::WholeFile;

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

/// Asks for a password if one is needed, and changes the file. Returns a sentence about the change.
///
/// # Errors
/// If the user's name, the password or the file is invalid. The file is not changed then.
pub fn run(options: &Passwd) -> Result<String, PasswdError> {
    let (user, file) = (options.user.as_str(), options.file.display());
    check(user)?;
    if options.delete {
        replace(&options.file, user, None)?;
        return Ok(format!("{file}: user {user} is deleted"));
    }
    if options.scram && !is_prepared(user) {
        return Err(error(
            "SCRAM changes this name of a user (SASLprep, RFC 4013); choose one in plain letters",
        ));
    }
    let password = read_new(user, options.stdin)?;
    let secret =
        if options.scram { scram(&password, options.iterations)? } else { hash(&password)? };
    replace(&options.file, user, Some(&secret))?;
    Ok(format!("{file}: the password of user {user} is set"))
}

/// Reads a password for a user: the first line of standard input, or two equal entries at the
/// terminal.
///
/// # Errors
/// If there is none, or it is not a valid password.
pub fn read_new(user: &str, stdin: bool) -> Result<Vec<u8>, PasswdError> {
    if stdin { read_password(io::stdin().lock()) } else { ask_password(user) }
}

/// Checks the name of a user.
///
/// # Errors
/// If a password file cannot contain the name.
pub fn check(user: &str) -> Result<(), PasswdError> {
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

/// The first line, without its line end.
fn read_password(input: impl Read) -> Result<Vec<u8>, PasswdError> {
    // Two bytes more than the bound, for the line end.
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

/// Replaces the line of `user`, or removes it.
fn replace(path: &Path, user: &str, secret: Option<&str>) -> Result<(), PasswdError> {
    let fault = |fault: io::Error| error(format!("{}: {fault}", path.display()));
    let file = WholeFile::open(path, secret.is_some()).map_err(fault)?;
    let max = limits::PASSWORD_FILE_BYTES_MAX;
    let Some(text) = file.read(max).map_err(fault)? else {
        return Err(error(format!("{}: has more than {max} bytes", path.display())));
    };
    let edited = edit_file(text, user, secret);
    let edited = edited.map_err(|says| error(format!("{}: {says}", path.display())))?;
    file.replace(&edited).map_err(fault)
}

/// The text of a password file with a new line for `user`, or without one.
///
/// # Errors
/// If the change is not possible; the text says why.
pub fn edit_file(mut text: Vec<u8>, user: &str, secret: Option<&str>) -> Result<Vec<u8>, String> {
    // A byte order mark, as editors on Windows write it, would become part of the first user's
    // name.
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    if text.trim_ascii_start().starts_with(b"{") {
        let says = "is an export of definitions, and not a password file; export it again";
        return Err(says.to_owned());
    }
    let (text, found) = edit(&text, user, secret);
    if secret.is_none() && !found {
        return Err(format!("there is no user {user:?}"));
    }
    Ok(text)
}

/// The encoded hash of a password, as a password file holds it.
///
/// # Errors
/// If it is too long or empty, or the system gives no random bytes.
pub fn hash(password: &[u8]) -> Result<String, PasswdError> {
    check_password(password)?;
    Ok(Secret::make(password, salt()?).to_string())
}

/// Keys of a password for both mechanisms of SCRAM, as a password file holds them.
fn scram(password: &[u8], iterations: u32) -> Result<String, PasswdError> {
    let password = str::from_utf8(password).map_err(|_| error("the password is no UTF-8"))?;
    let keys = |mechanism| {
        Secret::make_scram(password, mechanism, iterations, &salt()?)
            .map(|secret| secret.to_string())
            .map_err(|invalid| error(format!("the password {invalid}")))
    };
    let both: Result<Vec<String>, PasswdError> = Mechanism::ALL.into_iter().map(keys).collect();
    Ok(both?.join(" "))
}

/// `text` with the line of `user` replaced, added or removed, and whether that line existed before.
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

fn error(says: impl Into<String>) -> PasswdError {
    PasswdError(says.into())
}
