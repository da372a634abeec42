//! The bounds of sessions, and their overflow policies: for all sessions, and for those of some
//! client ids.

use compact_str::CompactString;

use crate::limits::BLOCK_BYTES_MIN;

use super::super::names::{Options, Overflow, SessionLimit};

/// The bound of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bound {
    pub(super) bytes_max: u64,
    pub(super) policy: Overflow,
}

impl Bound {
    /// A bound that is wider where publishers wait: the broker may read from them nevertheless.
    pub(super) fn most(self, max: u64) -> u64 {
        match self.policy {
            Overflow::Block => max.saturating_add(max.max(BLOCK_BYTES_MIN)),
            Overflow::DropNewest | Overflow::DropOldest => max,
        }
    }
}

/// The bounds of all sessions.
pub(super) struct Bounds {
    usual: Bound,
    /// The first one that matches a client holds. At most [`crate::limits::SESSION_LIMITS_MAX`].
    limits: Vec<SessionLimit>,
}

impl Bounds {
    pub(super) fn new(options: &Options) -> Self {
        let usual =
            Bound { bytes_max: options.session_bytes_max, policy: options.session_overflow };
        Self { usual, limits: options.session_limits.clone() }
    }

    /// The bound of this client's sessions.
    #[inline]
    pub(super) fn of(&self, client_id: &CompactString) -> Bound {
        if self.limits.is_empty() { self.usual } else { self.find(client_id) }
    }

    fn find(&self, client_id: &str) -> Bound {
        let names = |limit: &&SessionLimit| match limit.is_prefix {
            true => client_id.starts_with(&limit.id),
            false => client_id == limit.id,
        };
        self.limits.iter().find(names).map_or(self.usual, |limit| Bound {
            bytes_max: limit.bytes_max.unwrap_or(self.usual.bytes_max),
            policy: limit.overflow.unwrap_or(self.usual.policy),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The first limit that names a client holds; what it leaves out is as for all.
    #[test]
    fn first_limit_holds() {
        let limit = |id: &str, is_prefix, bytes_max, overflow| SessionLimit {
            id: id.to_owned(),
            is_prefix,
            bytes_max,
            overflow,
        };
        let options = Options {
            session_bytes_max: 5,
            session_overflow: Overflow::DropOldest,
            session_limits: vec![
                limit("bridge-a", false, Some(7), None),
                limit("bridge-", true, None, Some(Overflow::Block)),
            ],
            ..Options::single()
        };
        let bounds = Bounds::new(&options);
        for (id, bytes_max, policy) in [
            ("bridge-a", 7, Overflow::DropOldest),
            ("bridge-ab", 5, Overflow::Block),
            ("bridge-", 5, Overflow::Block),
            ("bridge", 5, Overflow::DropOldest),
            ("", 5, Overflow::DropOldest),
        ] {
            assert_eq!(bounds.of(&id.into()), Bound { bytes_max, policy }, "{id}");
        }
    }
}
