//! The search for the next record after invalid bytes. A checksum depends on the place, so neither
//! chance nor an earlier use of the file yields a false record.

use super::super::record::{BadRecord, FRAME_BYTES, Record};

/// The longest record that is searched for, without the payload of a message. The bound is needed
/// because any four bytes may be read as a length, and a checksum of all bytes in that length is
/// computed. A message has a second length, which must agree.
const SOUGHT_BYTES_MAX: usize = 64 * 1024;

/// The number of bytes whose checksums may be computed in vain before the search is given up: a
/// payload may imitate the beginnings of many records. That takes half a second.
const VAIN_BYTES_MAX: usize = 1 << 30;

/// The number of zeros that are skipped at once.
const ZEROS: usize = 4096;

/// The bytes after a segment's header, and the values on which their checksums depend.
#[derive(Clone, Copy)]
pub(super) struct Stretch<'a> {
    /// The bytes up to the last possible record.
    pub(super) bytes: &'a [u8],
    /// Their offset in the log.
    pub(super) start: u64,
    /// The salt of the segment.
    pub(super) salt: u64,
}

/// The number of bytes that may still be checked without a result.
pub(super) struct Patience(usize);

impl Default for Patience {
    fn default() -> Self {
        Self(VAIN_BYTES_MAX)
    }
}

impl<'a> Stretch<'a> {
    /// The same up to `end`, if given.
    pub(super) fn up_to(self, end: Option<usize>) -> Self {
        let end = end.unwrap_or(self.bytes.len());
        Self { bytes: &self.bytes[..end.min(self.bytes.len())], ..self }
    }

    /// The mark with which the checksum of the record at `at` is computed.
    pub(super) fn place(&self, at: usize) -> u64 {
        (self.start + at as u64) ^ self.salt
    }

    /// The record at this place, and its length; the record is `None` if its kind is unknown.
    pub(super) fn record(&self, at: usize) -> Option<(Option<Record<'a>>, usize)> {
        let rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
        match Record::decode(self.place(at), rest) {
            Ok((record, length)) => Some((Some(record), length)),
            Err(BadRecord::Unknown) => Some((None, Record::length(rest)?)),
            Err(BadRecord::Cut | BadRecord::Sum) => None,
        }
    }

    /// The first place at or after `from` with a record.
    pub(super) fn next(&self, from: usize, patience: &mut Patience) -> Option<usize> {
        let mut at = from;
        while let Some(frame) = self.bytes.get(at..at + FRAME_BYTES) {
            if self.bytes.get(at..at + ZEROS).is_some_and(|bytes| bytes == [0; ZEROS]) {
                // A record may begin with the last of these zeros, except for its kind.
                at += ZEROS - (FRAME_BYTES - 1);
                continue;
            }
            let length = u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]]) as usize;
            let is_sought = length <= SOUGHT_BYTES_MAX || self.may_be_long_message(at, length);
            if Record::may_begin(frame) && is_sought {
                if self.record(at).is_some() {
                    return Some(at);
                }
                patience.0 = patience.0.checked_sub(FRAME_BYTES + length)?;
            }
            at += 1;
        }
        None
    }

    /// Whether the bytes there have the two lengths of a message of `length` bytes.
    fn may_be_long_message(&self, at: usize, length: usize) -> bool {
        let message = Record::message_unchecked(&self.bytes[at..]);
        message.is_some_and(|message| length - message.payload.len() <= SOUGHT_BYTES_MAX)
    }

    /// The first place after the invalid bytes at `bad` that proves that those were committed: the
    /// first record of a commit group, or a record so far behind that one write cannot have both.
    pub(super) fn proof(&self, bad: usize, far: usize, patience: &mut Patience) -> Option<usize> {
        let in_chain = |at: &mut usize| {
            while let Some((_, length)) = self.record(*at) {
                if *at - bad > far || Record::begins_group(&self.bytes[*at..]) {
                    return true;
                }
                *at += length;
            }
            false
        };
        // At the end given by the record's length, there may be a record that is too long for the
        // search.
        let own = self.bytes.get(bad..).and_then(Record::length_told);
        let mut at = own.map_or(bad, |length| bad + length);
        if in_chain(&mut at) {
            return Some(at);
        }
        at = bad + 1;
        loop {
            at = self.next(at, patience)?;
            if in_chain(&mut at) {
                return Some(at);
            }
        }
    }

    /// The record up to `end`, if one byte of it is damaged and can be corrected.
    pub(super) fn mended(&self, at: usize, end: usize) -> Option<Vec<u8>> {
        Record::mended(self.place(at), self.bytes.get(at..end)?)
    }

    /// The end of a record with one damaged byte in its length; `is_end` tells whether an offset
    /// can be the end of a record.
    pub(super) fn end_by_mended_length(
        &self,
        at: usize,
        is_end: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let frame = self.bytes.get(at..at + FRAME_BYTES)?;
        let lengths = (4..8).flat_map(|byte| {
            (1..=u8::MAX).map(move |bits| {
                let mut length = [frame[4], frame[5], frame[6], frame[7]];
                length[byte - 4] ^= bits;
                u32::from_le_bytes(length) as usize
            })
        });
        let mut ends = lengths.map(|length| at + FRAME_BYTES + length);
        ends.find(|end| *end <= self.bytes.len() && is_end(*end) && self.mended(at, *end).is_some())
    }
}
