//! Where a setting comes from, and what it was set to there.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::Fault;

/// Where the value of a flag comes from. The first that has one counts, from top to bottom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The command line.
    Flag,
    /// This variable.
    Environment(String),
    /// This line of this file.
    File(PathBuf, usize),
    /// Nobody set it.
    Default,
}

impl Origin {
    /// A fault of what was set there, whose flag has the long name `name`.
    pub(super) fn fault(&self, name: &str, says: impl Into<String>) -> Fault {
        let says = says.into();
        let (file, line, key) = match self {
            Self::Flag | Self::Default => (None, None, format!("--{name}")),
            Self::Environment(variable) => (None, None, variable.clone()),
            Self::File(file, line) => (Some(file.clone()), Some(*line), name.to_owned()),
        };
        Fault { file, line, key: Some(key), says }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::File(file, line) => write!(f, "file {}:{line}", file.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// What a flag is set to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// Whether a flag without a value is given.
    Switch(bool),
    /// The values of any other, one unless it may be given several times.
    Texts(Vec<OsString>),
}

/// One flag, set in one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Setting {
    /// The flag's long name.
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) value: Value,
}

impl Setting {
    /// The same as arguments.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let flag = format!("--{}", self.name);
        match &self.value {
            Value::Switch(false) => Vec::new(),
            Value::Switch(true) => vec![flag.into()],
            Value::Texts(texts) => {
                let argument = |text: &OsString| {
                    let mut argument = OsString::from(format!("{flag}="));
                    argument.push(text);
                    argument
                };
                texts.iter().map(argument).collect()
            }
        }
    }
}
