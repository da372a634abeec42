//! Shards by number, and the other shards as the broker sees them.

/// Names a shard: 0 to `shards - 1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardId(pub u16);

/// A set of shards.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ShardSet(u64);

impl ShardSet {
    /// The set of one.
    pub fn of(shard: ShardId) -> Self {
        Self(1 << shard.0)
    }

    /// All of `shards` but one.
    pub fn all_but(shards: u16, one: ShardId) -> Self {
        let all = u64::MAX >> (u64::BITS - u32::from(shards));
        Self(all & !(1 << one.0))
    }

    /// Adds a shard.
    pub fn insert(&mut self, shard: ShardId) {
        self.0 |= 1 << shard.0;
    }

    /// Takes a shard out; whether it was in it.
    pub fn take(&mut self, shard: ShardId) -> bool {
        let had = self.contains(shard);
        self.0 &= !(1 << shard.0);
        had
    }

    /// Whether a shard is in it.
    pub fn contains(self, shard: ShardId) -> bool {
        self.0 & (1 << shard.0) != 0
    }

    /// Whether it is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its members in ascending order.
    pub fn iter(self) -> impl Iterator<Item = ShardId> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let shard = ShardId(u16::try_from(rest.trailing_zeros()).expect("at most 64"));
            rest &= rest.checked_sub(1)?;
            Some(shard)
        })
    }
}

/// The other shards, as the broker sees them.
pub trait Peers {
    /// Sends one message, given in parts, to each of `to`. It never waits: a message without room
    /// in the ring is kept until there is room (invariant 6). `awaited`: replies may wait until it
    /// is settled.
    fn send(&mut self, to: ShardSet, parts: &[&[u8]], awaited: bool);

    /// The number of the last message to a shard that replies may wait for.
    fn awaited(&self, shard: ShardId) -> u64;

    /// The number of the last message that a shard has handled and settled: its records are
    /// committed, or no session needs them from the disk any more.
    fn settled(&self, shard: ShardId) -> u64;

    /// How many messages a shard has refused of those up to [`Peers::settled`], if that was read
    /// before: as many, or more. A message of its own tells of each.
    fn refused(&self, _shard: ShardId) -> u64 {
        0
    }

    /// Whether a ring is full, and what is sent waits: what may wait elsewhere is not to be sent.
    fn is_congested(&self) -> bool {
        false
    }

    /// Counts one more client of a vhost, unless all shards together have the largest number of
    /// clients, or the vhost has `vhost_max`.
    ///
    /// # Errors
    /// The full one of the two.
    fn admit(&mut self, vhost: u16, vhost_max: u64) -> Result<(), ClientLimit>;

    /// Counts one client of a vhost fewer.
    fn leave(&mut self, vhost: u16);
}

/// The bound of clients that is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientLimit {
    /// The broker.
    Broker,
    /// A vhost.
    Vhost,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A set of shards lists its members, the first and the last possible included.
    #[test]
    fn sets_list_their_members() {
        let mut set = ShardSet::default();
        assert!(set.is_empty());
        for shard in [0, 5, 63] {
            set.insert(ShardId(shard));
            assert!(set.contains(ShardId(shard)));
        }
        assert_eq!(set.iter().map(|shard| shard.0).collect::<Vec<_>>(), [0, 5, 63]);
        assert_eq!(ShardSet::all_but(64, ShardId(63)).iter().count(), 63);
        assert!(ShardSet::all_but(1, ShardId(0)).is_empty());
    }
}
