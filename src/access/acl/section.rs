//! The rules for one user, or for those without a name, compiled.
//!
//! Filters without a wildcard are looked up, however many there are; the others are tried one by
//! one.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::access::permission::Permission;
use crate::mqtt::TopicName;

use super::shape::{Asker, Shape};

/// What a client wants to do with a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::access) enum Access {
    /// Be sent a message.
    Read,
    /// Publish one.
    Write,
}

/// What one user may do and may not.
#[derive(Default, Debug)]
pub(super) struct Section {
    exact: HashMap<Box<str>, Effects, FixedState>,
    others: Vec<(Shape, Effects)>,
    pub(super) permission: Option<Permission>,
}

/// What rules do with the topics that match: a set of the three below.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Effects(u8);

impl Effects {
    pub(super) const READ: Self = Self(1);
    pub(super) const WRITE: Self = Self(2);
    pub(super) const DENY: Self = Self(4);

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl Section {
    pub(super) fn add(&mut self, shape: Shape, effects: Effects) {
        match shape.exact() {
            Some(topic) => {
                let known = self.exact.entry(topic.into()).or_default();
                *known = known.with(effects);
            }
            None => self.others.push((shape, effects)),
        }
    }

    /// Whether no filter is here.
    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.others.is_empty()
    }

    /// What the section says; `None` if nothing. What denies wins.
    pub(super) fn decide(
        &self,
        access: Access,
        topic: TopicName<'_>,
        asker: Asker<'_>,
    ) -> Option<bool> {
        let wanted = match access {
            Access::Read => Effects::READ,
            Access::Write => Effects::WRITE,
        };
        let relevant = wanted.with(Effects::DENY);
        let mut found = Effects::default();
        if !self.exact.is_empty() {
            found = self.exact.get(topic.as_str()).copied().unwrap_or_default();
        }
        for (shape, effects) in &self.others {
            if found.has(Effects::DENY) {
                return Some(false);
            }
            if effects.has(relevant) && shape.matches(topic, asker) {
                found = found.with(*effects);
            }
        }
        if found.has(Effects::DENY) {
            return Some(false);
        }
        let permits = || {
            self.permission.as_ref().is_some_and(|permission| match access {
                Access::Read => permission.may_read(asker.client_id),
                Access::Write => permission.may_write(),
            })
        };
        (found.has(wanted) || permits()).then_some(true)
    }

    /// The filters with such an effect, with `asker` put in; without those that then match
    /// nothing.
    pub(super) fn filled(
        &self,
        effect: Effects,
        asker: Asker<'_>,
    ) -> impl Iterator<Item = Cow<'_, str>> {
        let exact = self.exact.iter().filter(move |(_, effects)| effects.has(effect));
        let others = self.others.iter().filter(move |(_, effects)| effects.has(effect));
        exact
            .map(|(topic, _)| Cow::Borrowed(&**topic))
            .chain(others.filter_map(move |(shape, _)| shape.filled(asker)))
    }
}
