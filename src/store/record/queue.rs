//! Records of a session's queue: its client's acknowledgements, and blocks of waiting messages.

use super::super::cursor::{Cursor, put_varint};
use super::SessionKey;

/// Messages that a session's client has acknowledged since the last such record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::store) struct AcksRecord {
    pub(in crate::store) session: SessionKey,
    /// Every message with a lower number is complete.
    pub(in crate::store) first: u64,
    /// Messages from there on that are complete as well.
    pub(in crate::store) gone: Vec<u64>,
    /// QoS 2 messages from there on that the client has received, but not completed.
    pub(in crate::store) released: Vec<u64>,
}

/// Messages of a session's queue that are not in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockRecord<'a> {
    /// The session.
    pub session: SessionKey,
    /// The number of the first message in its queue.
    pub first: u64,
    /// The count of messages.
    pub count: u32,
    /// The offset to which the first entry is relative.
    pub base: u64,
    /// See `queue`.
    pub entries: &'a [u8],
}

impl AcksRecord {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.session.into());
        put_varint(out, self.first);
        for list in [&self.gone, &self.released] {
            put_varint(out, list.len() as u64);
            list.iter().for_each(|number| put_varint(out, number - self.first));
        }
    }

    pub(super) fn decode(body: &mut Cursor<'_>) -> Option<Self> {
        let (session, first) = (body.narrow()?, body.varint()?);
        let mut lists = [Vec::new(), Vec::new()];
        for list in &mut lists {
            for _ in 0..body.varint()? {
                list.push(first.checked_add(body.varint()?)?);
            }
        }
        let [gone, released] = lists;
        Some(Self { session, first, gone, released })
    }
}

impl<'a> BlockRecord<'a> {
    pub(super) fn decode(body: &mut Cursor<'a>) -> Option<Self> {
        Some(Self {
            session: body.narrow()?,
            first: body.varint()?,
            count: body.narrow()?,
            base: body.u64()?,
            entries: body.rest(),
        })
    }
}
