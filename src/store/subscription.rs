//! The granted QoS and options of a subscription (MQTT 5, 3.8.3.1).
//!
//! | bytes | what |
//! |---|---|
//! | 1 | bits 0–1 QoS, 2 No Local, 3 Retain As Published, 7: it has an identifier |
//! | *v* | the identifier, if it has one |
//!
//! A subscription of MQTT 3.1.1 is the byte with its QoS.

use super::cursor::{Cursor, put_varint};

/// The highest subscription identifier [MQTT-3.8.2.1.2]: four bytes in MQTT's encoding.
pub const SUBSCRIPTION_IDENTIFIER_MAX: u32 = 268_435_455;

const QOS_BITS: u8 = 0b11;
const NO_LOCAL: u8 = 1 << 2;
const RETAIN_AS_PUBLISHED: u8 = 1 << 3;
const IDENTIFIER: u8 = 1 << 7;

/// See the file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct SubscriptionOptions {
    /// Granted QoS, 0 to 2.
    pub qos: u8,
    /// Whether messages of the session's own client are not sent to it.
    pub no_local: bool,
    /// Whether RETAIN is forwarded as published.
    pub retain_as_published: bool,
    /// The subscription's identifier, at most [`SUBSCRIPTION_IDENTIFIER_MAX`]; 0: none.
    pub identifier: u32,
}

impl SubscriptionOptions {
    /// The options of a subscription with this QoS only, as in MQTT 3.1.1.
    pub fn of_qos(qos: u8) -> Self {
        Self { qos, ..Self::default() }
    }

    /// All options but the identifier, in 4 bits.
    pub(super) fn bits(self) -> u8 {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        debug_assert!(self.qos <= 2, "it was granted a QoS");
        self.qos | bit(self.no_local, NO_LOCAL) | bit(self.retain_as_published, RETAIN_AS_PUBLISHED)
    }

    /// The options with these [`SubscriptionOptions::bits`]; `None` if there are none.
    pub(super) fn from_bits(bits: u8) -> Option<Self> {
        let is_known = bits & !(QOS_BITS | NO_LOCAL | RETAIN_AS_PUBLISHED) == 0;
        (is_known && bits & QOS_BITS <= 2).then_some(Self {
            qos: bits & QOS_BITS,
            no_local: bits & NO_LOCAL != 0,
            retain_as_published: bits & RETAIN_AS_PUBLISHED != 0,
            identifier: 0,
        })
    }

    pub(super) fn put(self, out: &mut Vec<u8>) {
        if self.identifier == 0 {
            return out.push(self.bits());
        }
        debug_assert!(self.identifier <= SUBSCRIPTION_IDENTIFIER_MAX, "it came in a packet");
        out.push(self.bits() | IDENTIFIER);
        put_varint(out, self.identifier.into());
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let first = cursor.u8()?;
        let options = Self::from_bits(first & !IDENTIFIER)?;
        if first & IDENTIFIER == 0 {
            return Some(options);
        }
        let is_one = |number: &u32| (1..=SUBSCRIPTION_IDENTIFIER_MAX).contains(number);
        Some(Self { identifier: cursor.narrow().filter(is_one)?, ..options })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every combination of options is read back, those of MQTT 3.1.1 from one byte. Invalid and
    /// truncated ones are refused.
    #[test]
    fn options_come_back() {
        let mut seen = 0;
        for bits in 0..=u8::MAX {
            let Some(options) = SubscriptionOptions::from_bits(bits) else { continue };
            assert_eq!(options.bits(), bits);
            seen += 1;
            for identifier in [0, 1, 127, 128, SUBSCRIPTION_IDENTIFIER_MAX] {
                let (options, mut out) =
                    (SubscriptionOptions { identifier, ..options }, Vec::new());
                options.put(&mut out);
                let mut cursor = Cursor(&out);
                assert_eq!(SubscriptionOptions::read(&mut cursor), Some(options));
                assert!(cursor.is_empty() && (identifier > 0 || out == [bits]));
                assert_eq!(SubscriptionOptions::read(&mut Cursor(&out[..out.len() - 1])), None);
            }
        }
        assert_eq!(seen, 12);
        for bad in [&[3][..], &[0x10], &[0x80, 0], &[0x81, 0x80, 0x80, 0x80, 0x80, 1]] {
            assert_eq!(SubscriptionOptions::read(&mut Cursor(bad)), None, "{bad:?}");
        }
    }
}
