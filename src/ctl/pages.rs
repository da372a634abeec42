//! Lists that come in pages: as many rows as requested, or all.

use serde_json::Value;

use crate::config::{Columns, Ctl};
use crate::limits::PAGE_ROWS_MAX;

use super::broker::Broker;
use super::error::CtlError;
use super::fields;
use super::output::{Cell, Form, Output, Table};
use super::request::{items, sent};

/// The default number of rows.
const ROWS_USUAL: usize = 100;

/// Reads the pages of a list, from the cursor in `query` to its end, or until `see` has received
/// the requested number of rows; returns the cursor of the rest.
pub(super) fn walk(
    broker: &Broker,
    path: &str,
    mut query: Vec<(&'static str, String)>,
    mut wanted: Option<usize>,
    mut see: impl FnMut(&[Value]) -> Result<(), CtlError>,
) -> Result<Option<String>, CtlError> {
    let given = query.iter().position(|(name, _)| *name == "limit").map(|at| query.remove(at).1);
    let page_rows = given.and_then(|rows| rows.parse().ok()).unwrap_or(PAGE_ROWS_MAX);
    loop {
        let rows = wanted.unwrap_or(page_rows).min(PAGE_ROWS_MAX);
        let limit = [("limit", rows.to_string())];
        let answer = broker.json("GET", path, &[&*query, &limit].concat())?;
        let items = items(&answer)?;
        see(items)?;
        wanted = wanted.map(|wanted| wanted.saturating_sub(items.len()));
        let Some(next) = answer.get("next").and_then(Value::as_str) else { return Ok(None) };
        let is_same = |(name, value): &(&str, String)| *name == "cursor" && value == next;
        if query.iter().any(is_same) {
            return Err(CtlError::stranger("its list does not go on"));
        }
        if wanted == Some(0) {
            return Ok(Some(next.to_owned()));
        }
        query.retain(|(name, _)| *name != "cursor");
        query.push(("cursor", next.to_owned()));
    }
}

/// Shows a list page by page, without holding all of it in memory.
pub(super) fn show(
    broker: &Broker,
    ctl: &Ctl,
    columns: Columns,
    output: &mut Output,
) -> Result<(), CtlError> {
    let (_, path) = ctl.verb.request;
    let columns = fields::wanted(ctl, columns);
    let mut query = sent(ctl);
    if ctl.columns.is_some() || output.form() != Form::Json {
        // Nested fields are requested by the outer field, once.
        let mut names: Vec<&str> =
            columns.iter().map(|name| name.split('.').next().unwrap_or(name)).collect();
        names.dedup();
        query.push(("fields", names.join(",")));
    }
    let limit = ctl.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(ROWS_USUAL);
    let mut table = Table::new(columns.clone());
    let next = walk(broker, path, query, (!ctl.all).then_some(limit), |items| {
        if output.form() == Form::Json {
            items.iter().for_each(|item| output.json(item));
        } else {
            let rows: Vec<Vec<Cell>> =
                items.iter().map(|item| fields::cells(item, &columns)).collect();
            table.rows(&rows, output);
        }
        output.flush()
    })?;
    if let Some(next) = next.filter(|_| ctl.watch_ms.is_none()) {
        output.note(&format!("There are more: --all lists all, --cursor {next} the next ones."));
    }
    Ok(())
}
