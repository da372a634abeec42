//! An access control list: what is not allowed is forbidden.
//!
//! The order is Mosquitto's. The section of the client's user is asked first, for a client without
//! user that of the lines before the first `user`: a filter that denies wins, then one that allows,
//! then `permission`. What the section leaves open the patterns decide, again those that deny
//! first. So a pattern cannot deny what the section allows.
//!
//! A client whose user name or client id has a `+` or `#` in it gets nothing from any pattern.

mod parse;
mod reach;
mod section;
mod shape;

use std::collections::HashMap;

use compact_str::CompactString;
use foldhash::fast::FixedState;

use crate::mqtt::{TopicFilter, TopicName};

use super::error::Fault;
use super::permission::Permission;
use section::Section;
use shape::Asker;

/// What a client wants to do with a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// Be sent a message.
    Read,
    /// Publish one.
    Write,
}

/// The rules of one vhost.
#[derive(Default, Debug)]
pub(super) struct Acl {
    users: HashMap<CompactString, Section, FixedState>,
    /// For clients without user.
    anonymous: Section,
    /// For everybody.
    patterns: Section,
}

impl Acl {
    /// Reads a file.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        parse::parse(text)
    }

    /// Gives a user a permission, if the user has none.
    pub(super) fn permit_if_new(&mut self, user: &str, permission: Permission) {
        self.users.entry(user.into()).or_default().permission.get_or_insert(permission);
    }

    /// The permissions of all users.
    pub(super) fn into_permissions(self) -> impl Iterator<Item = (CompactString, Permission)> {
        let users = self.users.into_iter();
        users.filter_map(|(user, section)| Some((user, section.permission?)))
    }

    /// Whether the client may do that.
    pub(super) fn allows(
        &self,
        access: Access,
        user: Option<&str>,
        client_id: &str,
        topic: TopicName<'_>,
    ) -> bool {
        let asker = Asker { user, client_id };
        let decided = self.section(user).and_then(|section| section.decide(access, topic, asker));
        decided.unwrap_or_else(|| {
            !self.patterns.is_empty()
                && !is_dangerous(asker)
                && self.patterns.decide(access, topic, asker) == Some(true)
        })
    }

    /// Whether there is a topic that matches `filter` and that the client may read. Exact: all
    /// rules are looked at together.
    pub(super) fn reaches(
        &self,
        user: Option<&str>,
        client_id: &str,
        filter: TopicFilter<'_>,
    ) -> bool {
        if !filter.is_wildcard() {
            // It is a topic, and the only one it matches.
            let topic = TopicName::parse(filter.as_str());
            return topic.is_ok_and(|topic| self.allows(Access::Read, user, client_id, topic));
        }
        let asker = Asker { user, client_id };
        let patterns = Some(&self.patterns).filter(|_| !is_dangerous(asker));
        reach::reaches(self.section(user), patterns, asker, filter)
    }

    fn section(&self, user: Option<&str>) -> Option<&Section> {
        match user {
            Some(user) => self.users.get(user),
            None => Some(&self.anonymous),
        }
    }
}

/// Whether user name or client id would be a wildcard if it were put into a filter.
fn is_dangerous(asker: Asker<'_>) -> bool {
    let has_wildcard = |text: &str| text.bytes().any(|byte| matches!(byte, b'+' | b'#'));
    asker.user.is_some_and(has_wildcard) || has_wildcard(asker.client_id)
}
