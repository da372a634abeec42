//! Verbs that end clients and sessions: confirmation, request, and result.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use serde_json::Value;

use crate::config::Ctl;

use super::broker::Broker;
use super::error::CtlError;
use super::output::{Cell, Form, Output, Table};
use super::request::{body, sent};
use super::text::shown;

/// Bytes of the user's reply that are read.
const REPLY_BYTES_MAX: u64 = 256;

/// Asks for confirmation, unless `--yes` is given, and sends the request.
pub(super) fn show(
    broker: &Broker,
    ctl: &Ctl,
    asks: &str,
    output: &mut Output,
) -> Result<(), CtlError> {
    let quoted = |name, usual| format!("\"{}\"", shown(ctl.get(name).unwrap_or(usual)));
    let (id, vhost) = (quoted("id", ""), quoted("vhost", "/"));
    if !ctl.yes {
        confirm(&format!("{asks} {id} in vhost {vhost} of the broker at {}?", broker.address()))?;
    }
    let (method, path) = ctl.verb.request;
    let answer = broker.json(method, path, &sent(ctl))?;
    let is_true = |name| answer.get(name).and_then(Value::as_bool);
    let (disconnected, ended) = (is_true("disconnected"), is_true("session_ended"));
    match output.form() {
        Form::Json => output.json(&answer),
        Form::Tabs => {
            let rows = ["disconnected", "session_ended"].map(|name| {
                vec![Cell::text(name), Cell::value(answer.get(name).unwrap_or(&Value::Null))]
            });
            Table::new(["field", "value"]).rows(&rows, output);
        }
        Form::Terminal => {
            let result = match (disconnected, ended) {
                (Some(true), Some(true)) => "disconnected, and its session has ended",
                (Some(true), _) => "disconnected; its session is kept",
                _ => "its session has ended",
            };
            output.line(&format!("Client {id} in vhost {vhost}: {result}."));
        }
    }
    Ok(())
}

/// Disconnects all clients that match, or counts them.
pub(super) fn evict(broker: &Broker, ctl: &Ctl, output: &mut Output) -> Result<(), CtlError> {
    let is_dry = ctl.get("dry_run").is_some();
    if !ctl.yes && !is_dry {
        let asks = "Disconnect all clients that match";
        confirm(&format!("{asks} of the broker at {}?", broker.address()))?;
    }
    let answer = broker.json_for(ctl.verb.request, &[], body(ctl)?.as_ref())?;
    if output.form() == Form::Json {
        output.json(&answer);
        return Ok(());
    }
    let count = |name| answer.get(name).and_then(Value::as_u64);
    let (name, says) = if is_dry { ("matched", "match") } else { ("disconnected", "disconnected") };
    let count = count(name).ok_or_else(|| CtlError::stranger("its answer has no count"))?;
    let more = answer.get("more").and_then(Value::as_bool) == Some(true);
    let more = if more { "; there may be more: say it again" } else { "" };
    output.line(&format!("{count} clients {says}{more}"));
    Ok(())
}

/// Asks the user at the terminal.
pub(super) fn confirm(question: &str) -> Result<(), CtlError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let says = "this asks back, and there is no terminal to ask: --yes does it without";
        return Err(CtlError::Usage(says.to_owned()));
    }
    eprint!("{question} [y/N] ");
    let failed = |error| CtlError::Failed(format!("cannot ask back: {error}"));
    io::stderr().flush().map_err(failed)?;
    let mut reply = String::new();
    io::stdin().lock().take(REPLY_BYTES_MAX).read_line(&mut reply).map_err(failed)?;
    match ["y", "yes"].contains(&&*reply.trim().to_lowercase()) {
        true => Ok(()),
        false => Err(CtlError::Failed("nothing was done".to_owned())),
    }
}
