//! The parameters of a request. Each is known and given once, or the request is refused: to ignore
//! a mistyped name would do something other than what was meant.

use std::borrow::Cow;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::answer::Fault;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Query<'a> {
    given: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Query<'a> {
    /// Reads the query of a path that has these parameters.
    pub(super) fn read(text: Option<&'a str>, known: &[&'static str]) -> Result<Self, Fault> {
        let mut query = Self::default();
        let parts = text.unwrap_or_default().split('&').filter(|part| !part.is_empty());
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if !known.contains(&&*name) {
                let message = format!("there is no parameter {:.64?} here", &*name);
                let hint = match known {
                    [] => "this path takes none".to_owned(),
                    _ => format!("it takes {}", known.join(", ")),
                };
                return Err(Fault::of_field("query", message).hint(hint));
            }
            if query.get(&name).is_some() {
                let message = format!("the parameter {name:?} is given twice");
                return Err(Fault::of_field("query", message));
            }
            query.given.push((name, value));
        }
        Ok(query)
    }

    /// A copy that outlives the request.
    pub(super) fn owned(&self) -> Query<'static> {
        let owned = |text: &Cow<'_, str>| Cow::Owned(text.clone().into_owned());
        let given = self.given.iter().map(|(name, value)| (owned(name), owned(value)));
        Query { given: given.collect() }
    }

    /// Replaces the value of a parameter.
    pub(super) fn set(&mut self, name: &'static str, value: String) {
        self.given.retain(|(given, _)| given != name);
        self.given.push((name.into(), value.into()));
    }

    /// A parameter, if it is given.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.given.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| &**value)
    }

    /// A parameter that must be given.
    pub(super) fn need(&self, name: &'static str) -> Result<&str, Fault> {
        let missing = || Fault::of_field(name, format!("the parameter {name} is missing"));
        self.get(name).ok_or_else(missing)
    }

    /// A number within the bounds, or the default if it is absent.
    pub(super) fn number<T: FromStr + PartialOrd + std::fmt::Display + Copy>(
        &self,
        name: &'static str,
        (least, usual, most): (T, T, T),
    ) -> Result<T, Fault> {
        let Some(text) = self.get(name) else { return Ok(usual) };
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        let wrong = || Fault::of_field(name, format!("{name} is a number from {least} to {most}"));
        number.ok_or_else(wrong)
    }

    /// One of the words.
    pub(super) fn word<T: Copy>(
        &self,
        name: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Fault> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                Err(Fault::of_field(name, format!("{name} is one of {}", words.join(", "))))
            }
        }
    }
}

/// Decodes a name or value of a form.
fn decoded(text: &str) -> Result<Cow<'_, str>, Fault> {
    let wrong = |_| Fault::of_field("query", "a parameter is not UTF-8 when it is decoded");
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8().map_err(wrong)?;
        return Ok(Cow::Owned(decoded.into_owned()));
    }
    percent_decode_str(text).decode_utf8().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Names and values are decoded; an unknown name, a duplicate, or a value that is no text is
    // refused.
    #[test]
    fn parameters() {
        let query = Query::read(Some("id=a%2Fb+c%2B&vhost=%2f&n="), &["id", "vhost", "n"]);
        let query = query.expect("all are known");
        assert_eq!(
            ["id", "vhost", "n", "x"].map(|name| query.get(name)),
            [Some("a/b c+"), Some("/"), Some(""), None]
        );
        for text in ["x=1", "id=1&id=2", "id=%ff", "id=1&limit=2"] {
            assert!(Query::read(Some(text), &["id"]).is_err(), "{text}");
        }
        assert!(Query::read(None, &[]).is_ok());
    }

    // Numbers have bounds, and words are listed.
    #[test]
    fn numbers_and_words() {
        let query = |text| Query::read(Some(text), &["n", "w"]).expect("all are known");
        for (text, expected) in
            [("n=1", Some(1)), ("n=9", Some(9)), ("w=x", Some(5)), ("n=0", None), ("n=10", None)]
        {
            assert_eq!(query(text).number("n", (1, 5, 9)).ok(), expected, "{text}");
        }
        let words = [("x", 1), ("y", 2)];
        assert_eq!(query("w=y").word("w", &words), Ok(Some(2)));
        assert_eq!(query("n=1").word("w", &words), Ok(None));
        assert!(query("w=z").word("w", &words).is_err());
    }
}
