//! `[sink.postgres]`.

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::section::Section;
use super::values::{Secret, secret_file};
use crate::limits::COLUMNS_MAX;
use crate::value::ValueTemplate;

/// A table to write to.
#[derive(Debug, Clone)]
pub struct PostgresTarget {
    /// The server, user and database.
    pub url: Secret,
    /// The name in SQL, perhaps with its schema.
    pub table: String,
    /// Columns with the templates of their values; at least one.
    pub columns: Vec<(String, ValueTemplate)>,
    /// The table with the cursors of bridges.
    pub cursor_table: String,
    /// The handling of a message that lacks a value.
    pub missing: Missing,
}

/// The handling of a message that lacks a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The column is NULL.
    Null,
    /// The message is refused.
    Dead,
}

/// The target of a table.
pub(super) fn target(table: Section<'_, '_>) -> Option<PostgresTarget> {
    let url = match table.parsed("url_file", secret_file) {
        Some(url) => Some(url),
        None if table.has("url_file") => None,
        None => table.required("url").map(|text| Secret(text.text)),
    };
    if let Some(url) = &url {
        check_url(&table, &url.0);
    }
    let name = table.required("table").and_then(|text| identifier(&table, &text.text, text.at));
    let cursor = table.text("cursor_table");
    let cursor = match cursor {
        Some(text) => identifier(&table, &text.text, text.at),
        None => Some("ringmq_bridge_cursor".to_owned()),
    };
    let mut columns = Vec::new();
    for (column, text) in table.pairs("columns") {
        match ValueTemplate::parse(&text.text) {
            Ok(template) => columns.push((quoted(&column.text), template)),
            Err(error) => table.fault(text.at, error.to_string()),
        }
    }
    if !table.has("columns") || columns.len() > COLUMNS_MAX {
        let says = format!("columns = {{ COLUMN = \"TEMPLATE\" }} has 1 to {COLUMNS_MAX} of them");
        table.fault(table.place_of("columns"), says);
    }
    let missing = table.parsed("missing", |text| match text {
        "null" => Ok(Missing::Null),
        "dead" => Ok(Missing::Dead),
        _ => Err("takes \"null\" or \"dead\""),
    });
    table.finish();
    Some(PostgresTarget {
        url: url?,
        table: name?,
        columns,
        cursor_table: cursor?,
        missing: missing.unwrap_or(Missing::Null),
    })
}

fn check_url(table: &Section<'_, '_>, url: &str) {
    // The error must not show the password.
    let Ok(config) = url.parse::<Config>() else {
        let says = "is no address: postgres://USER@HOST/DATABASE, or host=/run/postgresql dbname=…";
        return table.fault(table.at, format!("{}.url {says}", table.name));
    };
    let is_remote = config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
    if config.get_hosts().is_empty() {
        table.fault(table.at, format!("{}.url names no host", table.name));
    }
    if is_remote && config.get_ssl_mode() == SslMode::Require {
        let says = "sslmode=require: the bridge speaks no TLS to PostgreSQL; use a Unix socket, a \
                    host of its own network, or a tunnel";
        table.fault(table.at, format!("{}.url: {says}", table.name));
    }
}

/// `name` or `schema.name`, each part in quotes.
fn identifier(table: &Section<'_, '_>, text: &str, at: usize) -> Option<String> {
    let parts: Vec<&str> = text.split('.').collect();
    let is_name = |part: &&str| !part.is_empty() && !part.contains(['"', '\0', ';']);
    if parts.len() > 2 || !parts.iter().all(is_name) {
        table.fault(at, format!("{text:?} is no table: write TABLE or SCHEMA.TABLE"));
        return None;
    }
    Some(parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join("."))
}

/// A name for SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
