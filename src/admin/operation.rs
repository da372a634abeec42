//! An operation of the API: its method and path, its parameters, and the right that it needs.

use serde_json::{Map, Value, json};

use super::tokens::Right;

/// The values that a parameter may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Word(&'static [&'static str]),
    /// Within these bounds.
    Number(usize, usize),
}

/// A parameter in the query of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
    pub(super) says: &'static str,
}

pub(super) const fn parameter(name: &'static str, kind: Kind, says: &'static str) -> Parameter {
    Parameter { name, kind, required: false, says }
}

pub(super) const VHOST: Parameter =
    parameter("vhost", Kind::Text, "Name of the vhost; without it /");
pub(super) const ID: Parameter =
    Parameter { required: true, ..parameter("id", Kind::Text, "Client id, case sensitive") };

/// The answer of an operation that is no JSON, or that is streamed.
pub(super) const STREAM: &str = "";

/// One operation.
pub(super) struct Operation {
    pub(super) method: &'static str,
    /// The path below `/api/v1`.
    pub(super) path: &'static str,
    pub(super) right: Right,
    pub(super) parameters: &'static [Parameter],
    pub(super) says: &'static str,
    /// The name of its answer among the schemas.
    pub(super) answer: &'static str,
    /// The name of its body among the schemas, and the most bytes of it.
    pub(super) body: Option<(&'static str, usize)>,
}

pub(super) const fn operation(
    (method, path): (&'static str, &'static str),
    right: Right,
    parameters: &'static [Parameter],
    says: &'static str,
    answer: &'static str,
) -> Operation {
    Operation { method, path, right, parameters, says, answer, body: None }
}

impl Operation {
    /// The same with a body.
    pub(super) const fn taking(self, body: &'static str, bytes_max: usize) -> Self {
        Self { body: Some((body, bytes_max)), ..self }
    }
}

/// A parameter in the form of OpenAPI.
pub(super) fn described_parameter(parameter: &Parameter) -> Value {
    let schema = match parameter.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
        Kind::Number(least, usize::MAX) => json!({ "type": "integer", "minimum": least }),
        Kind::Number(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
    };
    json!({
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.says,
        "schema": schema,
    })
}

/// An object with these fields, of which the first `always` are required.
pub(super) fn object(always: usize, fields: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = fields.iter().take(always).map(|(name, _)| *name).collect();
    let fields = fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone()));
    json!({ "type": "object", "required": names, "properties": fields.collect::<Map<_, _>>() })
}
