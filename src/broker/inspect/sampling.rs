//! Looks at what all clients have sent and received so far, for rates. A message costs nothing for
//! it.
//!
//! Invariant: a look is good for [`RATE_SAMPLE_MS_MAX`].

use crate::limits::RATE_SAMPLE_MS_MAX;
use crate::store::SessionKey;

use super::super::names::ConnId;

/// By session: its connection, and the bytes that it has carried.
type Counted = Vec<Option<(ConnId, u64)>>;

/// A look that is being taken.
#[derive(Clone, Default, Debug)]
pub struct Sampling {
    /// Where the next step begins.
    pub(crate) from: SessionKey,
    pub(crate) counted: Counted,
}

/// A look that was taken.
#[derive(Default, Debug)]
pub(crate) struct RateSample {
    /// When; none: nobody has looked.
    at_ms: Option<u64>,
    counted: Counted,
}

impl RateSample {
    pub(crate) fn new(at_ms: u64, counted: Counted) -> Self {
        Self { at_ms: Some(at_ms), counted }
    }

    /// How old it is, milliseconds, if it is not too old.
    pub(crate) fn age_ms(&self, now_ms: u64) -> Option<u64> {
        let age_ms = now_ms.saturating_sub(self.at_ms?);
        (age_ms <= RATE_SAMPLE_MS_MAX).then_some(age_ms)
    }

    /// The connection of a session, and the bytes that it had carried.
    pub(crate) fn of(&self, key: SessionKey) -> Option<(ConnId, u64)> {
        self.counted.get(key as usize).copied().flatten()
    }

    /// Gives the memory of one back that is too old.
    pub(crate) fn drop_old(&mut self, now_ms: u64) {
        if self.at_ms.is_some() && self.age_ms(now_ms).is_none() {
            *self = Self::default();
        }
    }
}
