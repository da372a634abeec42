//! Looking on behind something that is no record for the next that is one. A sum depends on the
//! place, so what is found is none by chance, nor what an earlier use of the file left.

use super::super::record::{BadRecord, FRAME_BYTES, Record};

/// Bytes of the longest record that is looked for, the payload of a message aside. A bound, because
/// any four bytes may be taken for a length, and all that it spans is summed up then; a message has
/// a second length, which must agree.
const SOUGHT_BYTES_MAX: usize = 64 * 1024;

/// Bytes that are summed up in vain before it is given up: a payload may be made to look like the
/// beginnings of many records. Half a second's worth.
const VAIN_BYTES_MAX: usize = 1 << 30;

/// Zeros are passed over so many at a time.
const ZEROS: usize = 4096;

/// The bytes behind a segment's header, and what the sums of its records depend on.
#[derive(Clone, Copy)]
pub(super) struct Stretch<'a> {
    /// Up to where records may stand.
    pub(super) bytes: &'a [u8],
    /// Where they begin in the log.
    pub(super) start: u64,
    /// The segment's.
    pub(super) salt: u64,
}

/// How much more may be summed up in vain.
pub(super) struct Patience(usize);

impl Default for Patience {
    fn default() -> Self {
        Self(VAIN_BYTES_MAX)
    }
}

impl<'a> Stretch<'a> {
    /// The same up to `end`, if it is given.
    pub(super) fn up_to(self, end: Option<usize>) -> Self {
        let end = end.unwrap_or(self.bytes.len());
        Self { bytes: &self.bytes[..end.min(self.bytes.len())], ..self }
    }

    /// The place that the sum of the record `at` there is computed with.
    pub(super) fn place(&self, at: usize) -> u64 {
        (self.start + at as u64) ^ self.salt
    }

    /// The record at this place, and its length; it is none if this version does not know its kind.
    pub(super) fn record(&self, at: usize) -> Option<(Option<Record<'a>>, usize)> {
        let rest = self.bytes.get(at..).filter(|rest| !rest.is_empty())?;
        match Record::decode(self.place(at), rest) {
            Ok((record, length)) => Some((Some(record), length)),
            Err(BadRecord::Unknown) => Some((None, Record::length(rest)?)),
            Err(BadRecord::Cut | BadRecord::Sum) => None,
        }
    }

    /// The first place from `from` on where a record stands.
    pub(super) fn next(&self, from: usize, patience: &mut Patience) -> Option<usize> {
        let mut at = from;
        while let Some(frame) = self.bytes.get(at..at + FRAME_BYTES) {
            if self.bytes.get(at..at + ZEROS).is_some_and(|bytes| bytes == [0; ZEROS]) {
                // One may begin with the last of them, but for its kind.
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

    /// Whether the lengths of a message stand there, of which the record has so many bytes.
    fn may_be_long_message(&self, at: usize, length: usize) -> bool {
        let message = Record::message_unchecked(&self.bytes[at..]);
        message.is_some_and(|message| length - message.payload.len() <= SOUGHT_BYTES_MAX)
    }

    /// The first place behind `bad`, where no record stands, that proves that what stood there was
    /// committed: the first record of a commit group, or one so far behind that no write has both.
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
        // At the end that its length gives there may be a record that is too long to be searched
        // for.
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

    /// The record up to `end`, as it was before one byte of it was damaged.
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
