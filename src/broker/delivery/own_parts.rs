//! The parts of a waiting message's copy that belong to one MQTT 5 client; the memory is reused.

use crate::mqtt::{SubscriptionId, TopicName, append_user_property};
use crate::store::{Lifetime, OwnIdentifiers, Session, SessionKey, StoredMessage};

use super::super::exchange::find_waiting_identifiers;
use super::super::names::{EPOCH_PROPERTY, NUMBER_PROPERTY, STORED_PROPERTY};
use super::super::output::put_properties;

/// See the file.
#[derive(Default, Debug)]
pub(super) struct OwnParts {
    pub(super) identifiers: Vec<SubscriptionId>,
    pub(super) properties: Vec<u8>,
    /// Identifiers that are kept with the message.
    pub(super) encoded: Vec<u8>,
}

impl OwnParts {
    pub(super) fn note(
        &mut self,
        stored: &StoredMessage<'_>,
        lifetime: Lifetime,
        (key, session, number): (SessionKey, &Session, u64),
        topic: TopicName<'_>,
    ) {
        // A message that was sent before is sent again even after its expiry.
        put_properties(stored.properties, lifetime, &mut self.properties);
        self.identifiers.clear();
        if let Some(own) = stored.own.filter(|own| own.session == key) {
            self.identifiers.extend(own.iter().filter_map(SubscriptionId::new));
            return;
        }
        find_waiting_identifiers(session, number, topic, |id| {
            self.identifiers.extend(SubscriptionId::new(id));
        });
    }

    /// Encodes identifiers for keeping.
    #[cold]
    pub(super) fn encode(&mut self, identifiers: &[SubscriptionId]) {
        self.encoded.clear();
        identifiers.iter().for_each(|id| OwnIdentifiers::put(id.get(), &mut self.encoded));
    }

    /// Adds user properties with the message's position: the session's epoch, its number in the
    /// session's queue, and the time at which it came, in milliseconds since 1970.
    pub(super) fn add_position(&mut self, epoch: u64, number: u64, stored_ms: u64) {
        use std::io::Write;
        let mut text = [0; 20];
        for (name, value) in [
            (EPOCH_PROPERTY, format_args!("{epoch:016x}")),
            (NUMBER_PROPERTY, format_args!("{number}")),
            (STORED_PROPERTY, format_args!("{stored_ms}")),
        ] {
            let mut rest = &mut text[..];
            rest.write_fmt(value).expect("a number of 64 bits has 20 digits at most");
            let bytes = 20 - rest.len();
            let value = str::from_utf8(&text[..bytes]).expect("digits are UTF-8");
            append_user_property(name, value, &mut self.properties);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The largest numbers fit, and stand after the existing properties.
    #[test]
    fn positions_are_user_properties() {
        let mut own = OwnParts { properties: vec![1, 1], ..OwnParts::default() };
        own.add_position(u64::MAX, u64::MAX, 7);
        let expected = [
            &b"\x01\x01"[..],
            b"\x26\0\x0cringmq-epoch\0\x10ffffffffffffffff",
            b"\x26\0\x0dringmq-number\0\x1418446744073709551615",
            b"\x26\0\x0dringmq-stored\0\x017",
        ];
        assert_eq!(own.properties, expected.concat());
    }
}
