//! The fields of a message between shards.

use super::super::names::ConnId;

pub(super) const QOS_BITS: u8 = 0b11;
pub(super) const RETAIN: u8 = 1 << 2;

/// The fields of a message: of its header, the text, properties, the rest.
#[derive(Clone, Copy)]
pub(super) struct Layout<'a> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) conn: ConnId,
    pub(super) serial: u32,
    pub(super) number: u32,
    pub(super) session: u64,
    pub(super) text: &'a str,
    pub(super) properties: &'a [u8],
    pub(super) rest: &'a [u8],
}

pub(super) fn flag(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}
