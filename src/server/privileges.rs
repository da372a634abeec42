//! The user of the process: resolves names to numbers, and gives up root.
//!
//! The user is changed before there is a second thread, and it is permanent.

use std::ffi::CString;
use std::fmt;
use std::io;

use log::info;
use nix::unistd::{Gid, Group, Uid, User, geteuid, initgroups, setresgid, setresuid};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::config::Owner;

/// Why the process cannot change to the requested user.
#[derive(Debug)]
pub enum PrivilegeError {
    /// There is no such user or group: the flag, the kind, the name.
    Unknown(&'static str, &'static str, String),
    /// Only root may change to another user.
    NotRoot(String),
    /// The system refused an operation: the flag, the operation, and why.
    System(&'static str, &'static str, io::Error),
}

impl fmt::Display for PrivilegeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(flag, kind, name) => {
                write!(f, "{flag}: there is no {kind} {name:?}; make one or name another")
            }
            Self::NotRoot(name) => write!(
                f,
                "--user {name}: only root can become another user; start as root, or as {name} \
                 and without --user"
            ),
            Self::System(flag, what, error) => write!(f, "{flag}: cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for PrivilegeError {}

/// The user to change to.
pub(super) struct Account {
    pub(super) name: String,
    uid: Uid,
    gid: Gid,
}

impl Account {
    /// The user of this name or number.
    pub(super) fn find(name: &str) -> Result<Self, PrivilegeError> {
        let user = find_user("--user", name)?;
        Ok(Self { name: user.name, uid: user.uid, gid: user.gid })
    }

    /// Whether this process could change to this user.
    pub(super) fn check(&self) -> Result<(), PrivilegeError> {
        match geteuid() == self.uid || geteuid().is_root() {
            true => Ok(()),
            false => Err(PrivilegeError::NotRoot(self.name.clone())),
        }
    }

    /// Changes to this user and its groups permanently. If it is the current user, nothing changes.
    pub(super) fn assume(&self) -> Result<(), PrivilegeError> {
        if geteuid() == self.uid {
            return Ok(());
        }
        self.check()?;
        // Rings use locked memory, and only root may use it without a limit.
        let unlimited = Rlimit { current: None, maximum: None };
        if let Err(error) = setrlimit(Resource::Memlock, unlimited) {
            info!("the limit of locked memory stays as it is: {error}");
        }
        let refused =
            |what| move |error: nix::Error| PrivilegeError::System("--user", what, error.into());
        let name = CString::new(self.name.clone()).expect("a name that was found has no NUL");
        initgroups(&name, self.gid).map_err(refused("take the user's groups"))?;
        setresgid(self.gid, self.gid, self.gid).map_err(refused("take the user's group"))?;
        setresuid(self.uid, self.uid, self.uid).map_err(refused("become the user"))?;
        assert!(setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_err());
        Ok(())
    }
}

/// The user that this process runs as, by name if there is one.
pub(super) fn own_name() -> String {
    let uid = geteuid();
    let named = User::from_uid(uid).ok().flatten().map(|user| user.name);
    named.unwrap_or_else(|| format!("user {uid}"))
}

/// Gives up privileges of set-user-ID programs, which the broker never starts. Existing threads
/// keep them. Changing the user remains possible.
///
/// # Errors
/// If the system refuses it.
pub(super) fn forbid_new() -> io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}

/// The numbers of an owner; `None` where it is not changed.
pub(super) fn resolve(
    owner: &Owner,
) -> Result<(Option<rustix::fs::Uid>, Option<rustix::fs::Gid>), PrivilegeError> {
    let flag = "--unix-owner";
    let user = owner.user.as_deref().map(|name| find_user(flag, name)).transpose()?;
    let group = owner.group.as_deref().map(|name| find_group(flag, name)).transpose()?;
    let uid = user.map(|user| rustix::fs::Uid::from_raw(user.uid.as_raw()));
    let gid = group.map(|group| rustix::fs::Gid::from_raw(group.gid.as_raw()));
    Ok((uid, gid))
}

fn find_user(flag: &'static str, name: &str) -> Result<User, PrivilegeError> {
    let refused =
        |error: nix::Error| PrivilegeError::System(flag, "look the user up", error.into());
    let found = match name.parse() {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(_) => User::from_name(name),
    };
    let unknown = || PrivilegeError::Unknown(flag, "user", name.to_owned());
    found.map_err(refused)?.ok_or_else(unknown)
}

fn find_group(flag: &'static str, name: &str) -> Result<Group, PrivilegeError> {
    let refused =
        |error: nix::Error| PrivilegeError::System(flag, "look the group up", error.into());
    let found = match name.parse() {
        Ok(number) => Group::from_gid(Gid::from_raw(number)),
        Err(_) => Group::from_name(name),
    };
    let unknown = || PrivilegeError::Unknown(flag, "group", name.to_owned());
    found.map_err(refused)?.ok_or_else(unknown)
}
