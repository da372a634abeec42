//! The rows of a list as text. Each is written when it is found: as JSON values, all rows of a page
//! would take ten times the memory.
//!
//! Invariant: the text is the beginning of a page, or whole lines of JSON, and contains only whole
//! rows.

use hyper::{Response, StatusCode};
use serde_json::Value;

use super::answer::{Body, whole};
use super::item::picked;
use super::query::Query;

/// The form of the rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// Items of one object.
    Page,
    /// One object per line.
    Lines,
}

const PAGE_BEGIN: &str = "{\"items\":[";

/// See the module.
pub(super) struct Rows {
    text: String,
    form: Form,
    count: usize,
    /// The requested fields; `None`: all.
    fields: Option<Box<str>>,
    /// The cursor of the next page; `None` at the end.
    pub(super) next: Option<String>,
    /// Fields of a page besides its items.
    pub(super) more: Vec<(&'static str, Value)>,
}

impl Rows {
    /// No rows yet, with the fields that `query` requests.
    pub(super) fn new(query: &Query<'_>, form: Form) -> Self {
        let text = if form == Form::Page { PAGE_BEGIN } else { "" };
        Self {
            text: text.to_owned(),
            form,
            count: 0,
            fields: query.get("fields").map(Into::into),
            next: None,
            more: Vec::new(),
        }
    }

    /// The number of rows.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn push(&mut self, item: Value) {
        let wanted = self.fields.as_deref().map(|fields| fields.split(',').collect::<Vec<_>>());
        if self.form == Form::Page && self.count > 0 {
            self.text.push(',');
        }
        self.count += 1;
        self.text.push_str(&picked(item, wanted.as_deref()).to_string());
        if self.form == Form::Lines {
            self.text.push('\n');
        }
    }

    /// The text of the lines.
    pub(super) fn into_lines(self) -> String {
        debug_assert_eq!(self.form, Form::Lines, "a page is no lines");
        self.text
    }

    /// The page as an answer.
    pub(super) fn into_page(self) -> Response<Body> {
        whole(StatusCode::OK, "application/json", self.into_text())
    }

    fn into_text(self) -> String {
        debug_assert_eq!(self.form, Form::Page, "lines are no page");
        let Self { mut text, next, more, .. } = self;
        text.push(']');
        let next = next.map(|next| ("next", next.into()));
        for (name, value) in more.into_iter().chain(next) {
            text.push_str(&format!(",\"{name}\":{value}"));
        }
        text.push_str("}\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // Whatever the rows contain, a page is one object, and each line is one object.
    #[test]
    fn rows_are_json() {
        let hostile = json!({ "id": "a\n\"}],\u{2028}\\", "x": 1 });
        for count in 0..3 {
            for fields in ["", "fields=id"] {
                let query = Query::read(Some(fields), &["fields"]).expect("it is known");
                let row = match fields {
                    "" => hostile.clone(),
                    _ => json!({ "id": hostile["id"] }),
                };
                let [mut page, mut lines] =
                    [Form::Page, Form::Lines].map(|form| Rows::new(&query, form));
                (0..count).for_each(|_| page.push(hostile.clone()));
                (0..count).for_each(|_| lines.push(hostile.clone()));
                (page.next, page.more) = (Some("c\"1".to_owned()), vec![("total", 7.into())]);
                let told: Value = serde_json::from_str(&page.into_text()).expect("JSON");
                let items = vec![row.clone(); count];
                assert_eq!(told, json!({ "items": items, "next": "c\"1", "total": 7 }));
                let told = lines.into_lines();
                let told: Vec<Value> = told
                    .split_terminator('\n')
                    .map(|line| serde_json::from_str(line).expect("JSON"))
                    .collect();
                assert_eq!(told, items);
            }
        }
    }
}
