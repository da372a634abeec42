//! What is sent for a verb, and the objects of an answer.

use serde_json::Value;

use crate::config::Ctl;

use super::error::CtlError;

/// The parameters of the request.
pub(super) fn sent(ctl: &Ctl) -> Vec<(&'static str, String)> {
    let is_local = |name: &str| {
        ctl.verb.parameters.iter().any(|parameter| parameter.name == name && parameter.is_local)
    };
    ctl.given.iter().filter(|(name, _)| !is_local(name)).cloned().collect()
}

/// The rows of a list.
pub(super) fn items(answer: &Value) -> Result<&[Value], CtlError> {
    let items = answer.get("items").and_then(Value::as_array);
    items.map(Vec::as_slice).ok_or_else(|| CtlError::stranger("its list has no items"))
}
