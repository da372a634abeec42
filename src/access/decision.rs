//! A decision and its reason, for an operator who asks why.

use std::path::PathBuf;

/// Whether a client may do something, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// It may.
    pub is_allowed: bool,
    /// Why.
    pub basis: Basis,
}

/// The reason of a decision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Basis {
    /// There is no such vhost.
    NoVhost,
    /// The vhost has no rules: everything is allowed.
    NoRules,
    /// A rule says so.
    Rule(Place),
    /// The user's permission says so.
    Permission(Place),
    /// No rule and no permission applies: access that is not allowed is denied.
    Nothing,
}

/// The location of a rule or permission.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; none: the file has no lines that mean anything.
    pub line: Option<u32>,
}
