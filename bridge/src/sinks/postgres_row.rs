//! Rows in the binary format of COPY: a count of fields, then each field with its length.

use tokio_postgres::types::Type;

use crate::config::Missing;
use crate::flow::Message;
use crate::value::{Value, ValueType, Values};

/// The header of a binary COPY: signature, flags, no extension.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The trailer of a binary COPY.
pub(super) const TRAILER: &[u8] = &[0xff, 0xff];

/// Microseconds from 1970 to 2000, where PostgreSQL's time begins.
const EPOCH_US: i64 = 946_684_800_000_000;

/// Makes rows from messages.
pub(super) struct Rows {
    pub(super) values: Values,
    /// The types of the columns in the database.
    pub(super) types: Vec<Type>,
    pub(super) missing: Missing,
}

impl Rows {
    /// Whether values can be written to columns of these types.
    pub(super) fn check(&self) -> Result<(), String> {
        for (template, column) in self.values.templates().iter().zip(&self.types) {
            let known = type_of(column).ok_or_else(|| {
                format!("a column is of type {column}, which the bridge does not write")
            })?;
            if let Some(wanted) = template.value_type.filter(|wanted| *wanted != known) {
                let (wanted, known) = (wanted.name(), known.name());
                return Err(format!("a column is of type {known}, its template says {wanted}"));
            }
        }
        Ok(())
    }

    /// Appends the row of a message.
    ///
    /// # Errors
    /// The message has no row; the caller must cut off the appended bytes.
    pub(super) fn put(&self, message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        let count = i16::try_from(self.types.len()).expect("a table has at most 1600 columns");
        out.extend_from_slice(&count.to_be_bytes());
        let mut fault = None;
        let taken = self.values.take(message, |at, value| {
            if fault.is_none()
                && let Err(says) = self.put_field(at, &value, out)
            {
                fault = Some(format!("column {}: {says}", at + 1));
            }
        });
        taken.map_err(|error| error.to_string())?;
        fault.map_or(Ok(()), Err)
    }

    fn put_field(&self, at: usize, value: &Value<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        if *value == Value::Null {
            if self.missing == Missing::Dead {
                return Err("the message has no value for it".to_owned());
            }
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            return Ok(());
        }
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        let wanted = type_of(&self.types[at]).unwrap_or(ValueType::Text);
        put_value(value, wanted, &self.types[at], out)?;
        let bytes = i32::try_from(out.len() - start - 4).map_err(|_| "it is too long")?;
        out[start..start + 4].copy_from_slice(&bytes.to_be_bytes());
        Ok(())
    }
}

fn type_of(column: &Type) -> Option<ValueType> {
    Some(match *column {
        Type::BOOL => ValueType::Bool,
        Type::INT2 => ValueType::Int2,
        Type::INT4 => ValueType::Int4,
        Type::INT8 => ValueType::Int8,
        Type::FLOAT4 => ValueType::Float4,
        Type::FLOAT8 => ValueType::Float8,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME => ValueType::Text,
        Type::BYTEA => ValueType::Bytea,
        Type::JSON | Type::JSONB => ValueType::Jsonb,
        Type::TIMESTAMPTZ | Type::TIMESTAMP => ValueType::Timestamptz,
        _ => return None,
    })
}

fn put_value(
    value: &Value<'_>,
    wanted: ValueType,
    column: &Type,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    match wanted {
        ValueType::Bool => out.push(u8::from(boolean(value)?)),
        ValueType::Int2 => {
            let number = i16::try_from(integer(value)?).map_err(|_| "it is too large for int2")?;
            out.extend_from_slice(&number.to_be_bytes());
        }
        ValueType::Int4 => {
            let number = i32::try_from(integer(value)?).map_err(|_| "it is too large for int4")?;
            out.extend_from_slice(&number.to_be_bytes());
        }
        ValueType::Int8 => out.extend_from_slice(&integer(value)?.to_be_bytes()),
        #[expect(clippy::cast_possible_truncation, reason = "that is what the column keeps")]
        ValueType::Float4 => out.extend_from_slice(&(float(value)? as f32).to_be_bytes()),
        ValueType::Float8 => out.extend_from_slice(&float(value)?.to_be_bytes()),
        ValueType::Timestamptz => {
            let us = integer(value)?.checked_mul(1000).and_then(|us| us.checked_sub(EPOCH_US));
            out.extend_from_slice(&us.ok_or("it is no time")?.to_be_bytes());
        }
        ValueType::Bytea => match value {
            Value::Bytes(bytes) => out.extend_from_slice(bytes),
            value => out.extend_from_slice(text(value)?.as_bytes()),
        },
        ValueType::Text => {
            let text = text(value)?;
            if text.contains('\0') {
                return Err("text of PostgreSQL has no zero byte".to_owned());
            }
            out.extend_from_slice(text.as_bytes());
        }
        ValueType::Jsonb => {
            if *column == Type::JSONB {
                // The version of the format.
                out.push(1);
            }
            out.extend_from_slice(json(value)?.as_bytes());
        }
    }
    Ok(())
}

fn boolean(value: &Value<'_>) -> Result<bool, String> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::Int(0) => Ok(false),
        Value::Int(1) => Ok(true),
        value => match text(value)?.trim() {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(format!("{other:.40?} is not true or false")),
        },
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it is in range and has no fraction")]
fn integer(value: &Value<'_>) -> Result<i64, String> {
    match value {
        Value::Int(value) => Ok(*value),
        Value::Time(ms) => i64::try_from(*ms).map_err(|_| "it is no time".to_owned()),
        Value::Float(value) if value.fract() == 0.0 && value.abs() < 9e18 => Ok(*value as i64),
        Value::Float(value) => Err(format!("{value} is no integer")),
        value => {
            let text = text(value)?;
            text.trim().parse().map_err(|_| format!("{text:.40?} is no integer"))
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "that is what the column keeps")]
fn float(value: &Value<'_>) -> Result<f64, String> {
    match value {
        Value::Float(value) => Ok(*value),
        Value::Int(value) => Ok(*value as f64),
        Value::Time(ms) => Ok(*ms as f64),
        value => {
            let text = text(value)?;
            text.trim().parse().map_err(|_| format!("{text:.40?} is no number"))
        }
    }
}

fn text(value: &Value<'_>) -> Result<String, String> {
    Ok(match value {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        Value::Text(text) => text.clone().into_owned(),
        Value::Bytes(bytes) => {
            std::str::from_utf8(bytes).map_err(|_| "the payload is no UTF-8")?.to_owned()
        }
        Value::Time(ms) => ms.to_string(),
        Value::Json(text) => text.clone(),
    })
}

fn json(value: &Value<'_>) -> Result<String, String> {
    match value {
        Value::Text(text) => serde_json::to_string(text).map_err(|error| error.to_string()),
        Value::Float(value) if !value.is_finite() => Err("it is no number of JSON".to_owned()),
        value => text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::ValueTemplate;

    fn row(
        template: &str,
        column: Type,
        payload: &str,
        missing: Missing,
    ) -> Result<Vec<u8>, String> {
        let template = ValueTemplate::parse(template).expect(template);
        let rows = Rows { values: Values::new(vec![template]), types: vec![column], missing };
        rows.check()?;
        let message =
            Message { topic: "a/b", payload: payload.as_bytes(), time_ms: 5, ..Message::default() };
        let mut out = Vec::new();
        rows.put(&message, &mut out).map(|()| out[2..].to_vec())
    }

    // A value has the bytes of the column's type; a value that does not fit is an error.
    #[test]
    fn values_fit_columns() {
        let with_length = |bytes: &[u8]| {
            let length = i32::try_from(bytes.len()).expect("short").to_be_bytes();
            [&length, bytes].concat()
        };
        let time = (5000 - EPOCH_US).to_be_bytes();
        for (template, column, payload, wanted) in [
            ("json:$.v", Type::INT8, "{\"v\":7}", Some(&7_i64.to_be_bytes()[..])),
            ("json:$.v:int8", Type::INT8, "{\"v\":7.0}", Some(&7_i64.to_be_bytes())),
            ("json:$.v", Type::INT2, "{\"v\":70000}", None),
            ("json:$.v", Type::INT4, "{\"v\":1.5}", None),
            ("json:$.v", Type::FLOAT8, "{\"v\":1}", Some(&1.0_f64.to_be_bytes())),
            ("json:$.v", Type::FLOAT8, "{\"v\":\"2.5\"}", Some(&2.5_f64.to_be_bytes())),
            ("json:$.v", Type::BOOL, "{\"v\":true}", Some(&[1])),
            ("json:$.v", Type::BOOL, "{\"v\":2}", None),
            ("json:$.v", Type::TEXT, "{\"v\":\"x\"}", Some(b"x")),
            ("json:$.v", Type::TEXT, "{\"v\":\"\\u0000\"}", None),
            ("json:$.v", Type::JSONB, "{\"v\":\"x\"}", Some(b"\x01\"x\"")),
            ("json:$.v", Type::JSON, "{\"v\":[1]}", Some(b"[1]")),
            ("{time}", Type::TIMESTAMPTZ, "", Some(&time)),
            ("json:$.t", Type::TIMESTAMPTZ, "{\"t\":5}", Some(&time)),
            ("{payload}", Type::BYTEA, "raw", Some(b"raw")),
            ("{2}", Type::VARCHAR, "", Some(b"b")),
            ("{3}", Type::VARCHAR, "", None),
            ("json:$.v:float8", Type::INT8, "{\"v\":7}", None),
            ("{payload}", Type::POINT, "x", None),
        ] {
            let made = row(template, column.clone(), payload, Missing::Null);
            assert_eq!(made.clone().ok(), wanted.map(with_length), "{template} {column}: {made:?}");
        }
        let null = (-1_i32).to_be_bytes().to_vec();
        assert_eq!(row("json:$.v", Type::INT8, "{}", Missing::Null), Ok(null));
        assert!(row("json:$.v", Type::INT8, "{}", Missing::Dead).is_err());
    }
}
