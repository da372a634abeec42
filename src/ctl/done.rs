//! Verbs that change the whole broker.

use serde_json::Value;

use crate::config::Ctl;

use super::broker::Broker;
use super::ended::confirm;
use super::error::CtlError;
use super::output::{Cell, Form, Output, Table};
use super::request::{body, items_of, sent};

/// Sends the request, after a confirmation if the verb has a question.
pub(super) fn show(
    broker: &Broker,
    ctl: &Ctl,
    (says, asks): (&str, Option<&str>),
    output: &mut Output,
) -> Result<(), CtlError> {
    if let Some(asks) = asks.filter(|_| !ctl.yes) {
        confirm(&format!("{asks} of the broker at {}?", broker.address()))?;
    }
    let answer = broker.json_for(ctl.verb.request, &sent(ctl), body(ctl)?.as_ref())?;
    match output.form() {
        Form::Json => output.json(&answer),
        Form::Terminal | Form::Tabs => output.line(says),
    }
    Ok(())
}

/// Requests a reload, and shows the settings that it changed.
pub(super) fn show_reloaded(
    broker: &Broker,
    ctl: &Ctl,
    output: &mut Output,
) -> Result<(), CtlError> {
    let answer = broker.json_for(ctl.verb.request, &sent(ctl), body(ctl)?.as_ref())?;
    if output.form() == Form::Json {
        output.json(&answer);
        return Ok(());
    }
    let (taken, waiting) = (items_of(&answer, "taken")?, items_of(&answer, "waiting")?);
    if taken.is_empty() && waiting.is_empty() {
        output.line("reloaded; no setting has changed");
        return Ok(());
    }
    let row = |change: &Value, holds: &str| {
        let cell = |name| Cell::text_of(change.get(name).unwrap_or(&Value::Null));
        vec![cell("name"), cell("before"), cell("after"), Cell::text(holds)]
    };
    let taken = taken.iter().map(|change| row(change, "now"));
    let waiting = waiting.iter().map(|change| row(change, "after a restart"));
    let rows: Vec<Vec<Cell>> = taken.chain(waiting).collect();
    Table::new(["name", "before", "after", "holds"]).rows(&rows, output);
    Ok(())
}
