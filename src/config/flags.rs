//! Look-up of the broker's flags by name: existence, suggestions, and accepted values.
//!
//! The answers come from the definition that also parses the command line, so the file and the
//! environment cannot differ from it.

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, CommandFactory};

use super::Options;
use super::origin::{Setting, Value};

/// The broker's flags by name.
pub(super) struct Flags(clap::Command);

/// Why a single setting is not accepted.
pub(super) enum Unfit {
    /// The flag does not accept the value; the text says what it accepts.
    Value(String),
    /// It needs the flags that are named.
    Needs(Vec<String>),
}

impl Flags {
    pub(super) fn new() -> Self {
        Self(Options::command())
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &Arg> {
        self.0.get_arguments().filter(|flag| flag.get_long().is_some())
    }

    /// The flag with this long name.
    pub(super) fn get(&self, name: &str) -> Option<&Arg> {
        self.each().find(|flag| flag.get_long() == Some(name))
    }

    /// The flag with the most similar name, if one is similar enough.
    pub(super) fn nearest(&self, name: &str) -> Option<String> {
        let arguments = [OsString::from("ringmq"), format!("--{name}").into()];
        let error = self.0.clone().try_get_matches_from(arguments).err();
        match error.as_ref()?.get(ContextKind::SuggestedArg) {
            Some(ContextValue::String(nearest)) => nearest.strip_prefix("--").map(str::to_owned),
            _ => None,
        }
    }

    /// Checks whether a flag accepts a setting.
    pub(super) fn check(&self, setting: &Setting) -> Result<(), Unfit> {
        let arguments = std::iter::once(OsString::from("ringmq")).chain(setting.arguments());
        match self.0.clone().try_get_matches_from(arguments) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => {
                Err(Unfit::Needs(missing(&error)))
            }
            Err(error) => Err(Unfit::Value(refusal(&error))),
        }
    }

    /// A description of the values that a flag accepts.
    pub(super) fn takes(&self, flag: &Arg) -> String {
        let name = flag.get_long().unwrap_or_default();
        if !flag.get_action().takes_values() {
            return "true or false".to_owned();
        }
        let values = flag.get_possible_values();
        if !values.is_empty() {
            let names: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
            return names.join(", ");
        }
        // A parser describes the accepted values when it refuses one: try an empty text and an
        // oversized one.
        for faulty in ["?", "99999999999"] {
            let value = Value::Texts(vec![faulty.into()]);
            let origin = super::Origin::Default;
            let Err(Unfit::Value(says)) =
                self.check(&Setting { name: name.to_owned(), origin, value })
            else {
                continue;
            };
            if let Some((_, takes)) = says.split_once("takes ") {
                return takes.to_owned();
            }
            if let Some((_, range)) = says.split_once(" is not in ") {
                return range.replace("..=", " to ");
            }
        }
        match flag.get_value_names() {
            Some([value, ..]) => value.to_string(),
            _ => String::new(),
        }
    }
}

/// The missing flags, as clap writes them.
pub(super) fn missing(error: &clap::Error) -> Vec<String> {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(names)) => names.clone(),
        Some(ContextValue::String(name)) => vec![name.clone()],
        _ => Vec::new(),
    }
}

/// The reason for a refused value, without clap's words about the command line.
fn refusal(error: &clap::Error) -> String {
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => value.as_str(),
        _ => "",
    };
    let says = match (error.source(), error.get(ContextKind::ValidValue)) {
        (Some(says), _) => says.to_string(),
        (None, Some(ContextValue::Strings(values))) => format!("takes {}", values.join(", ")),
        (None, _) if value.is_empty() => "takes a value, and this is empty".to_owned(),
        (None, _) => error.kind().to_string(),
    };
    match value {
        "" => says,
        value => format!("{value:.80?} does not fit: {says}"),
    }
}
