//! One vhost: its users, its rules and its limits.

use super::acl::Acl;
use super::limits_file::VhostLimits;
use super::passwords::Users;

/// The name of the vhost that exists without any file.
pub(super) const ROOT: &str = "/";

#[derive(Debug)]
pub(super) struct Vhost {
    pub(super) name: String,
    /// Its durable number.
    pub(super) number: u16,
    /// `None`: the vhost has no users.
    pub(super) users: Option<Users>,
    /// `None`: everything is allowed.
    pub(super) acl: Option<Acl>,
    /// Whether a file of rules is among the sources of the rules.
    pub(super) has_acl_file: bool,
    pub(super) limits: VhostLimits,
}

impl Vhost {
    /// Without users, rules and limits.
    pub(super) fn open(name: &str, number: u16) -> Self {
        let name = name.to_owned();
        let limits = VhostLimits::NONE;
        Self { name, number, users: None, acl: None, has_acl_file: false, limits }
    }
}
