//! A set of traces, by their numbers: one byte wherever a message passes.

use crate::limits::TRACES_MAX;

const _: () = assert!(TRACES_MAX <= 8, "a set is a byte");

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TraceSet(u8);

impl TraceSet {
    /// None.
    pub const NONE: Self = Self(0);

    /// The one with this number, below [`TRACES_MAX`].
    pub fn of(number: usize) -> Self {
        assert!(number < TRACES_MAX, "there are {TRACES_MAX} numbers");
        Self(1 << number)
    }

    /// Whether there is any.
    #[inline]
    pub fn is_any(self) -> bool {
        self.0 != 0
    }

    /// Whether one is in it.
    pub fn has(self, number: usize) -> bool {
        self.0 & Self::of(number).0 != 0
    }

    /// Those that are in one of the two.
    #[inline]
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Their numbers.
    pub fn numbers(self) -> impl Iterator<Item = usize> {
        (0..TRACES_MAX).filter(move |number| self.has(*number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Sets have what was put in, and nothing else.
    #[test]
    fn sets() {
        let (first, last) = (TraceSet::of(0), TraceSet::of(TRACES_MAX - 1));
        let both = first.or(last);
        assert_eq!(both.numbers().collect::<Vec<_>>(), [0, TRACES_MAX - 1]);
        assert_eq!((both.and(last), both.without(last)), (last, first));
        assert!(both.is_any() && !first.and(last).is_any() && !TraceSet::NONE.is_any());
    }
}
