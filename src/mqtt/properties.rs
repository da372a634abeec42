//! Lists of properties (v5 2.2.2): checked in one pass when a packet is decoded, and read later.
//!
//! In a [`Properties`] each property is complete, allowed in its packet, and has a value that the
//! standard allows.

use std::fmt;

use super::error::DecodeError;
use super::property::{Carrier, PropertyId, Sender, ValueRule, ValueType, rights_of};
use super::topic::TopicName;
use super::wire::{Reader, put_bytes, put_u16, put_u32, put_varint, varint_bytes};

const CHECKED: &str = "the list was walked when the packet was decoded";

/// Properties as encoded in a packet, without their length. Empty in 3.x, whose encoders leave them
/// out.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Properties<'a>(&'a [u8]);

/// One property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Property<'a> {
    /// Its identifier.
    pub id: PropertyId,
    /// Its value, of the type in the table of properties.
    pub value: Value<'a>,
}

/// The value of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// [`ValueType::Byte`]
    Byte(u8),
    /// [`ValueType::TwoByteInteger`]
    TwoByteInteger(u16),
    /// [`ValueType::FourByteInteger`]
    FourByteInteger(u32),
    /// [`ValueType::VariableByteInteger`], at most 268,435,455.
    VariableByteInteger(u32),
    /// [`ValueType::String`]
    String(&'a str),
    /// [`ValueType::BinaryData`]
    BinaryData(&'a [u8]),
    /// [`ValueType::StringPair`]: name and value.
    StringPair(&'a str, &'a str),
}

impl<'a> Properties<'a> {
    /// No properties.
    pub const EMPTY: Self = Self(&[]);

    /// Lays out properties in `scratch`, which is emptied first.
    ///
    /// # Panics
    /// If one of them is not allowed in `carrier`, is repeated, or has a value of another type or
    /// one that the standard forbids.
    pub fn lay_out<'p>(
        carrier: Carrier,
        properties: impl IntoIterator<Item = Property<'p>>,
        scratch: &'a mut Vec<u8>,
    ) -> Self {
        scratch.clear();
        for property in properties {
            property.encode(scratch);
        }
        if let Err(error) = check(carrier, None, scratch, |_, _, _| {}) {
            panic!("{error}");
        }
        Self(scratch)
    }

    /// Properties that were checked before.
    #[inline]
    pub(super) const fn checked_before(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The encoded properties.
    #[inline]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether there are none.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The properties, in their order.
    pub fn iter(self) -> impl Iterator<Item = Property<'a>> + use<'a> {
        self.spans().map(|(property, _)| property)
    }

    /// The user properties, names and values, in their order.
    pub fn user_properties(self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.iter().filter_map(|property| match property.value {
            Value::StringPair(name, value) => Some((name, value)),
            _ => None,
        })
    }

    /// The first value of a property.
    pub fn find(self, id: PropertyId) -> Option<Value<'a>> {
        self.iter().find(|property| property.id == id).map(|property| property.value)
    }

    /// The properties with their bytes.
    pub(super) fn spans(self) -> impl Iterator<Item = (Property<'a>, &'a [u8])> + use<'a> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || {
            let whole = reader.rest();
            (!whole.is_empty()).then(|| {
                let property = take_property(&mut reader).expect(CHECKED);
                (property, &whole[..whole.len() - reader.rest().len()])
            })
        })
    }
}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for property in self.iter() {
            match property {
                // The data may be a password.
                Property { id: PropertyId::AuthenticationData, .. } => {
                    map.entry(&property.id, &"(hidden)");
                }
                Property { id, value } => {
                    map.entry(&id, &value);
                }
            }
        }
        map.finish()
    }
}

impl Value<'_> {
    /// The type of the value.
    pub const fn value_type(&self) -> ValueType {
        match self {
            Self::Byte(_) => ValueType::Byte,
            Self::TwoByteInteger(_) => ValueType::TwoByteInteger,
            Self::FourByteInteger(_) => ValueType::FourByteInteger,
            Self::VariableByteInteger(_) => ValueType::VariableByteInteger,
            Self::String(_) => ValueType::String,
            Self::BinaryData(_) => ValueType::BinaryData,
            Self::StringPair(..) => ValueType::StringPair,
        }
    }

    /// The number, if the value is of one of the four numeric types.
    pub const fn number(&self) -> Option<u32> {
        match *self {
            Self::Byte(value) => Some(value as u32),
            Self::TwoByteInteger(value) => Some(value as u32),
            Self::FourByteInteger(value) | Self::VariableByteInteger(value) => Some(value),
            Self::String(_) | Self::BinaryData(_) | Self::StringPair(..) => None,
        }
    }

    /// Whether a property with this rule may have the value.
    #[inline]
    fn obeys(&self, rule: ValueRule) -> bool {
        match (rule, self) {
            (ValueRule::Any, _) => true,
            (ValueRule::Flag, value) => value.number().is_some_and(|number| number <= 1),
            (ValueRule::NotZero, value) => value.number().is_some_and(|number| number > 0),
            (ValueRule::TopicName, Self::String(text)) => TopicName::parse(text).is_ok(),
            (ValueRule::TopicName, _) => false,
        }
    }
}

impl Property<'_> {
    /// Bytes that [`Property::encode`] appends.
    pub fn encoded_bytes(&self) -> usize {
        1 + match self.value {
            Value::Byte(_) => 1,
            Value::TwoByteInteger(_) => 2,
            Value::FourByteInteger(_) => 4,
            Value::VariableByteInteger(value) => varint_bytes(value as usize),
            Value::String(text) => 2 + text.len(),
            Value::BinaryData(bytes) => 2 + bytes.len(),
            Value::StringPair(name, value) => 2 + name.len() + 2 + value.len(),
        }
    }

    /// Appends the property.
    ///
    /// # Panics
    /// If the value has another type than the property, or is longer than 65,535 bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        assert_eq!(self.value.value_type(), self.id.row().value, "{}", self.id);
        out.push(self.id as u8);
        match self.value {
            Value::Byte(value) => out.push(value),
            Value::TwoByteInteger(value) => put_u16(value, out),
            Value::FourByteInteger(value) => put_u32(value, out),
            Value::VariableByteInteger(value) => put_varint(value as usize, out),
            Value::String(text) => put_bytes(text.as_bytes(), out),
            Value::BinaryData(bytes) => put_bytes(bytes, out),
            Value::StringPair(name, value) => {
                put_bytes(name.as_bytes(), out);
                put_bytes(value.as_bytes(), out);
            }
        }
    }
}

/// The position of a property in its list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Takes the length and the properties of a packet.
#[inline]
pub(super) fn take_properties<'a>(
    carrier: Carrier,
    sender: Option<Sender>,
    reader: &mut Reader<'a>,
) -> Result<Properties<'a>, DecodeError> {
    let bytes = reader.take_property_bytes()?;
    if bytes.is_empty() {
        return Ok(Properties::EMPTY);
    }
    let seen = check(carrier, sender, bytes, |_, _, _| {})?;
    // [v5 3.1.2.11.10] Authentication data requires a method.
    let lacks_method = seen & PropertyId::AuthenticationMethod.bit() == 0;
    if seen & PropertyId::AuthenticationData.bit() != 0 && lacks_method {
        return Err(DecodeError::NoAuthenticationMethod);
    }
    Ok(Properties(bytes))
}

/// Checks a list of properties in one pass, shows each to `visit`, with its number if it is one,
/// and returns the set of those that are there, but for user properties.
#[inline]
pub(super) fn check(
    carrier: Carrier,
    sender: Option<Sender>,
    bytes: &[u8],
    mut visit: impl FnMut(PropertyId, Option<u32>, Span),
) -> Result<u64, DecodeError> {
    let rights = rights_of(carrier);
    let others = match sender {
        None => 0,
        Some(Sender::Client) => rights.from_server,
        Some(Sender::Server) => rights.from_client,
    };
    let mut reader = Reader::new(bytes);
    let mut seen = 0u64;
    while let Some(&id) = reader.rest().first() {
        let bit = 1u64.checked_shl(u32::from(id)).unwrap_or(0);
        if rights.allowed & bit == 0 {
            return Err(DecodeError::PropertyNotAllowed { id, carrier });
        }
        let start = bytes.len() - reader.rest().len();
        if id == PropertyId::UserProperty as u8 {
            // The most frequent one: either side may send it, often, and with any value.
            reader.take_u8()?;
            reader.skip_str()?;
            reader.skip_str()?;
            visit(PropertyId::UserProperty, None, Span { start, end: end_of(bytes, reader) });
            continue;
        }
        let property = take_property(&mut reader)?;
        if seen & bit & !rights.repeatable != 0 {
            return Err(DecodeError::RepeatedProperty(property.id));
        }
        if others & bit != 0 {
            return Err(DecodeError::PropertyOfOtherSide(property.id));
        }
        if !property.value.obeys(property.id.row().rule) {
            return Err(DecodeError::PropertyValue(property.id));
        }
        seen |= bit;
        let span = Span { start, end: end_of(bytes, reader) };
        visit(property.id, property.value.number(), span);
    }
    Ok(seen)
}

/// Where the part of a list ends that a reader has taken.
#[inline]
fn end_of(bytes: &[u8], reader: Reader<'_>) -> usize {
    bytes.len() - reader.rest().len()
}

/// Takes one property of any packet.
#[inline]
fn take_property<'a>(reader: &mut Reader<'a>) -> Result<Property<'a>, DecodeError> {
    let id = reader.take_u8()?;
    let id = PropertyId::try_from(id).map_err(|_| DecodeError::UnexpectedEnd)?;
    let value = match id.row().value {
        ValueType::Byte => Value::Byte(reader.take_u8()?),
        ValueType::TwoByteInteger => Value::TwoByteInteger(reader.take_u16()?),
        ValueType::FourByteInteger => Value::FourByteInteger(reader.take_u32()?),
        ValueType::VariableByteInteger => Value::VariableByteInteger(reader.take_varint()?),
        ValueType::String => Value::String(reader.take_str()?),
        ValueType::BinaryData => Value::BinaryData(reader.take_bytes()?),
        ValueType::StringPair => Value::StringPair(reader.take_str()?, reader.take_str()?),
    };
    Ok(Property { id, value })
}
