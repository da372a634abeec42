//! The rules of one vhost, and what they decide together.

use std::collections::HashMap;

use compact_str::CompactString;
use foldhash::fast::FixedState;

use crate::access::permission::Permission;
use crate::mqtt::{TopicFilter, TopicName};

use super::reach;
use super::section::{Access, Section};
use super::shape::Asker;

/// The rules of one vhost.
#[derive(Default, Debug)]
pub(in crate::access) struct Acl {
    users: HashMap<CompactString, Section, FixedState>,
    /// For clients without user.
    anonymous: Section,
    /// For everybody.
    patterns: Section,
}

impl Acl {
    /// The rules for one user, or for clients without user; new ones if there are none.
    pub(super) fn section_mut(&mut self, user: Option<&str>) -> &mut Section {
        match user {
            Some(user) => self.users.entry(user.into()).or_default(),
            None => &mut self.anonymous,
        }
    }

    /// The rules for everybody.
    pub(super) fn patterns_mut(&mut self) -> &mut Section {
        &mut self.patterns
    }

    /// Gives a user a permission, if the user has none.
    pub(in crate::access) fn permit_if_new(&mut self, user: &str, permission: Permission) {
        self.section_mut(Some(user)).permission.get_or_insert(permission);
    }

    /// The permissions of all users.
    pub(in crate::access) fn into_permissions(
        self,
    ) -> impl Iterator<Item = (CompactString, Permission)> {
        let users = self.users.into_iter();
        users.filter_map(|(user, section)| Some((user, section.permission?)))
    }

    /// Whether the client may do that.
    pub(in crate::access) fn allows(
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
    pub(in crate::access) fn reaches(
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
