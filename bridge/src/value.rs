//! Typed values of a message, for columns and fields: `json:$.a.b:float8`, `{topic}`, `{time}`.

use std::borrow::Cow;
use std::fmt;

use crate::flow::Message;
use crate::json::{JsonPath, JsonValues, Scalar};
use crate::template::{InvalidTemplate, NoLevel, Only, Template};

/// Types by PostgreSQL's names; other targets use the nearest type that they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// True or false.
    Bool,
    /// 16 bits.
    Int2,
    /// 32 bits.
    Int4,
    /// 64 bits.
    Int8,
    /// Single precision.
    Float4,
    /// Double precision.
    Float8,
    /// UTF-8.
    Text,
    /// Bytes.
    Bytea,
    /// JSON as it is.
    Jsonb,
    /// A time; numbers are milliseconds since 1970.
    Timestamptz,
}

/// Every type by its name.
const TYPES: &[(&str, ValueType)] = &[
    ("bool", ValueType::Bool),
    ("int2", ValueType::Int2),
    ("int4", ValueType::Int4),
    ("int8", ValueType::Int8),
    ("float4", ValueType::Float4),
    ("float8", ValueType::Float8),
    ("text", ValueType::Text),
    ("bytea", ValueType::Bytea),
    ("jsonb", ValueType::Jsonb),
    ("timestamptz", ValueType::Timestamptz),
];

impl ValueType {
    /// The type of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        TYPES.iter().find(|(known, _)| *known == name).map(|(_, value_type)| *value_type)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        TYPES.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| *name)
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// No value: the message lacks it, or it is `null`.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Another number.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes, as the payload is.
    Bytes(&'a [u8]),
    /// Milliseconds since 1970.
    Time(u64),
    /// A JSON object or list, as text.
    Json(String),
}

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueTemplate {
    source: Source,
    /// The required type; `None`: the type that the target chooses.
    pub value_type: Option<ValueType>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Json(JsonPath),
    Text(Template),
}

impl ValueTemplate {
    /// Compiles `json:PATH:TYPE`, `json:PATH` or a [`Template`].
    ///
    /// # Errors
    /// The reason why it is invalid.
    pub fn parse(text: &str) -> Result<Self, InvalidTemplate> {
        let Some(rest) = text.strip_prefix("json:") else {
            return Ok(Self { source: Source::Text(Template::parse(text)?), value_type: None });
        };
        let (path, name) = match rest.rsplit_once(':') {
            Some((path, name)) => (path, Some(name)),
            None => (rest, None),
        };
        let value_type = match name {
            Some(name) => Some(ValueType::by_name(name).ok_or_else(|| {
                let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
                InvalidTemplate::new(format!("{name:?} is no type: {}", names.join(", ")))
            })?),
            None => None,
        };
        let path = JsonPath::parse(path).map_err(InvalidTemplate::new)?;
        Ok(Self { source: Source::Json(path), value_type })
    }
}

/// Values that are taken from each message together, so that its payload is parsed once.
#[derive(Debug, Clone)]
pub struct Values {
    templates: Vec<ValueTemplate>,
    json: JsonValues,
    /// For each template, its place among the JSON values.
    slots: Vec<Option<usize>>,
}

/// The reason why a message lacks its values.
#[derive(Debug, PartialEq, Eq)]
pub enum NoValue {
    /// Its topic has too few levels.
    Level(NoLevel),
    /// Its payload is no JSON.
    NoJson(String),
}

impl fmt::Display for NoValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level(error) => write!(f, "{error}"),
            Self::NoJson(error) => write!(f, "the payload is no JSON: {error}"),
        }
    }
}

impl Values {
    /// Values for these templates, in this order.
    pub fn new(templates: Vec<ValueTemplate>) -> Self {
        let mut paths = Vec::new();
        let slot = |template: &ValueTemplate| match &template.source {
            Source::Json(path) => {
                paths.push(path.clone());
                Some(paths.len() - 1)
            }
            Source::Text(_) => None,
        };
        let slots = templates.iter().map(slot).collect();
        Self { json: JsonValues::new(&paths), templates, slots }
    }

    /// The templates.
    pub fn templates(&self) -> &[ValueTemplate] {
        &self.templates
    }

    /// Calls `each` with the values of a message, in order.
    ///
    /// # Errors
    /// The message lacks them.
    pub fn take<'m>(
        &self,
        message: &Message<'m>,
        mut each: impl FnMut(usize, Value<'m>),
    ) -> Result<(), NoValue> {
        let mut scalars = match self.json.is_empty() {
            true => Vec::new(),
            false => self.json.read(message.payload).map_err(NoValue::NoJson)?,
        };
        for (at, (template, slot)) in self.templates.iter().zip(&self.slots).enumerate() {
            let value = match (&template.source, slot) {
                (Source::Text(template), _) => text_value(template, message)?,
                (Source::Json(_), Some(slot)) => json_value(std::mem::take(&mut scalars[*slot])),
                (Source::Json(_), None) => Value::Null,
            };
            each(at, value);
        }
        Ok(())
    }
}

fn text_value<'m>(template: &Template, message: &Message<'m>) -> Result<Value<'m>, NoValue> {
    Ok(match template.only() {
        Some(Only::Time) => Value::Time(message.time_ms),
        Some(Only::Payload) => Value::Bytes(message.payload),
        Some(Only::Topic) => Value::Text(message.topic.into()),
        Some(Only::Position) | None => {
            Value::Text(template.text(message).map_err(NoValue::Level)?.into())
        }
    })
}

fn json_value<'m>(scalar: Scalar<'m>) -> Value<'m> {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(value),
        Scalar::Int(value) => Value::Int(value),
        Scalar::Float(value) => Value::Float(value),
        Scalar::Text(value) => Value::Text(value),
        Scalar::Json(value) => Value::Json(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Values are in the order of the templates, whatever the order in the payload.
    #[test]
    fn values_are_taken() {
        let texts = ["json:$.a.b:float8", "{1}", "json:$.c[1]", "{payload}", "json:$.no", "{time}"];
        let templates = texts.map(|text| ValueTemplate::parse(text).expect(text));
        let values = Values::new(templates.to_vec());
        let payload = br#"{"c": [1, "x\n"], "a": {"x": {}, "b": 2.5}}"#;
        let message = Message { topic: "t/u", payload, time_ms: 7, ..Message::default() };
        let mut taken = Vec::new();
        values.take(&message, |_, value| taken.push(value)).expect("has them");
        let wanted = [
            Value::Float(2.5),
            Value::Text("t".into()),
            Value::Text("x\n".into()),
            Value::Bytes(payload),
            Value::Null,
            Value::Time(7),
        ];
        assert_eq!(taken, wanted);
        let bad = Message { payload: b"{", ..message };
        assert!(matches!(values.take(&bad, |_, _| {}), Err(NoValue::NoJson(_))));
    }

    // An invalid template gives the reason.
    #[test]
    fn faults_are_told() {
        for (text, says) in [
            ("json:$.a:float9", "no type"),
            ("json:a", "begins with $"),
            ("json:$.a[x]", "number"),
            ("{0}", "no part"),
        ] {
            let error = ValueTemplate::parse(text).expect_err(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
