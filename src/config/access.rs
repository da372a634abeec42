//! Flags of access control.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use crate::access::Sources;
use crate::limits;

/// Flags of access control.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Users and hashes of their passwords.
    ///
    /// The file is as mosquitto_passwd or `ringmq passwd` write it, or an export of RabbitMQ's or
    /// LavinMQ's definitions. If there are no users, clients may connect only through listeners
    /// that other hosts cannot reach.
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    pub passwords: Option<PathBuf>,

    /// What each user may publish and subscribe to, in Mosquitto's syntax.
    ///
    /// An action that no rule of the file allows is forbidden.
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    pub acl: Option<PathBuf>,

    /// Consumer groups that exist without members, with their options.
    ///
    /// A line `group NAME FILTER` declares one; lines of `key = value` below it are about it:
    /// `order`, `max-bytes`, `expiry`, `dead-letter`, `max-deliveries`. What is published waits in
    /// such a group also while it has no members.
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    pub groups: Option<PathBuf>,

    /// Directory with one subdirectory for each vhost.
    ///
    /// A subdirectory's name is the percent-encoded name of its vhost. It holds the vhost's own
    /// files `passwords`, `acl`, `limits` and `groups`.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Access")]
    pub vhosts: Option<PathBuf>,

    /// Vhost of clients whose user name is not VHOST:USER; the files of flags are for it
    #[arg(
        long = "default-vhost",
        value_name = "NAME",
        default_value = "/",
        value_parser = parse_vhost,
        help_heading = "Access"
    )]
    pub default_vhost: String,

    /// Let clients without a user connect through every listener, even if there are users
    #[arg(long = "allow-anonymous", help_heading = "Access")]
    pub allow_anonymous: bool,

    /// Wrong passwords from one address within a minute; further logins from it are refused. 0: no
    /// limit.
    ///
    /// The broker refuses such a login without verifying its password. Loopback addresses and Unix
    /// sockets are exempt.
    #[arg(
        long = "auth-failures-max",
        value_name = "N",
        default_value_t = limits::AUTH_FAILURES_DEFAULT,
        help_heading = "Access"
    )]
    pub auth_failures_max: u32,

    /// What happens to a message that its publisher is not allowed to publish
    #[arg(
        long = "on-denied",
        value_enum,
        value_name = "WHAT",
        default_value_t = OnDenied::Drop,
        help_heading = "Access"
    )]
    pub on_denied: OnDenied,

    /// Which clients may take over a client id that is in use, and its session
    #[arg(
        long,
        value_enum,
        value_name = "WHO",
        default_value_t = Takeover::SameUser,
        help_heading = "Access"
    )]
    pub takeover: Takeover,
}

/// What happens to a message that its publisher is not allowed to publish.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDenied {
    /// The message is acknowledged, dropped and counted
    Drop,
    /// The publisher is disconnected
    Disconnect,
}

/// Which clients may take over a client id that is in use.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// A client of the same user; an anonymous client if the other one is anonymous too
    SameUser,
    /// Any client of the vhost
    Any,
}

impl Access {
    /// The sources of the access policy. `certificates`: whether a listener takes user names from
    /// client certificates.
    pub fn sources(&self, certificates: bool) -> Sources {
        Sources {
            passwords: self.passwords.clone(),
            acl: self.acl.clone(),
            groups: self.groups.clone(),
            vhosts: self.vhosts.clone(),
            default_vhost: self.default_vhost.clone(),
            allow_anonymous: self.allow_anonymous,
            certificates,
        }
    }
}

fn parse_vhost(text: &str) -> Result<String, String> {
    crate::access::check_vhost_name(text).map(|()| text.to_owned())
}
