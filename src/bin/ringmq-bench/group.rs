//! Subscribers as members of consumer groups: their distribution, and kills of their connections.

use std::time::Duration;

use crate::template::Template;

/// The membership of subscribers in groups.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    name: Template,
    /// Whether each subscriber has its own group.
    is_own: bool,
    /// Time between kills of members' connections.
    pub(crate) kill_every: Option<Duration>,
    /// Whether members are disconnected until all messages are published.
    pub(crate) is_absent: bool,
}

impl Membership {
    /// Members of the group of this name, in which `{s}` is the subscriber's number. The error is
    /// for the user.
    pub(crate) fn new(text: &str) -> Result<Membership, String> {
        if text.contains(['/', '+', '#']) {
            return Err(format!("a group's name holds no /, + and #: `{text}`"));
        }
        let name = Template::filter(text, "s")?;
        let is_own = text.contains("{s}");
        Ok(Membership { name, is_own, kill_every: None, is_absent: false })
    }

    /// The filter with which subscriber `s` joins its group.
    pub(crate) fn filter(&self, s: u32, filter: &str) -> String {
        format!("$share/{}/{filter}", self.name.render(|_| s))
    }

    /// The number of groups for this many subscribers.
    pub(crate) fn groups(&self, subscribers: u32) -> u32 {
        if self.is_own { subscribers } else { subscribers.min(1) }
    }

    /// The group of subscriber `s`.
    pub(crate) fn group_of(&self, s: u32) -> u32 {
        if self.is_own { s } else { 0 }
    }
}

/// The schedule of kills of members' connections. Members take turns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kills {
    every_ns: u64,
    next_ns: u64,
    members: u32,
    next: u32,
    last: Option<u32>,
}

impl Kills {
    /// Kills that begin one interval after `from_ns`; `None` if there are none.
    pub(crate) fn new(group: Option<&Membership>, members: u32, from_ns: u64) -> Option<Kills> {
        let every_ns = u64::try_from(group?.kill_every?.as_nanos()).unwrap_or(u64::MAX);
        (members > 0).then_some(Kills {
            every_ns,
            next_ns: from_ns + every_ns,
            members,
            next: 0,
            last: None,
        })
    }

    /// The time at which the next kill is due.
    pub(crate) fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// The member that was killed last.
    pub(crate) fn last(&self) -> Option<u32> {
        self.last
    }

    /// The member whose turn it is, if a kill is due.
    pub(crate) fn take_due(&mut self, now_ns: u64) -> Option<u32> {
        if now_ns < self.next_ns {
            return None;
        }
        self.next_ns = now_ns + self.every_ns;
        let due = self.next;
        self.next = (due + 1) % self.members;
        self.last = Some(due);
        Some(due)
    }
}

/// The delays that kills caused for messages published before them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outages {
    /// Connections that were killed.
    pub(crate) kills: u64,
    /// The longest time from a kill to the last message that was published before it.
    pub(crate) longest_ns: u64,
    last_ns: u64,
}

impl Outages {
    /// Notes that a member's connection is killed.
    pub(crate) fn note_kill(&mut self, now_ns: u64) {
        self.kills += 1;
        self.last_ns = now_ns;
    }

    /// Notes the arrival of a message that was published at `stamp_ns`.
    #[inline]
    pub(crate) fn note(&mut self, stamp_ns: u64, now_ns: u64) {
        if stamp_ns < self.last_ns {
            self.longest_ns = self.longest_ns.max(now_ns.saturating_sub(self.last_ns));
        }
    }

    /// Adds the kills of another thread.
    pub(crate) fn merge(&mut self, other: &Outages) {
        self.kills += other.kills;
        self.longest_ns = self.longest_ns.max(other.longest_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All members have one group, or each its own.
    #[test]
    fn names_are_of_groups() {
        let one = Membership::new("g").expect("valid");
        assert_eq!((one.groups(8), one.groups(0), one.group_of(3)), (1, 0, 0));
        assert_eq!(one.filter(3, "a/#"), "$share/g/a/#");
        let own = Membership::new("g{s}").expect("valid");
        assert_eq!((own.groups(8), own.group_of(3)), (8, 3));
        assert_eq!(own.filter(3, "a/#"), "$share/g3/a/#");
        for bad in ["", "a/b", "+", "#", "{p}"] {
            Membership::new(bad).expect_err(bad);
        }
    }

    /// Members are killed in turn, one at a time, and only messages published before a kill count.
    #[test]
    fn members_are_killed_in_turn() {
        let every = Some(Duration::from_nanos(10));
        let group = Membership { kill_every: every, ..Membership::new("g").expect("valid") };
        let mut kills = Kills::new(Some(&group), 2, 100).expect("there are some");
        let due: Vec<_> = [109, 110, 111, 125, 135].map(|now| kills.take_due(now)).into();
        assert_eq!(due, [None, Some(0), None, Some(1), Some(0)]);
        assert!(Kills::new(Some(&group), 0, 100).is_none());

        let mut outages = Outages::default();
        outages.note(5, 90);
        outages.note_kill(100);
        outages.note(100, 190);
        assert_eq!(outages.longest_ns, 0);
        outages.note(99, 170);
        outages.note(99, 120);
        assert_eq!((outages.kills, outages.longest_ns), (1, 70));
    }
}
