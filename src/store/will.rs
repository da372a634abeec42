//! A will that is kept with a session (MQTT 5, 3.1.2.5). It is published when its delay has passed,
//! even if its connection, and perhaps the process, has ended.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | bits 0–1 QoS, 2 RETAIN |
//! | *v* | delay, seconds |
//! | *text* | topic name |
//! | *bytes* | properties |
//! | rest | payload |

use super::cursor::{Cursor, put_bytes, put_varint};

const QOS_BITS: u8 = 0b11;
const RETAIN: u8 = 1 << 2;

/// See the file. Its owner is that of the session ([`super::Session::owner`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Will<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// The payload.
    pub payload: &'a [u8],
    /// The properties for receivers, as of a message: see [`super::NewMessage::properties`].
    pub properties: &'a [u8],
    /// QoS, 0 to 2.
    pub qos: u8,
    /// RETAIN.
    pub retain: bool,
    /// The seconds from the end of its connection to its publication, if the session does not end
    /// before.
    pub delay_s: u32,
}

impl<'a> Will<'a> {
    /// The size of its texts.
    pub(super) fn bytes(&self) -> usize {
        self.topic.len() + self.payload.len() + self.properties.len()
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.push(self.qos | if self.retain { RETAIN } else { 0 });
        put_varint(out, self.delay_s.into());
        put_bytes(out, self.topic.as_bytes());
        put_bytes(out, self.properties);
        out.extend_from_slice(self.payload);
    }

    pub(super) fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let flags = cursor.u8().filter(|flags| flags & QOS_BITS <= 2 && *flags < RETAIN << 1)?;
        Some(Self {
            qos: flags & QOS_BITS,
            retain: flags & RETAIN != 0,
            delay_s: cursor.narrow()?,
            topic: cursor.text()?,
            properties: cursor.bytes()?,
            payload: cursor.rest(),
        })
    }
}

/// A will that is kept with a session, encoded as in a record.
#[derive(Debug)]
pub(super) struct KeptWill(Box<[u8]>);

impl KeptWill {
    pub(super) fn new(will: &Will<'_>) -> Self {
        // A byte for flags, two lengths and the delay.
        let mut bytes = Vec::with_capacity(1 + 3 * 5 + will.bytes());
        will.put(&mut bytes);
        Self(bytes.into())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn get(&self) -> Will<'_> {
        Will::read(&mut Cursor(&self.0)).expect("it was put so")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A will is read back unchanged at its limits. A will that is truncated before the payload is
    /// refused.
    #[test]
    fn comes_back() {
        let full = Will {
            topic: "a/é",
            payload: &[0, 255],
            properties: &[2, 0, 0, 0, 9],
            qos: 2,
            retain: true,
            delay_s: u32::MAX,
        };
        let bare =
            Will { payload: &[], properties: &[], qos: 0, retain: false, delay_s: 0, ..full };
        for will in [full, bare] {
            assert_eq!(KeptWill::new(&will).get(), will);
            let mut bytes = Vec::new();
            will.put(&mut bytes);
            for end in 0..bytes.len() - will.payload.len() {
                assert_eq!(Will::read(&mut Cursor(&bytes[..end])), None, "cut at {end}");
            }
        }
        for flags in [3, 8, 0x80] {
            assert_eq!(Will::read(&mut Cursor(&[flags, 0, 1, b'a', 0])), None, "{flags}");
        }
    }
}
