//! A decision and its reason, for operators.

use std::path::PathBuf;

/// Whether a client may do something, and the reason.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Whether it is allowed.
    pub is_allowed: bool,
    /// The reason.
    pub basis: Basis,
}

/// The reason of a decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Basis {
    /// There is no such vhost.
    NoVhost,
    /// The vhost has no rules: everything is allowed.
    NoRules,
    /// A rule decides.
    Rule(Place),
    /// The user's permission decides.
    Permission(Place),
    /// No rule and no permission applies: access that is not allowed is denied.
    Nothing,
}

/// The location of a rule or permission.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; `None` if the file is an export, without useful lines.
    pub line: Option<u32>,
}
