//! SUBSCRIBE and UNSUBSCRIBE with their acknowledgements (3.8–3.11): lists inside a packet.
//!
//! The lists are kept as the bytes of the packet, checked once and walked again whenever they are
//! asked for, so that none is allocated. In them each string is a topic filter, each QoS is 0 to 2,
//! and no list is empty. A packet with a string that is no filter is malformed as a whole
//! [MQTT-4.8.0-1]: nothing of it is done.

use super::error::DecodeError;
use super::fields::{PacketId, Properties, QoS};
use super::filter::TopicFilter;
use super::wire::{Reader, put_bytes};

const CHECKED: &str = "the list was walked when the packet was made";

/// SUBSCRIBE (3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Comes back in the SUBACK [MQTT-3.8.4-2].
    pub packet_id: PacketId,
    /// MQTT 5.
    pub properties: Properties<'a>,
    /// The payload; see the top of this file.
    entries: &'a [u8],
}

/// One filter of a SUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscribeEntry<'a> {
    /// The filter.
    pub filter: TopicFilter<'a>,
    /// Maximum QoS asked for.
    pub qos: QoS,
}

impl<'a> Subscribe<'a> {
    /// Lays out a SUBSCRIBE in `scratch`, which is emptied first.
    ///
    /// # Panics
    /// If there are no entries, or one has no topic filter.
    pub fn new(packet_id: PacketId, entries: &[(&str, QoS)], scratch: &'a mut Vec<u8>) -> Self {
        assert!(!entries.is_empty(), "[MQTT-3.8.3-3] SUBSCRIBE has at least one filter");
        scratch.clear();
        for &(filter, qos) in entries {
            put_filter(filter, scratch);
            scratch.push(qos as u8);
        }
        Self { packet_id, properties: Properties::EMPTY, entries: scratch }
    }

    /// Takes the rest of a packet as the list, after a walk over it.
    pub(super) fn from_wire(
        packet_id: PacketId,
        mut reader: Reader<'a>,
    ) -> Result<Self, DecodeError> {
        let entries = reader.take_rest();
        check_list(entries, |reader| check_filter(take_entry(reader)?.0))?;
        Ok(Self { packet_id, properties: Properties::EMPTY, entries })
    }

    /// The filters in their order, which is that of the SUBACK's codes [MQTT-3.9.3-1].
    pub fn entries(&self) -> impl Iterator<Item = SubscribeEntry<'a>> + use<'a> {
        let mut reader = Reader::new(self.entries);
        std::iter::from_fn(move || {
            (!reader.is_empty()).then(|| {
                let (text, qos) = take_entry(&mut reader).expect(CHECKED);
                SubscribeEntry { filter: TopicFilter::parsed_before(text), qos }
            })
        })
    }

    pub(super) const fn entry_bytes(&self) -> &'a [u8] {
        self.entries
    }
}

/// SUBACK (3.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suback<'a> {
    /// That of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// MQTT 5.
    pub properties: Properties<'a>,
    /// For each filter the granted QoS or [`Suback::FAILURE`], in the order of the SUBSCRIBE.
    pub codes: &'a [u8],
}

impl Suback<'_> {
    /// The return code of a filter that was refused (3.9.3).
    pub const FAILURE: u8 = 0x80;
}

/// UNSUBSCRIBE (3.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// Comes back in the UNSUBACK [MQTT-3.10.4-4].
    pub packet_id: PacketId,
    /// MQTT 5.
    pub properties: Properties<'a>,
    /// The payload; see the top of this file.
    filters: &'a [u8],
}

impl<'a> Unsubscribe<'a> {
    /// Lays out an UNSUBSCRIBE in `scratch`, which is emptied first.
    ///
    /// # Panics
    /// If there are no filters, or one is no topic filter.
    pub fn new(packet_id: PacketId, filters: &[&str], scratch: &'a mut Vec<u8>) -> Self {
        assert!(!filters.is_empty(), "[MQTT-3.10.3-2] UNSUBSCRIBE has at least one filter");
        scratch.clear();
        for filter in filters {
            put_filter(filter, scratch);
        }
        Self { packet_id, properties: Properties::EMPTY, filters: scratch }
    }

    /// Takes the rest of a packet as the list, after a walk over it.
    pub(super) fn from_wire(
        packet_id: PacketId,
        mut reader: Reader<'a>,
    ) -> Result<Self, DecodeError> {
        let filters = reader.take_rest();
        // [MQTT-3.10.3-1] Strings.
        check_list(filters, |reader| check_filter(reader.take_str()?))?;
        Ok(Self { packet_id, properties: Properties::EMPTY, filters })
    }

    /// The filters, in order.
    pub fn filters(&self) -> impl Iterator<Item = TopicFilter<'a>> + use<'a> {
        let mut reader = Reader::new(self.filters);
        std::iter::from_fn(move || {
            (!reader.is_empty())
                .then(|| TopicFilter::parsed_before(reader.take_str().expect(CHECKED)))
        })
    }

    pub(super) const fn filter_bytes(&self) -> &'a [u8] {
        self.filters
    }
}

/// UNSUBACK (3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsuback<'a> {
    /// That of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// MQTT 5.
    pub properties: Properties<'a>,
    /// MQTT 5: a reason for each filter; empty in 3.x.
    pub codes: &'a [u8],
}

/// One entry of a SUBSCRIBE: a filter as text [MQTT-3.8.3-1] and a QoS.
fn take_entry<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, QoS), DecodeError> {
    let text = reader.take_str()?;
    // [MQTT-3.8.3-4] Neither QoS 3 nor a reserved bit.
    let qos = QoS::try_from(reader.take_u8()?).map_err(|_| DecodeError::InvalidQoS)?;
    Ok((text, qos))
}

/// [MQTT-4.7.1-2], [MQTT-4.7.1-3], [MQTT-4.7.3-1]
fn check_filter(text: &str) -> Result<(), DecodeError> {
    TopicFilter::parse(text).map(drop).map_err(|invalid| DecodeError::Filter(invalid.reason))
}

/// Walks a list to its end with `take`; it must have something in it.
fn check_list<'a>(
    list: &'a [u8],
    take: impl Fn(&mut Reader<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut reader = Reader::new(list);
    if reader.is_empty() {
        // [MQTT-3.8.3-3], [MQTT-3.10.3-2] At least one filter.
        return Err(DecodeError::EmptyList);
    }
    while !reader.is_empty() {
        take(&mut reader)?;
    }
    Ok(())
}

fn put_filter(filter: &str, out: &mut Vec<u8>) {
    if let Err(invalid) = TopicFilter::parse(filter) {
        panic!("{invalid}");
    }
    put_bytes(filter.as_bytes(), out);
}
