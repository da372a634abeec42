//! Line protocol: `measurement,tag=value field=1.5,other="text" 1465839830100400200`.

use crate::config::HttpTarget;
use crate::flow::Message;
use crate::value::{Value, ValueTemplate, ValueType, Values};

/// Makes lines from messages.
pub(super) struct Lines {
    target: HttpTarget,
    /// Names of the fields, in the order of `values`; the time, if any, is last.
    names: Vec<String>,
    values: Values,
}

impl Lines {
    pub(super) fn new(target: HttpTarget) -> Self {
        let names = target.fields.keys().cloned().collect();
        let fields = target.fields.values().cloned();
        let templates: Vec<ValueTemplate> = fields.chain(target.time.clone()).collect();
        Self { names, values: Values::new(templates), target }
    }

    /// Appends the line of a message.
    ///
    /// # Errors
    /// The message has no line; the caller must cut off the appended bytes.
    pub(super) fn put(&self, message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        let level = |error: crate::template::NoLevel| error.to_string();
        let measurement_at = out.len();
        self.target.measurement.render(message, out, escape(b", ")).map_err(level)?;
        if out.len() == measurement_at {
            return Err("the measurement is empty".to_owned());
        }
        for (name, template) in &self.target.tags {
            let start = out.len();
            out.push(b',');
            escape(b",= ")(name.as_bytes(), out);
            out.push(b'=');
            let value_at = out.len();
            template.render(message, out, escape(b",= ")).map_err(level)?;
            // A tag without a value must be omitted.
            if out.len() == value_at {
                out.truncate(start);
            }
        }
        let fields_at = out.len();
        let mut time_ns = ns_of(message);
        let fields = self.values.take(message, |at, value| match self.names.get(at) {
            Some(name) => {
                let start = out.len();
                out.push(if start == fields_at { b' ' } else { b',' });
                escape(b",= ")(name.as_bytes(), out);
                out.push(b'=');
                let value_type = self.values.templates()[at].value_type;
                if !put_field(&value, value_type, out) {
                    out.truncate(start);
                }
            }
            None => time_ns = time_of(&value).unwrap_or(time_ns),
        });
        fields.map_err(|error| error.to_string())?;
        if out.len() == fields_at {
            return Err("no field has a value".to_owned());
        }
        out.extend_from_slice(format!(" {time_ns}\n").as_bytes());
        Ok(())
    }
}

/// Nanoseconds since 1970. A series has one point for each time, and many messages arrive in a
/// millisecond, so the message's number gives the lower digits: the same when it is delivered
/// again.
fn ns_of(message: &Message<'_>) -> u64 {
    message.time_ms.saturating_mul(1_000_000) + message.position.number % 1_000_000
}

/// A time from the payload: milliseconds since 1970.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
fn time_of(value: &Value<'_>) -> Option<u64> {
    match value {
        Value::Int(ms) => u64::try_from(*ms).ok().map(|ms| ms.saturating_mul(1_000_000)),
        Value::Float(ms) if (0.0..9e12).contains(ms) => Some((ms * 1e6) as u64),
        Value::Time(ms) => Some(ms.saturating_mul(1_000_000)),
        _ => None,
    }
}

/// Escapes the bytes of `special` with a backslash; line breaks become spaces.
fn escape(special: &'static [u8]) -> impl Fn(&[u8], &mut Vec<u8>) {
    move |piece, out| {
        for byte in piece {
            let byte = if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
            if special.contains(&byte) || byte == b'\\' {
                out.push(b'\\');
            }
            out.push(byte);
        }
    }
}

/// Appends a field's value; returns whether there is one. Numbers are floats unless the template
/// asks for an integer, so that 1 and 1.5 have one type.
#[expect(clippy::cast_precision_loss, reason = "floats are what line protocol's numbers are")]
#[expect(clippy::cast_possible_truncation, reason = "saturates")]
fn put_field(value: &Value<'_>, value_type: Option<ValueType>, out: &mut Vec<u8>) -> bool {
    let is_integer =
        matches!(value_type, Some(ValueType::Int2 | ValueType::Int4 | ValueType::Int8));
    let text = match (value, value_type) {
        (Value::Null, _) => return false,
        (Value::Bool(value), _) => value.to_string(),
        (Value::Int(value), Some(ValueType::Text)) => quoted(&value.to_string()),
        (Value::Float(value), Some(ValueType::Text)) => quoted(&value.to_string()),
        (Value::Int(value), _) if is_integer => format!("{value}i"),
        (Value::Int(value), _) => format!("{}", *value as f64),
        (Value::Float(value), _) if !value.is_finite() => return false,
        (Value::Float(value), _) if is_integer => format!("{}i", *value as i64),
        (Value::Float(value), _) => value.to_string(),
        (Value::Text(text), Some(ValueType::Float4 | ValueType::Float8)) => {
            match text.trim().parse::<f64>().ok().filter(|number| number.is_finite()) {
                Some(number) => number.to_string(),
                None => return false,
            }
        }
        (Value::Text(text), _) if is_integer => match text.trim().parse::<i64>() {
            Ok(number) => format!("{number}i"),
            Err(_) => return false,
        },
        (Value::Text(text), _) => quoted(text),
        (Value::Bytes(bytes), _) => return put_payload(bytes, value_type, out),
        (Value::Time(ms), _) => format!("{ms}i"),
        (Value::Json(text), _) => quoted(text),
    };
    out.extend_from_slice(text.as_bytes());
    true
}

fn put_payload(bytes: &[u8], value_type: Option<ValueType>, out: &mut Vec<u8>) -> bool {
    let text = Value::Text(String::from_utf8_lossy(bytes));
    put_field(&text, value_type, out)
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::flow::Position;
    use crate::template::Template;

    fn lines(tags: &[(&str, &str)], fields: &[(&str, &str)], time: Option<&str>) -> Lines {
        let template = |text: &str| Template::parse(text).expect("is one");
        let value = |text: &str| ValueTemplate::parse(text).expect("is one");
        Lines::new(HttpTarget {
            host: String::new(),
            port: 1,
            tls: None,
            path: String::new(),
            authorization: None,
            measurement: template("{1}"),
            tags: tags.iter().map(|(n, t)| ((*n).to_owned(), template(t))).collect(),
            fields: fields
                .iter()
                .map(|(n, t)| ((*n).to_owned(), value(t)))
                .collect::<BTreeMap<_, _>>(),
            time: time.map(value),
        })
    }

    // Each part is escaped by its rules, and parts without a value are omitted.
    #[test]
    fn lines_are_made() {
        let payload = br#"{"v": 1, "i": 2, "s": "a\"b\\", "b": true, "t": 5}"#;
        let message = Message {
            topic: "a,b c/d=e//f",
            payload,
            time_ms: 3,
            position: Position { epoch: 1, number: 1_000_004 },
            ..Message::default()
        };
        let tags = [("x y", "{2}"), ("empty", "{3}"), ("end", "{-1}")];
        let fields = [
            ("v", "json:$.v"),
            ("i", "json:$.i:int8"),
            ("s", "json:$.s"),
            ("b", "json:$.b"),
            ("no", "json:$.no"),
        ];
        let line = |lines: &Lines, message: &Message<'_>| {
            let mut out = Vec::new();
            lines.put(message, &mut out).map(|()| String::from_utf8(out).expect("is text"))
        };
        let made = line(&lines(&tags, &fields, None), &message).expect("has fields");
        let wanted = "a\\,b\\ c,end=f,x\\ y=d\\=e b=true,i=2i,s=\"a\\\"b\\\\\",v=1 3000004\n";
        assert_eq!(made, wanted);
        let timed = line(&lines(&[], &[("v", "json:$.v")], Some("json:$.t")), &message);
        assert_eq!(timed.as_deref(), Ok("a\\,b\\ c v=1 5000000\n"));
        let number = Message { payload: b" 1.5 ", ..message };
        let plain = line(&lines(&[], &[("v", "{payload}")], None), &number);
        assert_eq!(plain.as_deref(), Ok("a\\,b\\ c v=\" 1.5 \" 3000004\n"));
        let none = line(&lines(&[], &[("v", "json:$.no")], None), &message);
        assert_eq!(none, Err("no field has a value".to_owned()));
        let bad = line(&lines(&[], &[("v", "json:$.v")], None), &number);
        assert!(bad.is_err());
    }
}
