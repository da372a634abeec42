//! Reads the files of a policy. Other files of this room do no file access.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

use crate::limits;

use super::acl::Acl;
use super::definitions::{Definitions, is_export};
use super::error::{Fault, LoadError};
use super::limits_file::VhostLimits;
use super::passwords::Users;
use super::vhost::{ROOT, Vhost};

/// Files of a vhost's directory.
const PASSWORDS: &str = "passwords";
const ACL: &str = "acl";
const LIMITS: &str = "limits";

const VHOSTS_FLAG: &str = "--vhosts";

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The source of a policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sources {
    /// Users of the default vhost.
    pub passwords: Option<PathBuf>,
    /// Rules of the default vhost.
    pub acl: Option<PathBuf>,
    /// A directory with a subdirectory for each vhost.
    pub vhosts: Option<PathBuf>,
    /// The vhost of logins that name none.
    pub default_vhost: String,
    /// Whether clients without a user are accepted by every listener, even if there are users.
    pub allow_anonymous: bool,
    /// Whether a listener takes user names from client certificates.
    pub certificates: bool,
}

impl Default for Sources {
    /// No files.
    fn default() -> Self {
        Self {
            passwords: None,
            acl: None,
            vhosts: None,
            default_vhost: ROOT.to_owned(),
            allow_anonymous: false,
            certificates: false,
        }
    }
}

/// The vhosts that the files describe, with their numbers.
///
/// Without `--vhosts` there is only the default vhost. With it there are the vhosts of its
/// subdirectories; the default vhost exists only if it has a subdirectory, or flags name its files.
pub(super) fn load(
    sources: &Sources,
    number: &mut dyn FnMut(&str) -> Result<u16, String>,
) -> Result<Vec<Vhost>, LoadError> {
    let mut vhosts = match &sources.vhosts {
        Some(directory) => load_directory(directory).map_err(|error| error.of_flag(VHOSTS_FLAG))?,
        None => Vec::new(),
    };
    add_default(&mut vhosts, sources)?;
    let (flag, directory) = match &sources.vhosts {
        Some(directory) => (VHOSTS_FLAG, directory.as_path()),
        None => ("--default-vhost", Path::new(&sources.default_vhost)),
    };
    let mut taken: HashMap<u16, String> = HashMap::new();
    for vhost in &mut vhosts {
        let fault = |says: String| Fault::whole(says).of(directory).of_flag(flag);
        vhost.number = match vhost.name.as_str() {
            ROOT => 0,
            name => number(name).map_err(fault)?,
        };
        if let Some(other) = taken.insert(vhost.number, vhost.name.clone()) {
            let says = format!("vhosts {other:?} and {:?} have the same number", vhost.name);
            return Err(fault(says));
        }
    }
    Ok(vhosts)
}

/// Adds the default vhost, with the files that flags name.
fn add_default(vhosts: &mut Vec<Vhost>, sources: &Sources) -> Result<(), LoadError> {
    let name = sources.default_vhost.as_str();
    let has_flags = sources.passwords.is_some() || sources.acl.is_some();
    let place = match vhosts.iter().position(|vhost| vhost.name == name) {
        Some(place) => place,
        None if sources.vhosts.is_none() || has_flags => {
            vhosts.push(Vhost::open(name, 0));
            vhosts.len() - 1
        }
        None if name == ROOT => {
            log::info!("no vhost \"/\": a login must name its vhost; a folder %2F would be one");
            return Ok(());
        }
        None => {
            let says = format!("has no folder for {name:?}, which --default-vhost names: make it");
            let directory = sources.vhosts.as_deref().expect("without one the vhost was made");
            return Err(Fault::whole(says).of(directory).of_flag(VHOSTS_FLAG));
        }
    };
    let vhost = &mut vhosts[place];
    let twice = |flag: &str, file: &str| {
        Fault::whole(format!(
            "{flag} is for vhost {name:?}, whose folder has {file} as well: keep one of them"
        ))
    };
    if let Some(path) = &sources.passwords {
        if vhost.users.is_some() {
            return Err(twice("--passwords", PASSWORDS).of(path));
        }
        read_users(path, vhost).map_err(|error| error.of_flag("--passwords"))?;
    }
    if let Some(path) = &sources.acl {
        if vhost.has_acl_file {
            return Err(twice("--acl", ACL).of(path));
        }
        read_acl(path, vhost).map_err(|error| error.of_flag("--acl"))?;
    }
    Ok(())
}

/// A vhost for each directory in `directory`, by name.
fn load_directory(directory: &Path) -> Result<Vec<Vhost>, LoadError> {
    let mut vhosts: Vec<Vhost> = Vec::new();
    for name in list(directory)? {
        let path = directory.join(&name);
        if !path.is_dir() {
            log::warn!("{}: left alone, since it is no directory", path.display());
            continue;
        }
        let name = decode_name(&name).map_err(|says| Fault::whole(says).of(&path))?;
        if vhosts.iter().any(|vhost| vhost.name == name) {
            let says = format!("another folder is for vhost {name:?} as well: remove one");
            return Err(Fault::whole(says).of(&path));
        }
        if vhosts.len() == limits::VHOSTS_MAX {
            let says = format!("has more than {} folders of vhosts", limits::VHOSTS_MAX);
            return Err(Fault::whole(says).of(directory));
        }
        vhosts.push(load_vhost(&path, &name)?);
    }
    Ok(vhosts)
}

fn load_vhost(directory: &Path, name: &str) -> Result<Vhost, LoadError> {
    let mut vhost = Vhost::open(name, 0);
    for file in list(directory)? {
        let path = directory.join(&file);
        match file.as_str() {
            PASSWORDS => read_users(&path, &mut vhost)?,
            ACL => read_acl(&path, &mut vhost)?,
            LIMITS => {
                vhost.limits = parse(&path, limits::LIMITS_FILE_BYTES_MAX, VhostLimits::parse)?;
            }
            // A mistyped file name must not leave a vhost without protection.
            _ => {
                let says = "is none of a vhost's files, which are passwords, acl and limits; \
                            rename it or move it away";
                return Err(Fault::whole(says).of(&path));
            }
        }
    }
    Ok(vhost)
}

/// Names in a directory, sorted, without those that begin with a dot or end in `~`: editors and
/// `ringmq passwd` make such files temporarily.
fn list(directory: &Path) -> Result<Vec<String>, LoadError> {
    let fault = |error: io::Error| Fault::unreadable(&error, "directory").of(directory);
    let mut names = Vec::new();
    for entry in directory.read_dir().map_err(fault)? {
        let name = entry.map_err(fault)?.file_name().into_string().map_err(|name| {
            Fault::whole("has a name that is no UTF-8; rename it").of(&directory.join(name))
        })?;
        if !name.starts_with('.') && !name.ends_with('~') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The vhost of a directory, by its percent-encoded name.
///
/// # Errors
/// The fault.
pub fn decode_name(encoded: &str) -> Result<String, String> {
    let is_hex = |at: usize| encoded.as_bytes().get(at).is_some_and(u8::is_ascii_hexdigit);
    let is_encoded = encoded.match_indices('%').all(|(at, _)| is_hex(at + 1) && is_hex(at + 2));
    if !is_encoded {
        return Err("has a % without two hexadecimal digits; % itself is %25".to_owned());
    }
    let name = percent_decode_str(encoded).decode_utf8();
    let name = name.map_err(|_| "is no UTF-8 when it is decoded; rename it".to_owned())?;
    check_vhost_name(&name)?;
    Ok(name.into_owned())
}

/// Checks the name of a vhost.
///
/// # Errors
/// The fault of a vhost's name.
pub fn check_vhost_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > limits::VHOST_NAME_BYTES_MAX {
        return Err(format!("a vhost's name has 1 to {} bytes", limits::VHOST_NAME_BYTES_MAX));
    }
    if name.contains(':') {
        return Err("a vhost's name has no colon: a login is cut at the first one".to_owned());
    }
    if name.chars().any(char::is_control) {
        return Err("a vhost's name has no control character".to_owned());
    }
    Ok(())
}

fn read_users(path: &Path, vhost: &mut Vhost) -> Result<(), LoadError> {
    let found = parse(path, limits::PASSWORD_FILE_BYTES_MAX, |text| {
        if is_export(text) {
            return Definitions::parse(text, &vhost.name);
        }
        Users::parse(text).map(|users| Definitions { users, permissions: None })
    })?;
    let mode = path.metadata().map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o004 != 0 {
        log::warn!("{0}: everybody can read it; `chmod o= {0}` ends that", path.display());
    }
    log::debug!("{}: {} users", path.display(), found.users.len());
    vhost.users = Some(found.users);
    if let Some(permissions) = found.permissions {
        let acl = vhost.acl.get_or_insert_default();
        for (user, permission) in permissions {
            acl.permit_if_new(&user, permission);
        }
        acl.set_permissions_file(path);
    }
    Ok(())
}

/// Rules of the file precede permissions that came with the users.
fn read_acl(path: &Path, vhost: &mut Vhost) -> Result<(), LoadError> {
    let mut acl = parse(path, limits::ACL_FILE_BYTES_MAX, Acl::parse)?;
    acl.set_file(path);
    if let Some(earlier) = vhost.acl.take() {
        acl.set_permissions_file(&earlier.permissions_file());
        for (user, permission) in earlier.into_permissions() {
            acl.permit_if_new(&user, permission);
        }
    }
    vhost.acl = Some(acl);
    vhost.has_acl_file = true;
    Ok(())
}

fn parse<T>(
    path: &Path,
    bytes_max: u64,
    parse: impl Fn(&str) -> Result<T, Fault>,
) -> Result<T, LoadError> {
    let text = read(path, bytes_max).map_err(|fault| fault.of(path))?;
    parse(&text).map_err(|fault| fault.of(path))
}

/// The text of a file.
fn read(path: &Path, bytes_max: u64) -> Result<String, Fault> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes))
        .map_err(|error| Fault::unreadable(&error, "file"))?;
    if bytes.len() as u64 > bytes_max {
        return Err(Fault::whole(format!("has more than {bytes_max} bytes")));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(Fault::whole("is UTF-16; save it as UTF-8"));
    }
    // Editors on Windows write an invisible byte order mark there.
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
        Fault::at(line, "is no UTF-8")
    })
}
