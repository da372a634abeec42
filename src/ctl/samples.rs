//! Metrics in the text format of Prometheus, which the broker serves without a token; those of
//! vhosts as rows.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::CtlError;
use super::output::{Cell, Form, Output, Table};

/// One sample: its name, the value of its first label if it has any, and its figure.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Sample {
    pub(super) name: String,
    pub(super) label: Option<String>,
    pub(super) value: f64,
}

/// Parses all lines. A histogram's bound is its last label.
pub(super) fn parse(text: &str) -> Result<Vec<Sample>, CtlError> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let wrong = || CtlError::stranger("its metrics cannot be read");
    lines.map(|line| sample(line).ok_or_else(wrong)).collect()
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (label, rest) = match rest.strip_prefix('{') {
        Some(labels) => {
            let (_, value) = labels.split_once("=\"")?;
            let (first, mut rest) = unquoted(value)?;
            while let Some(more) = rest.strip_prefix(',') {
                let (_, value) = more.split_once("=\"")?;
                (_, rest) = unquoted(value)?;
            }
            (Some(first), rest.strip_prefix('}')?)
        }
        None => (None, rest),
    };
    Some(Sample { name: name.to_owned(), label, value: rest.trim().parse().ok()? })
}

/// The value up to its closing quote, unescaped, and the rest.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    loop {
        match chars.next()? {
            (at, '"') => return Some((value, &text[at + 1..])),
            (_, '\\') => value.push(match chars.next()?.1 {
                'n' => '\n',
                other => other,
            }),
            (_, other) => value.push(other),
        }
    }
}

/// The sum of all figures of this name, if there are any.
pub(super) fn sum(samples: &[Sample], name: &str) -> Option<f64> {
    let mut found = samples.iter().filter(|sample| sample.name == name).peekable();
    found.peek()?;
    Some(found.map(|sample| sample.value).sum())
}

/// The prefix of the names of all metrics of vhosts.
const PREFIX: &str = "ringmq_vhost_";

/// A row for each vhost, with a column for each metric in the broker's order.
pub(super) fn show_vhosts(text: &str, output: &mut Output) -> Result<(), CtlError> {
    let (mut names, mut vhosts) = (Vec::new(), BTreeMap::<String, Map<String, Value>>::new());
    for Sample { name, label, value } in parse(text)? {
        let (Some(name), Some(vhost)) = (name.strip_prefix(PREFIX), label) else { continue };
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
        vhosts.entry(vhost).or_default().insert(name.to_owned(), number(value));
    }
    if output.form() == Form::Json {
        for (vhost, mut figures) in vhosts {
            figures.insert("vhost".to_owned(), vhost.into());
            output.json(&Value::Object(figures));
        }
        return Ok(());
    }
    let rows: Vec<Vec<Cell>> = vhosts
        .iter()
        .map(|(vhost, figures)| {
            let cells =
                names.iter().map(|name| Cell::value(figures.get(name).unwrap_or(&Value::Null)));
            [Cell::text(vhost)].into_iter().chain(cells).collect()
        })
        .collect();
    Table::new([&["vhost".to_owned()], &*names].concat()).rows(&rows, output);
    Ok(())
}

/// A figure as JSON; counts have no decimal point.
fn number(value: f64) -> Value {
    serde_json::from_str(&value.to_string()).unwrap_or_else(|_| value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Names, labels of any content, and figures are parsed; an invalid line is reported.
    #[test]
    fn lines() {
        let text = "# HELP a x\n# TYPE a counter\na 1\nb{vhost=\"/\"} 2.5\n\n\
                    b{vhost=\"x\\\"} \\\\\\n\"} 1e3\nc_bucket{le=\"+Inf\"} 3\n\
                    d{path=\"x,y\",le=\"}\"} 4\n";
        let sample = |name: &str, label: Option<&str>, value| Sample {
            name: name.to_owned(),
            label: label.map(str::to_owned),
            value,
        };
        let samples = parse(text).expect("it is in the format");
        assert_eq!(
            samples,
            [
                sample("a", None, 1.0),
                sample("b", Some("/"), 2.5),
                sample("b", Some("x\"} \\\n"), 1000.0),
                sample("c_bucket", Some("+Inf"), 3.0),
                sample("d", Some("x,y"), 4.0),
            ]
        );
        assert_eq!((sum(&samples, "b"), sum(&samples, "e")), (Some(1002.5), None));
        for text in ["a", "a x", "a{b=\"c} 1", "a{b=\"c\" 1", "a{b=\"c\",} 1", "<html>"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    // Counts are printed as such.
    #[test]
    fn numbers() {
        for (value, expected) in [(3.0, "3"), (2.5, "2.5"), (1e15, "1000000000000000")] {
            assert_eq!(number(value).to_string(), expected);
        }
    }
}
