//! SUBSCRIBE and UNSUBSCRIBE with their acknowledgements (3.8–3.11): lists inside a packet.
//!
//! The lists are kept as bytes of the packet, checked once and walked each time they are read, so
//! that no memory is allocated for them. In them, each string is a topic filter, all options exist
//! in the version, and no list is empty. A packet with a string that is not a filter is malformed
//! [MQTT-4.8.0-1]: none of its filters takes effect.

use super::error::DecodeError;
use super::fields::{OutOfRange, PacketId, QoS, SubscriptionId, Version};
use super::filter::TopicFilter;
use super::properties::Properties;
use super::property::PropertyId;
use super::wire::{Reader, put_bytes};

const CHECKED: &str = "the list was walked when the packet was made";

/// SUBSCRIBE (3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// The identifier, which the SUBACK repeats [MQTT-3.8.4-2].
    pub packet_id: PacketId,
    /// MQTT 5: a subscription identifier and user properties.
    pub properties: Properties<'a>,
    /// The payload (see the file).
    entries: &'a [u8],
}

/// One filter of a SUBSCRIBE with its options (3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscribeEntry<'a> {
    /// The filter.
    pub filter: TopicFilter<'a>,
    /// The maximum QoS.
    pub qos: QoS,
    /// MQTT 5: whether messages of the client itself are not sent to it.
    pub no_local: bool,
    /// MQTT 5: whether copies have RETAIN as published.
    pub retain_as_published: bool,
    /// MQTT 5: when retained messages are sent.
    pub retain_handling: RetainHandling,
}

/// The condition for sending the matching retained messages of a subscription (v5 3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RetainHandling {
    /// At each SUBSCRIBE; always so in 3.x.
    #[default]
    Always = 0,
    /// Only if the session did not have it before.
    IfNew = 1,
    /// Never.
    Never = 2,
}

impl TryFrom<u8> for RetainHandling {
    type Error = OutOfRange;

    fn try_from(bits: u8) -> Result<Self, OutOfRange> {
        Ok(match bits {
            0 => Self::Always,
            1 => Self::IfNew,
            2 => Self::Never,
            _ => return Err(OutOfRange(bits)),
        })
    }
}

/// Bits of the subscription options (v5 3.8.3.1).
mod option_bits {
    pub(super) const QOS: u8 = 0b11;
    pub(super) const NO_LOCAL: u8 = 0b100;
    pub(super) const RETAIN_AS_PUBLISHED: u8 = 0b1000;
    pub(super) const HANDLING_SHIFT: u32 = 4;
    pub(super) const RESERVED: u8 = 0b1100_0000;
}

impl<'a> SubscribeEntry<'a> {
    /// A filter with a QoS and no other options, as in 3.x.
    pub const fn new(filter: TopicFilter<'a>, qos: QoS) -> Self {
        let retain_handling = RetainHandling::Always;
        Self { filter, qos, no_local: false, retain_as_published: false, retain_handling }
    }

    /// The options as a byte.
    fn options(&self) -> u8 {
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        self.qos as u8
            | bit(self.no_local, option_bits::NO_LOCAL)
            | bit(self.retain_as_published, option_bits::RETAIN_AS_PUBLISHED)
            | (self.retain_handling as u8) << option_bits::HANDLING_SHIFT
    }

    /// Reads the options of MQTT 5, which include those of 3.x.
    fn parse(filter: TopicFilter<'a>, options: u8) -> Result<Self, DecodeError> {
        // [MQTT-3.8.3-5] v5
        if options & option_bits::RESERVED != 0 {
            return Err(DecodeError::ReservedOptions);
        }
        let qos = QoS::try_from(options & option_bits::QOS);
        let retain_handling = RetainHandling::try_from(options >> option_bits::HANDLING_SHIFT);
        let entry = Self {
            filter,
            qos: qos.map_err(|_| DecodeError::SubscriptionQoS)?,
            no_local: options & option_bits::NO_LOCAL != 0,
            retain_as_published: options & option_bits::RETAIN_AS_PUBLISHED != 0,
            retain_handling: retain_handling.map_err(|_| DecodeError::RetainHandling)?,
        };
        // [MQTT-3.8.3-4] v5
        if entry.no_local && filter.is_shared() {
            return Err(DecodeError::SharedNoLocal);
        }
        Ok(entry)
    }
}

impl<'a> Subscribe<'a> {
    /// Lays out a SUBSCRIBE in `scratch`, which is emptied first.
    ///
    /// # Panics
    /// If there are no entries, or one is not a topic filter.
    pub fn new(packet_id: PacketId, entries: &[(&str, QoS)], scratch: &'a mut Vec<u8>) -> Self {
        let entry = |&(text, qos)| SubscribeEntry::new(filter(text), qos);
        Self::lay_out(packet_id, Properties::EMPTY, entries.iter().map(entry), scratch)
    }

    /// Lays out a SUBSCRIBE with options in `scratch`, which is emptied first. 3.x has no option
    /// but QoS.
    ///
    /// # Panics
    /// If there are no entries.
    pub fn lay_out<'e>(
        packet_id: PacketId,
        properties: Properties<'a>,
        entries: impl IntoIterator<Item = SubscribeEntry<'e>>,
        scratch: &'a mut Vec<u8>,
    ) -> Self {
        scratch.clear();
        for entry in entries {
            put_bytes(entry.filter.as_str().as_bytes(), scratch);
            scratch.push(entry.options());
        }
        assert!(!scratch.is_empty(), "[MQTT-3.8.3-3] SUBSCRIBE has at least one filter");
        Self { packet_id, properties, entries: scratch }
    }

    /// Takes the rest of a packet as the list and checks it.
    pub(super) fn from_wire(
        version: Version,
        packet_id: PacketId,
        properties: Properties<'a>,
        mut reader: Reader<'a>,
    ) -> Result<Self, DecodeError> {
        let entries = reader.take_rest();
        check_list(entries, |reader| check_entry(version, reader))?;
        Ok(Self { packet_id, properties, entries })
    }

    /// The identifier of all its subscriptions.
    pub fn subscription_id(&self) -> Option<SubscriptionId> {
        let value = self.properties.find(PropertyId::SubscriptionId)?;
        SubscriptionId::new(value.number()?)
    }

    /// The filters in their order, which is also that of the codes in the SUBACK [MQTT-3.9.3-1].
    pub fn entries(&self) -> impl Iterator<Item = SubscribeEntry<'a>> + use<'a> {
        let mut reader = Reader::new(self.entries);
        std::iter::from_fn(move || {
            (!reader.is_empty()).then(|| {
                let (text, options) = take_entry(&mut reader).expect(CHECKED);
                SubscribeEntry::parse(TopicFilter::parsed_before(text), options).expect(CHECKED)
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
    /// The identifier of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// MQTT 5: a reason string and user properties.
    pub properties: Properties<'a>,
    /// The granted QoS or [`Suback::FAILURE`] for each filter, in MQTT 5 a reason code, in the
    /// order of the SUBSCRIBE.
    pub codes: &'a [u8],
}

impl Suback<'_> {
    /// The return code of a refused filter (3.9.3).
    pub const FAILURE: u8 = 0x80;
}

/// UNSUBSCRIBE (3.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// The identifier, which the UNSUBACK repeats [MQTT-3.10.4-4].
    pub packet_id: PacketId,
    /// MQTT 5: user properties.
    pub properties: Properties<'a>,
    /// The payload (see the file).
    filters: &'a [u8],
}

impl<'a> Unsubscribe<'a> {
    /// Lays out an UNSUBSCRIBE in `scratch`, which is emptied first.
    ///
    /// # Panics
    /// If there are no filters, or one is not a topic filter.
    pub fn new(packet_id: PacketId, filters: &[&str], scratch: &'a mut Vec<u8>) -> Self {
        Self::lay_out(packet_id, Properties::EMPTY, filters.iter().copied().map(filter), scratch)
    }

    /// Lays out an UNSUBSCRIBE with properties in `scratch`, which is emptied first.
    ///
    /// # Panics
    /// If there are no filters.
    pub fn lay_out<'f>(
        packet_id: PacketId,
        properties: Properties<'a>,
        filters: impl IntoIterator<Item = TopicFilter<'f>>,
        scratch: &'a mut Vec<u8>,
    ) -> Self {
        scratch.clear();
        for filter in filters {
            put_bytes(filter.as_str().as_bytes(), scratch);
        }
        assert!(!scratch.is_empty(), "[MQTT-3.10.3-2] UNSUBSCRIBE has at least one filter");
        Self { packet_id, properties, filters: scratch }
    }

    /// Takes the rest of a packet as the list and checks it.
    pub(super) fn from_wire(
        packet_id: PacketId,
        properties: Properties<'a>,
        mut reader: Reader<'a>,
    ) -> Result<Self, DecodeError> {
        let filters = reader.take_rest();
        // [MQTT-3.10.3-1] Strings.
        check_list(filters, |reader| parse_filter(reader.take_str()?).map(drop))?;
        Ok(Self { packet_id, properties, filters })
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
    /// The identifier of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// MQTT 5: a reason string and user properties.
    pub properties: Properties<'a>,
    /// MQTT 5: a reason for each filter; empty in 3.x.
    pub codes: &'a [u8],
}

/// One entry of a SUBSCRIBE: a filter as text [MQTT-3.8.3-1] and options.
fn take_entry<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, u8), DecodeError> {
    Ok((reader.take_str()?, reader.take_u8()?))
}

fn check_entry(version: Version, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
    let (text, options) = take_entry(reader)?;
    // [MQTT-3.8.3-4] In 3.x neither QoS 3 nor a reserved bit.
    if version != Version::V5 && QoS::try_from(options).is_err() {
        return Err(DecodeError::InvalidQoS);
    }
    SubscribeEntry::parse(parse_filter(text)?, options).map(drop)
}

/// [MQTT-4.7.1-2], [MQTT-4.7.1-3], [MQTT-4.7.3-1]
fn parse_filter(text: &str) -> Result<TopicFilter<'_>, DecodeError> {
    TopicFilter::parse(text).map_err(|invalid| DecodeError::Filter(invalid.reason))
}

/// Walks a list to its end with `take`. An empty list is an error.
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

/// Parses a filter of a packet that is being encoded.
fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).unwrap_or_else(|invalid| panic!("{invalid}"))
}
