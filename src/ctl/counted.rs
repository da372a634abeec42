//! Verbs that delete messages: confirmation, request, and the number of deleted messages.

use serde_json::Value;

use crate::config::Ctl;

use super::broker::Broker;
use super::ended::confirm;
use super::error::CtlError;
use super::output::{Form, Output};
use super::request::sent;
use super::text::shown;

/// Asks for confirmation, unless `--yes` is given or nothing would change, and sends the request.
pub(super) fn show(
    broker: &Broker,
    ctl: &Ctl,
    asks: &str,
    output: &mut Output,
) -> Result<(), CtlError> {
    let is_dry = ctl.get("dry_run").is_some();
    let quoted = |text: &str| format!("\"{}\"", shown(text));
    if !ctl.yes && !is_dry {
        let object =
            quoted(ctl.get("id").or(ctl.get("filter")).or(ctl.get("group")).unwrap_or_default());
        let vhost = quoted(ctl.get("vhost").unwrap_or("/"));
        confirm(&format!(
            "{asks} {object} in vhost {vhost} of the broker at {}?",
            broker.address()
        ))?;
    }
    let (method, path) = ctl.verb.request;
    let answer = broker.json(method, path, &sent(ctl))?;
    if output.form() == Form::Json {
        output.json(&answer);
        return Ok(());
    }
    let count = answer.get("messages").or(answer.get("purged")).and_then(Value::as_u64);
    let count = count.ok_or_else(|| CtlError::stranger("its answer has no number of messages"))?;
    let done = match (is_dry, answer.get("purged")) {
        (true, _) => "would be cleared",
        (false, Some(_)) => "dropped",
        (false, None) if answer.get("members").is_some() => "dropped: the group has ended",
        (false, None) => "cleared",
    };
    output.line(&format!("{count} messages {done}"));
    Ok(())
}
