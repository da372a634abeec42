//! Standard output: aligned tables on a terminal, tab-separated lines in a pipe, or JSON.

use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};

use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::limits::CTL_CELL_COLUMNS_MAX;

use super::error::CtlError;
use super::text::{json_line, shown};

/// The output format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// For people.
    Terminal,
    /// For programs: the names of columns, then rows, separated by tabs.
    Tabs,
    /// For programs: one object for each line.
    Json,
}

/// Output that is gathered until [`Output::flush`].
pub(super) struct Output {
    form: Form,
    is_terminal: bool,
    text: String,
}

/// One cell of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Cell {
    text: String,
    is_number: bool,
}

/// The names of columns, and the widths of the rows so far.
pub(super) struct Table {
    names: Vec<String>,
    widths: Vec<usize>,
    is_begun: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let form = match (json, is_terminal) {
            (true, _) => Form::Json,
            (false, true) => Form::Terminal,
            (false, false) => Form::Tabs,
        };
        Self { form, is_terminal, text: String::new() }
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.form == Form::Terminal
    }

    /// Clears the screen before the next output, if it is a terminal and not JSON. A terminal
    /// without control sequences gets an empty line instead.
    pub(super) fn clear(&mut self) {
        if self.is_terminal() {
            self.text.push_str(if has_sequences() { "\x1b[H\x1b[2J\x1b[3J" } else { "\n" });
        }
    }

    /// Writes a line unchanged: it must be [`shown`] already.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Writes an object as JSON.
    pub(super) fn json(&mut self, value: &Value) {
        self.line(&json_line(value));
    }

    /// Writes the gathered output.
    pub(super) fn flush(&mut self) -> Result<(), CtlError> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(self.text.as_bytes()).and_then(|()| stdout.flush());
        self.text.clear();
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => CtlError::Unread,
            _ => CtlError::Failed(format!("cannot print: {error}")),
        })
    }

    /// Writes a message for the user beside the output.
    pub(super) fn note(&self, note: &str) {
        if self.is_terminal {
            eprintln!("{note}");
        }
    }
}

/// Whether the terminal understands control sequences.
fn has_sequences() -> bool {
    env::var_os("TERM").is_some_and(|kind| !kind.is_empty() && kind != "dumb")
}

impl Cell {
    /// A cell of untrusted text.
    pub(super) fn text(text: &str) -> Self {
        Self { text: shown(text), is_number: false }
    }

    /// A cell of a figure.
    pub(super) fn figure(text: String) -> Self {
        Self { text, is_number: true }
    }

    /// A cell of a value; the items of a list are separated by commas.
    pub(super) fn value(value: &Value) -> Self {
        match value {
            Value::Null => Self::text(""),
            Value::String(text) => Self::text(text),
            Value::Number(number) => Self::figure(number.to_string()),
            Value::Array(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| Self::value(part).text).collect();
                Self { text: parts.join(","), is_number: false }
            }
            Value::Bool(_) | Value::Object(_) => Self::text(&value.to_string()),
        }
    }

    /// A cell of a value, in a column of mixed kinds.
    pub(super) fn text_of(value: &Value) -> Self {
        Self { is_number: false, ..Self::value(value) }
    }

    /// The text of a cell in a table: never empty, and at most as long as a column may be.
    fn fitted(&self) -> String {
        if self.text.is_empty() {
            return "-".to_owned();
        }
        if self.text.width() <= CTL_CELL_COLUMNS_MAX {
            return self.text.clone();
        }
        let mut kept = String::new();
        let mut left = CTL_CELL_COLUMNS_MAX - 1;
        for c in self.text.chars() {
            let Some(rest) = left.checked_sub(c.width().unwrap_or(0)) else { break };
            left = rest;
            kept.push(c);
        }
        kept + "…"
    }
}

impl Table {
    pub(super) fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let widths = names.iter().map(|name| name.width()).collect();
        Self { names, widths, is_begun: false }
    }

    /// Adds rows. The names of the columns precede the first rows.
    pub(super) fn rows(&mut self, rows: &[Vec<Cell>], output: &mut Output) {
        if output.form == Form::Tabs {
            if !self.is_begun {
                output.line(&self.names.join("\t"));
            }
            for row in rows {
                let cells: Vec<&str> = row.iter().map(|cell| &*cell.text).collect();
                output.line(&cells.join("\t"));
            }
            self.is_begun = true;
            return;
        }
        let fitted: Vec<Vec<(String, bool)>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| (cell.fitted(), cell.is_number)).collect())
            .collect();
        for row in &fitted {
            for (width, (text, _)) in self.widths.iter_mut().zip(row) {
                *width = text.width().max(*width);
            }
        }
        if !self.is_begun {
            // The name of a column of figures is aligned to the right as well.
            let is_number = |at: usize| fitted.iter().any(|row| row[at].1);
            let names = self.names.iter().enumerate();
            let names: Vec<_> = names.map(|(at, name)| (name.clone(), is_number(at))).collect();
            output.line(&self.aligned(&names));
            self.is_begun = true;
        }
        for row in &fitted {
            output.line(&self.aligned(row));
        }
    }

    fn aligned(&self, row: &[(String, bool)]) -> String {
        let cells = row.iter().zip(&self.widths).map(|((text, is_number), width)| {
            // Characters of some scripts take two columns.
            let space = " ".repeat(width.saturating_sub(text.width()));
            if *is_number { space + text } else { text.to_owned() + &space }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(form: Form, pages: &[&[Vec<Cell>]]) -> String {
        let mut output = Output { form, is_terminal: false, text: String::new() };
        let mut table = Table::new(["id", "n"]);
        pages.iter().for_each(|page| table.rows(page, &mut output));
        output.text
    }

    fn row(id: &str, n: u64) -> Vec<Cell> {
        vec![Cell::text(id), Cell::value(&n.into())]
    }

    // Columns are aligned, figures to the right; their names are printed once for all pages.
    #[test]
    fn tables_are_aligned() {
        let pages: &[&[Vec<Cell>]] = &[&[row("a", 7), row("", 1234)], &[row("a\tb", 5)]];
        assert_eq!(printed(Form::Terminal, pages), "id     n\na      7\n-   1234\na\\tb     5\n");
        assert_eq!(printed(Form::Tabs, pages), "id\tn\na\t7\n\t1234\na\\tb\t5\n");
        assert_eq!(printed(Form::Tabs, &[&[]]), "id\tn\n");
        let long = "x".repeat(CTL_CELL_COLUMNS_MAX + 1);
        let text = printed(Form::Terminal, &[&[row(&long, 1), row(&long[1..], 2)]]);
        let cut = format!("{}…  1\n{}  2\n", &long[2..], &long[1..]);
        assert!(text.ends_with(&cut), "{text}");
        assert!(printed(Form::Tabs, &[&[row(&long, 1)]]).contains(&long));
    }

    // A character that takes two columns counts as two, and a cell is cut by its columns.
    #[test]
    fn wide_characters_are_aligned() {
        let pages: &[&[Vec<Cell>]] = &[&[row("温度", 1), row("ab", 2)]];
        let text = printed(Form::Terminal, pages);
        let columns = |line: &str| line.width();
        assert!(text.lines().all(|line| columns(line) == 7), "{text}");
        let wide = "温".repeat(CTL_CELL_COLUMNS_MAX);
        let text = printed(Form::Terminal, &[&[row(&wide, 1)]]);
        assert!(text.lines().all(|line| columns(line) <= CTL_CELL_COLUMNS_MAX + 3), "{text}");
        assert!(text.contains("温…  "), "{text}");
    }

    // Every kind of value makes a cell.
    #[test]
    fn values_are_cells() {
        for (value, expected) in [
            (json!(null), ""),
            (json!("a\u{1b}"), "a\\u{1b}"),
            (json!(4.25), "4.25"),
            (json!(true), "true"),
            (json!(["disk", "a\n"]), "disk,a\\n"),
            (json!([]), ""),
            (json!({"a": "\u{1b}"}), "{\"a\":\"\\\\u001b\"}"),
        ] {
            assert_eq!(Cell::value(&value).text, expected, "{value}");
        }
    }
}
