//! The lifetime of messages (MQTT 5, 3.3.2.3.3), as the oracle knows it from outside.
//!
//! A message's time begins when the broker has received it: between its first sending and its
//! acknowledgement. The broker's time line equals the time of the simulated machine, except across
//! a power cut, whose duration the broker can only estimate.

use ringmq::mqtt::{Publish, expiry};

use crate::ledger::{Ledger, Message, MessageId, matches};
use crate::session::{Session, Via};

impl Ledger {
    /// The time in milliseconds, including the time while the broker was down.
    pub(crate) fn age_ms(&self) -> u64 {
        self.now_ms + self.down_ms
    }

    /// Whether a message may have expired by now.
    pub(crate) fn may_be_over(&self, message: &Message) -> bool {
        let Some(interval_s) = message.terms.expiry_s.filter(|_| message.is_rich) else {
            return false;
        };
        let lived_ms = self.age_ms() - message.sent_ms;
        !self.is_timed(message) || lived_ms >= u64::from(interval_s) * 1000
    }

    /// Whether the broker knows the age of a message.
    pub(crate) fn is_timed(&self, message: &Message) -> bool {
        self.powerless.is_none_or(|tick| tick < message.sent)
    }

    /// Checks the remaining time of a copy, which must be above 0.
    pub(crate) fn judge_lifetime(
        &self,
        session: &Session,
        id: MessageId,
        publish: &Publish<'_>,
        via: Via,
    ) {
        let message = &self.messages[id];
        let Some(interval_s) = message.terms.expiry_s.filter(|_| !message.is_bare) else { return };
        let mut scratch = Vec::new();
        let left_s = expiry(publish.properties.forwarded(&mut scratch));
        assert!(
            left_s.is_none_or(|left_s| left_s <= interval_s),
            "{id} lives longer: {left_s:?} s"
        );
        if !self.is_timed(message) {
            return;
        }
        let seconds = |since_ms: u64, to_ms: u64| {
            u32::try_from(to_ms.saturating_sub(since_ms) / 1000).expect("a short run")
        };
        // [MQTT-3.3.2-6] v5
        let waited_most_s = seconds(message.sent_ms, self.age_ms());
        let least_s = interval_s.saturating_sub(waited_most_s);
        let is_short = left_s.is_some_and(|left_s| left_s < least_s);
        assert!(!is_short, "{id} has {left_s:?} s left of {interval_s}, not {least_s}");
        let Some(acked_ms) = message.acked_ms else { return };
        // A replay began behind a SUBSCRIBE, and counted from anew in whole seconds on the way.
        let asked_ms = session
            .subscriptions
            .iter()
            .filter_map(|known| matches(known.wish.filter, message.topic).then_some(known.sent_ms));
        let (from_ms, slack_s) = match publish.retain {
            true => (asked_ms.min().unwrap_or(0), 1),
            false => (via.began_ms, 0),
        };
        let waited_s = seconds(acked_ms, from_ms);
        let most_s = interval_s.saturating_sub(waited_s) + slack_s;
        let is_long = left_s.is_some_and(|left_s| left_s > most_s);
        assert!(!is_long, "{id} has {left_s:?} s left of {interval_s}, more than {most_s}");
        // [MQTT-3.3.2-5] v5 A message that may have been sent before is redelivered.
        assert!(publish.dup || most_s > 0, "{id} has expired: {message:?}");
    }
}
