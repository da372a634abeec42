//! Reads the files of a policy. The only file of the room that touches any.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::limits;

use super::acl::Acl;
use super::error::{Fault, LoadError};
use super::passwords::Users;
use super::policy::ROOT;
use super::vhost::Vhost;

/// Where a policy comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sources {
    /// Users of the default vhost.
    pub passwords: Option<PathBuf>,
    /// Rules of the default vhost.
    pub acl: Option<PathBuf>,
    /// A directory with one for each vhost.
    pub vhosts: Option<PathBuf>,
    /// The vhost of logins that name none.
    pub default_vhost: String,
    /// Whether clients without user come in by every door, and where there are users.
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
pub(super) fn load(
    sources: &Sources,
    number: &mut dyn FnMut(&str) -> Result<u16, String>,
) -> Result<Vec<Vhost>, LoadError> {
    let mut vhost = Vhost::open(&sources.default_vhost, 0);
    if let Some(path) = &sources.passwords {
        vhost.users = Some(read_users(path)?);
    }
    if let Some(path) = &sources.acl {
        vhost.acl = Some(parse(path, limits::ACL_FILE_BYTES_MAX, Acl::parse)?);
    }
    let mut vhosts = vec![vhost];
    for vhost in &mut vhosts {
        if vhost.name != ROOT {
            let path = sources.vhosts.as_deref().unwrap_or(Path::new("--default-vhost"));
            vhost.number = number(&vhost.name).map_err(|says| Fault::whole(says).of(path))?;
        }
    }
    Ok(vhosts)
}

fn read_users(path: &Path) -> Result<Users, LoadError> {
    let users = parse(path, limits::PASSWORD_FILE_BYTES_MAX, Users::parse)?;
    let mode = path.metadata().map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o004 != 0 {
        log::warn!("{}: everybody can read it; chmod o-r {0} ends that", path.display());
    }
    log::debug!("{}: {} users", path.display(), users.len());
    Ok(users)
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
        .map_err(|error| Fault::whole(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > bytes_max {
        return Err(Fault::whole(format!("has more than {bytes_max} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
        Fault::at(line, "is no UTF-8")
    })
}
