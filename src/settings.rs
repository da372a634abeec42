//! `ringmq config show`: lists all settings.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::config::{ConfigError, Configuration, Given, Origin, Row};

/// Prints every setting; with `defaults`, those of a broker without any configuration.
///
/// # Errors
/// If the configuration is invalid.
pub fn show(given: &Given, defaults: bool, json: bool) -> Result<ExitCode, ConfigError> {
    let configuration = if defaults { Configuration::of_flags([])? } else { given.read()? };
    let rows = configuration.rows();
    if json {
        let rows: Vec<Value> = rows.iter().map(as_json).collect();
        print(&format!("{:#}\n", Value::from(rows)));
    } else {
        print(&table(&rows));
    }
    for warning in configuration.warnings() {
        eprintln!("warning: {warning}");
    }
    Ok(ExitCode::SUCCESS)
}

/// A reader that has closed the pipe is no error.
fn print(text: &str) {
    let _gone = io::stdout().write_all(text.as_bytes());
}

fn as_json(row: &Row) -> Value {
    let (origin, variable, file, line) = match &row.origin {
        Origin::Flag => ("flag", None, None, None),
        Origin::Environment(variable) => ("environment", Some(variable.as_str()), None, None),
        Origin::File(file, line) => ("file", None, Some(file.to_string_lossy()), Some(line)),
        Origin::Default => ("default", None, None, None),
    };
    json!({
        "name": row.name,
        "values": row.values,
        "default": row.default,
        "origin": origin,
        "variable": variable,
        "file": file,
        "line": line,
        "takes": row.takes,
        "reload": row.reload.as_str(),
    })
}

/// A line for each setting, and a further line for each value after the first.
fn table(rows: &[Row]) -> String {
    let heads = ["NAME", "VALUE", "FROM", "RELOAD", "TAKES"].map(str::to_owned);
    let mut cells = vec![heads];
    for row in rows {
        let first = match row.values.first() {
            Some(value) => shown(value),
            None => format!("({})", row.default),
        };
        let (from, reload) = (shown(&row.origin.to_string()), row.reload.as_str().to_owned());
        cells.push([row.name.clone(), first, from, reload, row.takes.clone()]);
        for value in row.values.iter().skip(1) {
            let none = String::new;
            cells.push([none(), shown(value), none(), none(), none()]);
        }
    }
    let width = |at: usize| cells.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; 4] = std::array::from_fn(width);
    let line = |row: &[String; 5]| {
        let padded = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  "));
        format!("{}{}", padded.collect::<String>(), row[4]).trim_end().to_owned() + "\n"
    };
    cells.iter().map(line).collect()
}

/// A value as it is, or quoted if it could disturb a terminal.
fn shown(value: &str) -> String {
    match value.is_empty() || value.chars().any(char::is_control) {
        true => format!("{value:?}"),
        false => value.to_owned(),
    }
}
