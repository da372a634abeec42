//! Limits the publish rate of a client or a vhost: a second's budget may be sent at once, then
//! messages must come evenly.
//!
//! Each budget is one number: the time in nanoseconds until which an even rate would have used it.
//! A message is always taken. A client that is more than a second ahead afterwards is not read from
//! until the time has come. So a message larger than a second's budget passes, and costs its time.

/// The budgets of one second. 0: no limit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PublishRate {
    /// Messages.
    pub messages: u32,
    /// Bytes of topics and payloads.
    pub bytes: u64,
}

impl PublishRate {
    /// Whether there is a limit.
    pub(crate) fn is_limited(self) -> bool {
        self != Self::default()
    }
}

const SECOND_NS: u64 = 1_000_000_000;

/// See the module.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Budget {
    messages_until_ns: u64,
    bytes_until_ns: u64,
}

impl Budget {
    /// Counts one message of `bytes`; returns the time at which the next may come, if that is later
    /// than now.
    pub(crate) fn note(&mut self, rate: PublishRate, bytes: usize, now_ms: u64) -> Option<u64> {
        let now_ns = now_ms.saturating_mul(1_000_000);
        spend(&mut self.messages_until_ns, 1, u64::from(rate.messages), now_ns);
        spend(&mut self.bytes_until_ns, bytes as u64, rate.bytes, now_ns);
        let until_ns = self.messages_until_ns.max(self.bytes_until_ns);
        let wait_ns = until_ns.saturating_sub(SECOND_NS);
        (wait_ns > now_ns).then(|| wait_ns.div_ceil(1_000_000))
    }
}

fn spend(until_ns: &mut u64, units: u64, per_s: u64, now_ns: u64) {
    // None for 0: no limit.
    if let Some(cost_ns) = units.saturating_mul(SECOND_NS).checked_div(per_s) {
        *until_ns = (*until_ns).max(now_ns).saturating_add(cost_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends messages of `bytes` as fast as the budget allows; returns their number until `end_ms`.
    fn sent_by(end_ms: u64, rate: PublishRate, bytes: usize) -> u64 {
        let (mut budget, mut now_ms, mut sent) = (Budget::default(), 0, 0);
        while now_ms < end_ms {
            sent += 1;
            match budget.note(rate, bytes, now_ms) {
                Some(next_ms) => {
                    assert!(next_ms > now_ms);
                    now_ms = next_ms;
                }
                None => assert!(sent < 10_000_000, "there is a limit"),
            }
        }
        sent
    }

    // A second's budget passes at once, then the rate holds, for any limit; the lower of two holds.
    #[test]
    fn rates() {
        for (messages, bytes, size, seconds, least, most) in [
            (1, 0, 10, 10, 10, 12),
            (10, 0, 10, 10, 109, 112),
            (1000, 0, 10, 10, 10_999, 11_002),
            (999_999, 0, 0, 3, 3_999_000, 4_001_000),
            (0, 1000, 100, 10, 109, 112),
            (0, 1000, 5000, 100, 20, 22),
            (0, 1 << 40, 1 << 30, 2, 3071, 3074),
            (10, 1000, 1, 10, 109, 112),
            (1000, 1000, 100, 10, 109, 112),
        ] {
            let rate = PublishRate { messages, bytes };
            let sent = sent_by(seconds * 1000, rate, size);
            assert!((least..=most).contains(&sent), "{rate:?} of {size} bytes: {sent}");
        }
    }

    // A silent client regains one second's budget and no more.
    #[test]
    fn silence_earns_one_second() {
        let rate = PublishRate { messages: 5, bytes: 0 };
        let mut budget = Budget::default();
        for now_ms in [0, 3_600_000, 3_601_000] {
            let waits = [(); 6].map(|()| budget.note(rate, 1, now_ms));
            let expected = [None, None, None, None, None, Some(now_ms + 200)];
            assert_eq!(waits, expected, "at {now_ms}");
            budget = Budget { messages_until_ns: now_ms * 1_000_000, ..budget };
        }
    }
}
