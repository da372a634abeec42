//! Positions that ringmq adds to the messages of a durable session on request, as user properties
//! (docs/mqtt5.md, "Position").
//!
//! They are exact across a crash of the broker: it sends no message with a position before the
//! message is committed, so no position is given to another message.

use ringmq::mqtt::Properties;

use crate::flow::Position;

/// The user property of a CONNECT that requests positions.
pub(super) const REQUEST: (&str, &str) = ("ringmq-position", "1");

const EPOCH: &str = "ringmq-epoch";
const NUMBER: &str = "ringmq-number";
const STORED: &str = "ringmq-stored";

/// Bytes of a user property beside its name and value: the identifier and two lengths.
const OVERHEAD: usize = 5;

/// What the broker told about a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told<'a> {
    pub(super) position: Position,
    /// The time at which it was stored, milliseconds since 1970.
    pub(super) stored_ms: u64,
    /// The other properties of the message.
    pub(super) others: &'a [u8],
}

/// The epoch in the properties of a CONNACK, if the broker grants positions.
pub(super) fn epoch_of(properties: Properties<'_>) -> Option<u64> {
    let (_, epoch) = properties.user_properties().find(|(name, _)| *name == EPOCH)?;
    u64::from_str_radix(epoch, 16).ok()
}

/// The position of a message in the session of this epoch, if it has one. A publisher cannot make
/// one up: it does not know the epoch, and the broker's properties are the last ones.
pub(super) fn told(properties: Properties<'_>, epoch: u64) -> Option<Told<'_>> {
    let mut last = [("", ""); 3];
    for pair in properties.user_properties() {
        last.rotate_left(1);
        last[2] = pair;
    }
    let [(EPOCH, told), (NUMBER, number), (STORED, stored)] = last else { return None };
    if u64::from_str_radix(told, 16) != Ok(epoch) {
        return None;
    }
    let position = Position { epoch, number: number.parse().ok()? };
    let list = properties.as_bytes();
    if stored.as_bytes().as_ptr_range().end != list.as_ptr_range().end {
        return None;
    }
    let own: usize = last.iter().map(|(name, value)| OVERHEAD + name.len() + value.len()).sum();
    let others = &list[..list.len() - own];
    Some(Told { position, stored_ms: stored.parse().ok()?, others })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmq::mqtt::{PublishProperties, append_user_property};

    const EPOCH_TEXT: &str = "00000000000000ab";

    fn list(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        pairs.iter().for_each(|(name, value)| append_user_property(name, value, &mut bytes));
        bytes
    }

    fn with_told(bytes: &[u8], check: impl FnOnce(Option<Told<'_>>)) {
        let properties = PublishProperties::forwarding(bytes);
        check(told(properties.list(), 0xab));
    }

    /// The position is taken off the publisher's properties; one with another epoch is the
    /// publisher's.
    #[test]
    fn positions_are_taken_off() {
        let position = [(EPOCH, EPOCH_TEXT), (NUMBER, "18446744073709551615"), (STORED, "7")];
        let own = list(&[("a", "b"), (NUMBER, "1")]);
        let whole = [own.clone(), list(&position)].concat();
        with_told(&whole, |found| {
            let expected = Position { epoch: 0xab, number: u64::MAX };
            assert_eq!(found, Some(Told { position: expected, stored_ms: 7, others: &own }));
        });
        with_told(&own, |found| assert_eq!(found, None));
        let forged = list(&[(EPOCH, "00000000000000ac"), (NUMBER, "1"), (STORED, "7")]);
        with_told(&forged, |found| assert_eq!(found, None));
        let bad = list(&[(EPOCH, EPOCH_TEXT), (NUMBER, "-1"), (STORED, "7")]);
        with_told(&bad, |found| assert_eq!(found, None));
    }
}
