//! A table of the file that is read key by key. Each fault has its line and column. A key that was
//! never read is a fault; its message names the most similar key.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::limits::CONFIG_FAULTS_MAX;

/// An error in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// Line and column, from 1; `None` if the file cannot be read.
    pub place: Option<(usize, usize)>,
    /// The error, and how to correct it.
    pub says: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => {
                write!(f, "{}:{line}:{column}: {}", self.file.display(), self.says)
            }
            None => write!(f, "{}: {}", self.file.display(), self.says),
        }
    }
}

/// Collects the faults of one file, and computes their lines.
pub(super) struct Faults<'t> {
    file: &'t Path,
    text: &'t str,
    found: RefCell<Vec<Fault>>,
}

impl<'t> Faults<'t> {
    pub(super) fn new(file: &'t Path, text: &'t str) -> Self {
        Self { file, text, found: RefCell::default() }
    }

    /// Adds a fault at a byte offset of the text.
    pub(super) fn add(&self, at: usize, says: impl Into<String>) {
        let mut found = self.found.borrow_mut();
        if found.len() < CONFIG_FAULTS_MAX {
            let place = Some(self.place(at));
            found.push(Fault { file: self.file.to_owned(), place, says: says.into() });
        }
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(at)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// All faults in the order of their places.
    pub(super) fn into_inner(self) -> Vec<Fault> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|fault| fault.place);
        found
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }
}

/// A text with its place.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) at: usize,
}

/// One table.
pub(super) struct Section<'a, 't> {
    table: &'a DeTable<'t>,
    /// Its name in messages, such as `sink.postgres`.
    pub(super) name: String,
    /// The offset of its start.
    pub(super) at: usize,
    faults: &'a Faults<'t>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a, 't> Section<'a, 't> {
    pub(super) fn root(table: &'a DeTable<'t>, faults: &'a Faults<'t>) -> Self {
        Self::new(table, String::new(), 0, faults)
    }

    fn new(table: &'a DeTable<'t>, name: String, at: usize, faults: &'a Faults<'t>) -> Self {
        Self { table, name, at, faults, asked: RefCell::default() }
    }

    /// Adds a fault at a byte offset of the text.
    pub(super) fn fault(&self, at: usize, says: impl Into<String>) {
        self.faults.add(at, says);
    }

    /// The offset of `key`, or of the table without it.
    pub(super) fn place_of(&self, key: &str) -> usize {
        let found = self.table.iter().find(|(name, _)| name.get_ref().as_ref() == key);
        found.map_or(self.at, |(name, _)| name.span().start)
    }

    /// Whether `key` is present.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.find(key).is_some()
    }

    fn find(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'t>>> {
        self.asked.borrow_mut().insert(key);
        let found = self.table.iter().find(|(name, _)| name.get_ref().as_ref() == key);
        found.map(|(_, value)| value)
    }

    fn full_name(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// Adds a fault: `key` has the wrong type.
    fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let is = value.get_ref().type_str();
        let name = self.full_name(key);
        self.fault(value.span().start, format!("{name} takes {wanted}, not a {is}"));
    }

    /// A string, with `${NAME}` replaced.
    pub(super) fn text(&self, key: &'static str) -> Option<Text> {
        let value = self.find(key)?;
        let DeValue::String(text) = value.get_ref() else {
            self.wrong(key, value, "a text in quotes");
            return None;
        };
        self.expand(value.span().start, text)
    }

    /// A string that must be there.
    pub(super) fn required(&self, key: &'static str) -> Option<Text> {
        if !self.has(key) {
            let says = format!("{} is missing: [{}] needs it", self.full_name(key), self.name);
            self.fault(self.at, says);
        }
        self.text(key)
    }

    fn expand(&self, at: usize, text: &str) -> Option<Text> {
        match expand(text, |name| std::env::var(name).ok()) {
            Ok(text) => Some(Text { text, at }),
            Err(says) => {
                self.fault(at, says);
                None
            }
        }
    }

    /// A string that `parse` turns into a value; its error is the fault.
    pub(super) fn parsed<T, E: fmt::Display>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(key)?;
        match parse(&text.text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(text.at, format!("{}: {error}", self.full_name(key)));
                None
            }
        }
    }

    /// A number from `min` to `max`.
    pub(super) fn number(&self, key: &'static str, min: u64, max: u64) -> Option<u64> {
        let value = self.find(key)?;
        let DeValue::Integer(digits) = value.get_ref() else {
            self.wrong(key, value, "a number");
            return None;
        };
        let number = u64::from_str_radix(digits.as_str(), digits.radix());
        match number.ok().filter(|number| (min..=max).contains(number)) {
            Some(number) => Some(number),
            None => {
                let says = format!("{} takes a number from {min} to {max}", self.full_name(key));
                self.fault(value.span().start, says);
                None
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn switch(&self, key: &'static str) -> Option<bool> {
        let value = self.find(key)?;
        if let DeValue::Boolean(on) = value.get_ref() {
            return Some(*on);
        }
        self.wrong(key, value, "true or false");
        None
    }

    /// A list of strings; empty if it is missing.
    pub(super) fn texts(&self, key: &'static str) -> Vec<Text> {
        let Some(value) = self.find(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(key, value, "a list of texts");
            return Vec::new();
        };
        let text = |item: &Spanned<DeValue<'t>>| match item.get_ref() {
            DeValue::String(text) => self.expand(item.span().start, text),
            _ => {
                self.wrong(key, item, "a list of texts");
                None
            }
        };
        items.iter().filter_map(text).collect()
    }

    /// A table below this one.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'a, 't>> {
        let value = self.find(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong(key, value, "a table");
            return None;
        };
        Some(Self::new(table, self.full_name(key), self.place_of(key), self.faults))
    }

    /// The tables of a list of tables.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'a, 't>> {
        let Some(value) = self.find(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(key, value, &format!("tables, each under [[{key}]]"));
            return Vec::new();
        };
        let section = |item: &'a Spanned<DeValue<'t>>| match item.get_ref() {
            DeValue::Table(table) => {
                Some(Self::new(table, self.full_name(key), item.span().start, self.faults))
            }
            _ => {
                self.wrong(key, item, &format!("tables, each under [[{key}]]"));
                None
            }
        };
        items.iter().filter_map(section).collect()
    }

    /// The pairs of a table whose keys are free, as the headers of a record.
    pub(super) fn pairs(&self, key: &'static str) -> Vec<(Text, Text)> {
        let Some(section) = self.section(key) else { return Vec::new() };
        let pair = |(name, value): (&Spanned<_>, &Spanned<DeValue<'t>>)| {
            let name: &std::borrow::Cow<'_, str> = name.get_ref();
            let DeValue::String(text) = value.get_ref() else {
                section.wrong(name, value, "a text in quotes");
                return None;
            };
            let name = Text { text: name.clone().into_owned(), at: value.span().start };
            Some((name, self.expand(value.span().start, text)?))
        };
        section.table.iter().filter_map(pair).collect()
    }

    /// Ends the reading: keys that were not read are faults.
    pub(super) fn finish(self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.iter() {
            let name = key.get_ref().as_ref();
            if asked.contains(name) {
                continue;
            }
            let hint = match nearest(name, asked.iter().copied()) {
                Some(nearest) => format!("the nearest is {nearest}"),
                None => {
                    format!("there are {}", asked.iter().copied().collect::<Vec<_>>().join(", "))
                }
            };
            let place = if self.name.is_empty() { "the file" } else { self.name.as_str() };
            self.fault(key.span().start, format!("{name:?} is no key of {place}; {hint}"));
        }
    }
}

/// Replaces `${NAME}` by the environment variable; `$$` is a dollar sign.
fn expand(text: &str, get: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            out.push('$');
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix('{') {
            let end = behind.find('}').ok_or("${ has no } behind it; $$ stands for a $")?;
            let name = &behind[..end];
            let value = get(name).ok_or_else(|| {
                format!("${{{name}}}: the environment has no text of this name; $$ stands for a $")
            })?;
            out.push_str(&value);
            rest = &behind[end + 1..];
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The most similar name, if at most about a third of it differs.
fn nearest<'n>(wrong: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let with_distance = names.map(|name| (distance(wrong, name), name));
    let (distance, name) = with_distance.min()?;
    (distance <= wrong.chars().count().max(3) / 3 + 1).then_some(name)
}

/// Letters that are inserted, deleted or replaced between two words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    // Environment variables are replaced; `$$` and a single `$` are dollar signs.
    #[test]
    fn environment_is_expanded() {
        let get = |name: &str| (name == "A").then(|| "value".to_owned());
        for (text, expanded) in [
            ("", ""),
            ("a", "a"),
            ("${A}", "value"),
            ("x${A}y${A}", "xvalueyvalue"),
            ("$${A}", "${A}"),
            ("json:$.a", "json:$.a"),
            ("a$", "a$"),
        ] {
            assert_eq!(expand(text, get).as_deref(), Ok(expanded), "{text}");
        }
        assert!(expand("${B}", get).expect_err("is not there").contains("${B}"));
        assert!(expand("${A", get).expect_err("has no end").contains("no }"));
    }

    // A typing error of a letter or two finds the name; another word finds none.
    #[test]
    fn nearest_is_near() {
        let names = ["filters", "name", "linger", "dead"];
        for (wrong, right) in [
            ("filter", Some("filters")),
            ("nmae", Some("name")),
            ("deed", Some("dead")),
            ("zzzzzz", None),
        ] {
            assert_eq!(nearest(wrong, names.into_iter()), right, "{wrong}");
        }
    }
}
