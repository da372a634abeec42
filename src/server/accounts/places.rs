//! The paths of each vhost's files.

use std::fs;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::access::{check_vhost_name, decode_vhost_name};
use crate::admin::{TaskError, TaskErrorKind};
use crate::config::{Access, Options};

/// Characters that a folder's name contains unencoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// Files of a vhost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Passwords,
    Acl,
    Limits,
}

impl Kind {
    fn file(self) -> &'static str {
        match self {
            Self::Passwords => "passwords",
            Self::Acl => "acl",
            Self::Limits => "limits",
        }
    }
}

/// The paths of the files of all vhosts.
pub(super) struct Places<'a> {
    access: &'a Access,
}

impl<'a> Places<'a> {
    pub(super) fn new(options: &'a Options) -> Self {
        Self { access: &options.access }
    }

    /// The vhost of logins without a vhost.
    pub(super) fn default_vhost(&self) -> &str {
        &self.access.default_vhost
    }

    /// The directory of vhosts.
    pub(super) fn directory(&self) -> Result<&Path, TaskError> {
        self.access.vhosts.as_deref().ok_or_else(|| {
            let message = "the broker has no directory of vhosts";
            let hint = "start it with --vhosts DIR";
            TaskError::new(TaskErrorKind::Conflict, message, hint)
        })
    }

    /// The folder of a vhost, if it has one.
    pub(super) fn folder(&self, vhost: &str) -> Option<PathBuf> {
        let directory = self.access.vhosts.as_deref()?;
        self.folders().find(|(name, _)| name == vhost).map(|(_, folder)| directory.join(folder))
    }

    /// Every vhost with a folder, and the folder's name.
    pub(super) fn folders(&self) -> impl Iterator<Item = (String, String)> {
        let entries = self.access.vhosts.iter().flat_map(fs::read_dir).flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let names = names.filter(|name| !name.starts_with('.') && !name.ends_with('~'));
        names.filter_map(|folder| Some((decode_vhost_name(&folder).ok()?, folder)))
    }

    /// The folder that a vhost would have.
    pub(super) fn new_folder(&self, vhost: &str) -> Result<PathBuf, TaskError> {
        check_vhost_name(vhost)
            .map_err(|says| TaskError::of_field("vhost", format!("vhost: {says}"), ""))?;
        Ok(self.directory()?.join(encoded(vhost)))
    }

    /// The file of a vhost, which may be missing.
    pub(super) fn file(&self, vhost: &str, kind: Kind) -> Result<PathBuf, TaskError> {
        let is_default = vhost == self.default_vhost();
        let of_flag = match kind {
            Kind::Passwords => &self.access.passwords,
            Kind::Acl => &self.access.acl,
            Kind::Limits => &None,
        };
        if let Some(path) = of_flag.as_ref().filter(|_| is_default) {
            return Ok(path.clone());
        }
        if let Some(folder) = self.folder(vhost) {
            return Ok(folder.join(kind.file()));
        }
        if self.access.vhosts.is_some() {
            let message = format!("no folder of --vhosts is for vhost {vhost:?}");
            let hint = "PUT /api/v1/vhost makes one";
            return Err(TaskError::new(TaskErrorKind::Missing, message, hint));
        }
        if !is_default {
            return Err(no_vhost(vhost));
        }
        let message = format!("no file has the {} of vhost {vhost:?}", kind.file());
        let hint = match kind {
            Kind::Passwords => "start the broker with --passwords FILE or --vhosts DIR",
            Kind::Acl => "start the broker with --acl FILE or --vhosts DIR",
            Kind::Limits => "start the broker with --vhosts DIR",
        };
        Err(TaskError::new(TaskErrorKind::Conflict, message, hint))
    }
}

/// The name of a vhost's folder.
pub(super) fn encoded(vhost: &str) -> String {
    utf8_percent_encode(vhost, ENCODED).to_string()
}

pub(super) fn no_vhost(vhost: &str) -> TaskError {
    let message = format!("no vhost {vhost:.255?}");
    TaskError::new(TaskErrorKind::Missing, message, "GET /api/v1/vhosts lists them")
}

/// The text of a file of bounded size; `None` if there is no such file.
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<Option<String>, TaskError> {
    use std::io::Read;
    let failed = |says: String| {
        let message = format!("{}: {says}", path.display());
        TaskError::new(TaskErrorKind::System, message, "look at the file by hand")
    };
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(format!("cannot be read: {error}"))),
        Ok(file) => file,
    };
    let mut text = String::new();
    let read = file.take(bytes_max + 1).read_to_string(&mut text);
    read.map_err(|error| failed(format!("cannot be read: {error}")))?;
    if text.len() as u64 > bytes_max {
        return Err(failed(format!("has more than {bytes_max} bytes")));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    // A folder's name identifies its vhost, whatever its characters, and never begins with a dot.
    #[test]
    fn folders_stand_for_vhosts() {
        for vhost in ["/", "shop-1", ".hidden", "a~", "ä/ü", "a b", ".."] {
            let folder = encoded(vhost);
            assert_eq!(decode_vhost_name(&folder).as_deref(), Ok(vhost), "{folder}");
            assert!(!folder.starts_with('.') && !folder.contains('/'), "{folder}");
            assert!(!folder.ends_with('~'), "{folder}");
        }
    }
}
