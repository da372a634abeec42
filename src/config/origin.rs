//! The origin of a setting, and the value it was set to.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::Fault;

/// The source of a flag's value, in order of precedence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The command line.
    Flag,
    /// This environment variable.
    Environment(String),
    /// This line of this file.
    File(PathBuf, usize),
    /// The default.
    Default,
}

impl Origin {
    /// A fault of the setting of the flag with the long name `name`.
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

/// The value of a flag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// Whether a flag without a value is given.
    Switch(bool),
    /// The values of any other flag; one, unless the flag may be given several times.
    Texts(Vec<OsString>),
}

/// One flag, set by one source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Setting {
    /// The flag's long name.
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) value: Value,
}

impl Setting {
    /// The setting as command line arguments.
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
