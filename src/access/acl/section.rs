//! The compiled rules for one user, or for clients without a user.
//!
//! Filters without wildcards are looked up by hash; the others are tried one by one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::FixedState;

use crate::access::permission::Permission;
use crate::mqtt::TopicName;

use super::shape::{Asker, Shape};

/// The access to a topic that a client requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::access) enum Access {
    /// Receive a message.
    Read,
    /// Publish a message.
    Write,
}

/// The rules of one user.
#[derive(Default, Debug)]
pub(super) struct Section {
    exact: HashMap<Box<str>, Exact, FixedState>,
    /// Further rules for topics that already have one.
    again: Vec<(Box<str>, Effects, u32)>,
    others: Vec<(Shape, Effects, u32)>,
    pub(super) permission: Option<Permission>,
}

/// The rules for one topic.
#[derive(Clone, Copy, Debug)]
struct Exact {
    /// The effects of all rules for it.
    all: Effects,
    /// The effect of the first one, and its line.
    first: Effects,
    line: u32,
}

/// The location of the deciding rule: a line, if it has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::access) enum Origin {
    Rule(u32),
    Permission(Option<u32>),
}

/// The effect of rules on matching topics: a set of the three below.
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
    pub(super) fn add(&mut self, shape: Shape, effects: Effects, line: u32) {
        let Some(topic) = shape.exact() else { return self.others.push((shape, effects, line)) };
        match self.exact.entry(topic.into()) {
            Entry::Vacant(free) => drop(free.insert(Exact { all: effects, first: effects, line })),
            Entry::Occupied(mut known) => {
                let all = &mut known.get_mut().all;
                *all = all.with(effects);
                self.again.push((topic.into(), effects, line));
            }
        }
    }

    /// Whether the section has no filters.
    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.others.is_empty()
    }

    /// The decision of the section; `None` if no rule matches. A rule that denies wins.
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
            found = self.exact.get(topic.as_str()).map(|exact| exact.all).unwrap_or_default();
        }
        for (shape, effects, _) in &self.others {
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

    /// The decision of [`Section::decide`], with the first rule or permission that makes it.
    pub(super) fn explain(
        &self,
        access: Access,
        topic: TopicName<'_>,
        asker: Asker<'_>,
    ) -> Option<(bool, Origin)> {
        let wanted = match access {
            Access::Read => Effects::READ,
            Access::Write => Effects::WRITE,
        };
        let exact = self.exact.get(topic.as_str()).map(|exact| (exact.first, exact.line));
        let again = self.again.iter().filter(|(other, ..)| **other == *topic.as_str());
        let others = self.others.iter().filter(|(shape, ..)| shape.matches(topic, asker));
        let matching = exact
            .into_iter()
            .chain(again.map(|(_, effects, line)| (*effects, *line)))
            .chain(others.map(|(_, effects, line)| (*effects, *line)));
        let (mut denies, mut allows) = (None::<u32>, None::<u32>);
        for (effects, line) in matching {
            let first = match effects.has(Effects::DENY) {
                true => &mut denies,
                false if effects.has(wanted) => &mut allows,
                false => continue,
            };
            *first = Some(first.map_or(line, |known| known.min(line)));
        }
        let permits = || {
            let permission = self.permission.as_ref()?;
            let permits = match access {
                Access::Read => permission.may_read(asker.client_id),
                Access::Write => permission.may_write(),
            };
            permits.then_some((true, Origin::Permission(permission.line())))
        };
        let denied = denies.map(|line| (false, Origin::Rule(line)));
        denied.or_else(|| allows.map(|line| (true, Origin::Rule(line)))).or_else(permits)
    }

    /// The filters with an effect and their lines, with the values of `asker` filled in; without
    /// those that then match no topic.
    pub(super) fn filled(
        &self,
        effect: Effects,
        asker: Asker<'_>,
    ) -> impl Iterator<Item = (Cow<'_, str>, u32)> {
        let exact = self.exact.iter().filter(move |(_, exact)| exact.first.has(effect));
        let again = self.again.iter().filter(move |(_, effects, _)| effects.has(effect));
        let others = self.others.iter().filter(move |(_, effects, _)| effects.has(effect));
        exact
            .map(|(topic, exact)| (Cow::Borrowed(&**topic), exact.line))
            .chain(again.map(|(topic, _, line)| (Cow::Borrowed(&**topic), *line)))
            .chain(others.filter_map(move |(shape, _, line)| Some((shape.filled(asker)?, *line))))
    }
}
