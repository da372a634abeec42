//! The rules of one vhost, and what they decide together.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use compact_str::CompactString;
use foldhash::fast::FixedState;

use crate::access::decision::{Basis, Decision, Place};
use crate::access::permission::Permission;
use crate::mqtt::{TopicFilter, TopicName};

use super::reach;
use super::section::{Access, Origin, Section};
use super::shape::Asker;

/// The rules of one vhost.
#[derive(Default, Debug)]
pub(in crate::access) struct Acl {
    users: HashMap<CompactString, Section, FixedState>,
    /// For clients without a user.
    anonymous: Section,
    /// For all clients.
    patterns: Section,
    /// The location of the rules, and permissions that came with the users.
    file: PathBuf,
    permissions_file: PathBuf,
}

impl Acl {
    /// The rules for one user, or for clients without a user; an empty section is made if missing.
    pub(super) fn section_mut(&mut self, user: Option<&str>) -> &mut Section {
        match user {
            Some(user) => self.users.entry(user.into()).or_default(),
            None => &mut self.anonymous,
        }
    }

    /// The rules for all clients.
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

    /// Sets the location of the rules.
    pub(in crate::access) fn set_file(&mut self, file: &Path) {
        self.file = file.into();
    }

    /// Sets the location of permissions that came with the users.
    pub(in crate::access) fn set_permissions_file(&mut self, file: &Path) {
        self.permissions_file = file.into();
    }

    pub(in crate::access) fn permissions_file(&self) -> PathBuf {
        self.permissions_file.clone()
    }

    /// The decision of [`Acl::allows`], with its rule or permission.
    pub(in crate::access) fn explain(
        &self,
        access: Access,
        user: Option<&str>,
        client_id: &str,
        topic: TopicName<'_>,
    ) -> Decision {
        let asker = Asker { user, client_id };
        let own = self.section(user).and_then(|section| section.explain(access, topic, asker));
        let patterns = || self.patterns.explain(access, topic, asker);
        let decided = own.or_else(|| if is_dangerous(asker) { None } else { patterns() });
        self.decision(decided)
    }

    /// The decision of [`Acl::reaches`], with its rule or permission.
    pub(in crate::access) fn explain_filter(
        &self,
        user: Option<&str>,
        client_id: &str,
        filter: TopicFilter<'_>,
    ) -> Decision {
        if !filter.is_wildcard() {
            return match TopicName::parse(filter.as_str()) {
                Ok(topic) => self.explain(Access::Read, user, client_id, topic),
                Err(_) => self.decision(None),
            };
        }
        let asker = Asker { user, client_id };
        let patterns = Some(&self.patterns).filter(|_| !is_dangerous(asker));
        let origin = reach::reaches(self.section(user), patterns, asker, filter);
        self.decision(origin.map(|origin| (true, origin)))
    }

    fn decision(&self, decided: Option<(bool, Origin)>) -> Decision {
        let Some((is_allowed, origin)) = decided else {
            return Decision { is_allowed: false, basis: Basis::Nothing };
        };
        let basis = match origin {
            Origin::Rule(line) => Basis::Rule(Place { file: self.file.clone(), line: Some(line) }),
            Origin::Permission(line) => {
                let file = if line.is_some() { &self.file } else { &self.permissions_file };
                Basis::Permission(Place { file: file.clone(), line })
            }
        };
        Decision { is_allowed, basis }
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

    /// Whether there is a topic that matches `filter` and that the client may read. The result is
    /// exact: all rules are evaluated together.
    pub(in crate::access) fn reaches(
        &self,
        user: Option<&str>,
        client_id: &str,
        filter: TopicFilter<'_>,
    ) -> bool {
        if !filter.is_wildcard() {
            // It is a topic, and it matches only itself.
            let topic = TopicName::parse(filter.as_str());
            return topic.is_ok_and(|topic| self.allows(Access::Read, user, client_id, topic));
        }
        let asker = Asker { user, client_id };
        let patterns = Some(&self.patterns).filter(|_| !is_dangerous(asker));
        reach::reaches(self.section(user), patterns, asker, filter).is_some()
    }

    /// Whether one rule lets the client read every topic that matches `filter`.
    pub(in crate::access) fn covers(
        &self,
        user: Option<&str>,
        client_id: &str,
        filter: TopicFilter<'_>,
    ) -> bool {
        let asker = Asker { user, client_id };
        let patterns = Some(&self.patterns).filter(|_| !is_dangerous(asker));
        reach::covers_all(self.section(user), patterns, asker, filter)
    }

    fn section(&self, user: Option<&str>) -> Option<&Section> {
        match user {
            Some(user) => self.users.get(user),
            None => Some(&self.anonymous),
        }
    }
}

/// Whether the user name or client id would be a wildcard in a filter.
fn is_dangerous(asker: Asker<'_>) -> bool {
    let has_wildcard = |text: &str| text.bytes().any(|byte| matches!(byte, b'+' | b'#'));
    asker.user.is_some_and(has_wildcard) || has_wildcard(asker.client_id)
}
