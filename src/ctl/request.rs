//! The request of a verb, and the objects of an answer.

use std::fs::File;
use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::config::{Ctl, Kind, Parameter, parse_interval_ms};
use crate::limits::HTTP_DEFINITIONS_BYTES_MAX;
use crate::passwd;

use super::error::CtlError;
use super::text::shown;

/// The parameters of the request.
pub(super) fn sent(ctl: &Ctl) -> Vec<(&'static str, String)> {
    let is_sent = |parameter: &Parameter| !parameter.is_local && !parameter.in_body;
    given(ctl).filter(|(it, _)| is_sent(it)).map(|(it, text)| (it.name, text.to_owned())).collect()
}

fn given(ctl: &Ctl) -> impl Iterator<Item = (&'static Parameter, &str)> {
    let known = ctl.verb.parameters.iter();
    known.filter_map(|it| Some((it, ctl.get(it.name)?)))
}

/// The body of the request; `None` if its method has no body.
pub(super) fn body(ctl: &Ctl) -> Result<Option<Value>, CtlError> {
    if !["POST", "PUT"].contains(&ctl.verb.request.0) {
        return Ok(None);
    }
    let mut fields = Map::new();
    for (parameter, text) in given(ctl).filter(|(parameter, _)| parameter.in_body) {
        let value = match parameter.kind {
            Kind::Number(..) => text.parse::<u64>().map_or(Value::Null, Value::from),
            Kind::Switch => true.into(),
            Kind::Duration => {
                let ms = parse_interval_ms(text).map_err(CtlError::Usage)?;
                ms.div_ceil(1000).into()
            }
            Kind::Document => {
                let document = serde_json::from_slice(&read(text)?);
                let wrong = |error| format!("{}: is no JSON: {error}", shown(text));
                let document: Value = document.map_err(|error| CtlError::Usage(wrong(error)))?;
                let Value::Object(document) = document else {
                    return Err(CtlError::Usage(format!("{}: is no object of JSON", shown(text))));
                };
                fields.extend(document);
                continue;
            }
            Kind::Text | Kind::Word(_) | Kind::Decimal => text.into(),
        };
        fields.insert(parameter.name.to_owned(), value);
    }
    if ctl.verb.words == ["users", "add"] {
        let name = ctl.get("name").unwrap_or_default();
        let password = passwd::read_new(name, ctl.get("stdin").is_some());
        let password = password.map_err(|error| CtlError::Usage(error.to_string()))?;
        let password = String::from_utf8(password);
        let says = "a password that is set over HTTP is UTF-8";
        let password = password.map_err(|_| CtlError::Usage(says.to_owned()))?;
        fields.insert("password".to_owned(), password.into());
    }
    if ctl.verb.words == ["publish"]
        && let Some(path) = ctl.get("file")
    {
        if fields.contains_key("payload") {
            let says = "PAYLOAD and --file are both given: leave one of them out";
            return Err(CtlError::Usage(says.to_owned()));
        }
        fields.insert("payload_base64".to_owned(), STANDARD.encode(read(path)?).into());
    }
    Ok(Some(fields.into()))
}

/// The bytes of a file, or of standard input.
fn read(path: &str) -> Result<Vec<u8>, CtlError> {
    let failed = |error: io::Error| CtlError::Usage(format!("{}: {error}", shown(path)));
    let input: Box<dyn Read> = match path {
        "-" => Box::new(io::stdin()),
        _ => Box::new(File::open(path).map_err(failed)?),
    };
    let mut bytes = Vec::new();
    let bytes_max = HTTP_DEFINITIONS_BYTES_MAX;
    input.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > bytes_max {
        let says = format!("{}: has more than {bytes_max} bytes", shown(path));
        return Err(CtlError::Usage(says));
    }
    Ok(bytes)
}

/// The rows of a list.
pub(super) fn items(answer: &Value) -> Result<&[Value], CtlError> {
    items_of(answer, "items")
}

/// A list in an answer.
pub(super) fn items_of<'v>(answer: &'v Value, name: &str) -> Result<&'v [Value], CtlError> {
    let items = answer.get(name).and_then(Value::as_array);
    items.map(Vec::as_slice).ok_or_else(|| CtlError::stranger(&format!("it has no {name}")))
}
