//! A set of traces by number: one byte in everything that a message passes.

use crate::limits::TRACES_MAX;

const _: () = assert!(TRACES_MAX <= 8, "a set is a byte");

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TraceSet(u8);

impl TraceSet {
    /// None.
    pub const NONE: Self = Self(0);

    /// The trace with this number, below [`TRACES_MAX`].
    pub fn of(number: usize) -> Self {
        assert!(number < TRACES_MAX, "there are {TRACES_MAX} numbers");
        Self(1 << number)
    }

    /// Whether it has a member.
    #[inline]
    pub fn is_any(self) -> bool {
        self.0 != 0
    }

    /// Whether it contains a trace.
    pub fn has(self, number: usize) -> bool {
        self.0 & Self::of(number).0 != 0
    }

    /// The union.
    #[inline]
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The intersection.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The difference.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The numbers of its members.
    pub fn numbers(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let number = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(number)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Sets contain exactly their members.
    #[test]
    fn sets() {
        let (first, last) = (TraceSet::of(0), TraceSet::of(TRACES_MAX - 1));
        let both = first.or(last);
        assert_eq!(both.numbers().collect::<Vec<_>>(), [0, TRACES_MAX - 1]);
        assert_eq!((both.and(last), both.without(last)), (last, first));
        assert!(both.is_any() && !first.and(last).is_any() && !TraceSet::NONE.is_any());
    }
}
