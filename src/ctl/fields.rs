//! Objects as rows of columns. A column is a field's name; a nested field has a dot.

use serde_json::Value;

use crate::config::{Columns, Ctl};

use super::output::{Cell, Form, Output, Table};

/// The columns to show.
pub(super) fn wanted(ctl: &Ctl, columns: Columns) -> Vec<String> {
    match &ctl.columns {
        Some(wanted) => wanted.clone(),
        None => columns.usual.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// The field of an object.
fn field<'v>(object: &'v Value, column: &str) -> &'v Value {
    column.split('.').try_fold(object, |object, name| object.get(name)).unwrap_or(&Value::Null)
}

/// The cells of one row.
pub(super) fn cells(object: &Value, columns: &[String]) -> Vec<Cell> {
    columns.iter().map(|column| Cell::value(field(object, column))).collect()
}

/// Shows a list that comes whole.
pub(super) fn show_rows(items: &[Value], ctl: &Ctl, columns: Columns, output: &mut Output) {
    if output.form() == Form::Json {
        return items.iter().for_each(|item| output.json(item));
    }
    let columns = wanted(ctl, columns);
    let rows: Vec<Vec<Cell>> = items.iter().map(|item| cells(item, &columns)).collect();
    Table::new(columns).rows(&rows, output);
}

/// Shows one object: a line for each field that it has, or that was requested.
pub(super) fn show_object(object: &Value, ctl: &Ctl, columns: Columns, output: &mut Output) {
    if output.form() == Form::Json {
        return output.json(object);
    }
    let columns = wanted(ctl, columns);
    let is_shown = |column: &&String| ctl.columns.is_some() || !field(object, column).is_null();
    let rows: Vec<Vec<Cell>> = columns
        .iter()
        .filter(is_shown)
        .map(|column| vec![Cell::text(column), Cell::text_of(field(object, column))])
        .collect();
    Table::new(["field", "value"]).rows(&rows, output);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // A nested field is found, and a missing one is empty.
    #[test]
    fn fields_are_found() {
        let object = json!({ "id": "a", "backlog": { "bytes": 7 } });
        for (column, expected) in [
            ("id", json!("a")),
            ("backlog.bytes", json!(7)),
            ("backlog.lag_seconds", json!(null)),
            ("id.bytes", json!(null)),
            ("user", json!(null)),
        ] {
            assert_eq!(field(&object, column), &expected, "{column}");
        }
    }
}
