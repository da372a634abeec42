//! The rules for one user, or for those without a name, compiled.
//!
//! Filters without a wildcard are looked up, however many there are; the others are tried one by
//! one.

use std::collections::HashSet;

use foldhash::fast::FixedState;

use crate::access::permission::Permission;
use crate::mqtt::TopicName;

use super::Access;
use super::shape::{Asker, Shape};

/// Filters, of which one must match.
#[derive(Default, Debug)]
pub(super) struct Filters {
    exact: HashSet<Box<str>, FixedState>,
    others: Vec<Shape>,
}

/// What one user may do and may not.
#[derive(Default, Debug)]
pub(super) struct Section {
    pub(super) denied: Filters,
    pub(super) readable: Filters,
    pub(super) writable: Filters,
    pub(super) permission: Option<Permission>,
}

/// What a rule does with the topics that match.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    Read,
    Write,
    ReadWrite,
    Deny,
}

impl Filters {
    pub(super) fn add(&mut self, shape: Shape) {
        match shape.exact() {
            Some(topic) => {
                self.exact.insert(topic.into());
            }
            None if self.others.contains(&shape) => {}
            None => self.others.push(shape),
        }
    }

    pub(super) fn matches(&self, topic: TopicName<'_>, asker: Asker<'_>) -> bool {
        (!self.exact.is_empty() && self.exact.contains(topic.as_str()))
            || self.others.iter().any(|shape| shape.matches(topic, asker))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.others.is_empty()
    }

    /// Each filter with `asker` put in, but those that then match nothing.
    pub(super) fn filled(&self, asker: Asker<'_>) -> impl Iterator<Item = String> {
        let exact = self.exact.iter().map(|topic| topic.to_string());
        exact.chain(self.others.iter().filter_map(move |shape| shape.filled(asker)))
    }
}

impl Section {
    pub(super) fn add(&mut self, shape: Shape, effect: Effect) {
        match effect {
            Effect::Read => self.readable.add(shape),
            Effect::Write => self.writable.add(shape),
            Effect::ReadWrite => {
                self.readable.add(shape.clone());
                self.writable.add(shape);
            }
            Effect::Deny => self.denied.add(shape),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        [&self.denied, &self.readable, &self.writable].iter().all(|filters| filters.is_empty())
    }

    pub(super) const fn allowed(&self, access: Access) -> &Filters {
        match access {
            Access::Read => &self.readable,
            Access::Write => &self.writable,
        }
    }

    /// What the section says; `None` if nothing.
    pub(super) fn decide(
        &self,
        access: Access,
        topic: TopicName<'_>,
        asker: Asker<'_>,
    ) -> Option<bool> {
        if self.denied.matches(topic, asker) {
            return Some(false);
        }
        let permits = || {
            self.permission.as_ref().is_some_and(|permission| match access {
                Access::Read => permission.may_read(asker.client_id),
                Access::Write => permission.may_write(),
            })
        };
        (self.allowed(access).matches(topic, asker) || permits()).then_some(true)
    }
}
