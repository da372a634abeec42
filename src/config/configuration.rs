//! Combines the sources of the broker's options: flags, then the environment, then the
//! configuration file, then defaults.
//!
//! The environment and the file become arguments in front of those of the command line, and one
//! parser reads all of them. So there is one definition, one check of values and one help. A value
//! that a flag overrides is still checked: a file is valid or invalid regardless of the command
//! line.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use super::flags::{Flags, Unfit, missing};
use super::origin::{Origin, Setting, Value};
use super::{Fault, Misfit, Options, environment, file};

/// The sources of a configuration, which can be read repeatedly.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given {
    /// The settings of the command line.
    flags: Vec<Setting>,
    /// The environment variables that may set a flag.
    environment: Vec<(String, OsString)>,
}

/// Options and the origin of each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Configuration {
    given: Given,
    options: Options,
    /// The effective settings: one for each flag that is set anywhere.
    settings: Vec<Setting>,
    warnings: Vec<Fault>,
}

/// Why a configuration could not be read.
#[derive(Debug)]
pub enum ConfigError {
    /// The command line is wrong, or asks for help.
    CommandLine(clap::Error),
    /// These faults, by file, line or variable.
    Faults(Vec<Fault>),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.faults().iter().map(Fault::to_string).collect();
        f.write_str(&texts.join("; "))
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// All faults; at least one.
    pub fn faults(&self) -> Vec<Fault> {
        match self {
            Self::Faults(faults) => faults.clone(),
            Self::CommandLine(error) => {
                let text = error.to_string();
                let first = text.split("\n\n").next().unwrap_or_default();
                vec![Fault::plain(first.strip_prefix("error: ").unwrap_or(first))]
            }
        }
    }

    /// Prints the faults on standard error and ends the process with 2, as a wrong command line
    /// does; with 0 if the command line asked for help.
    pub fn exit(&self) -> ! {
        if let Self::CommandLine(error) = self {
            error.exit()
        }
        for fault in self.faults() {
            eprintln!("error: {fault}");
        }
        std::process::exit(2)
    }
}

impl Given {
    /// The sources given by a command line and an environment. `matches` may be of any command that
    /// accepts the broker's flags.
    pub(super) fn new(
        matches: &ArgMatches,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Self {
        let flags = Flags::new();
        let is_given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let given = flags.each().filter(|flag| is_given(flag.get_id().as_str()));
        let settings = given.map(|flag| {
            let texts = || matches.get_raw(flag.get_id().as_str()).into_iter().flatten();
            let value = match flag.get_action().takes_values() {
                true => Value::Texts(texts().map(OsString::from).collect()),
                false => Value::Switch(true),
            };
            let name = flag.get_long().expect("flags have long names").to_owned();
            Setting { name, origin: Origin::Flag, value }
        });
        Self { flags: settings.collect(), environment: environment::ours(environment) }
    }

    /// The configuration file, named by flag or variable.
    fn file(&self) -> Option<PathBuf> {
        let named = self.flags.iter().find_map(|setting| match &setting.value {
            Value::Texts(texts) if setting.name == "config" => texts.last().cloned(),
            _ => None,
        });
        let variable = environment::variable("config");
        let of_environment = || self.environment.iter().find(|(name, _)| *name == variable);
        named.or_else(|| of_environment().map(|(_, file)| file.clone())).map(PathBuf::from)
    }

    /// Reads the sources again.
    ///
    /// # Errors
    /// All faults, as far as they can be found in one pass.
    pub fn read(&self) -> Result<Configuration, ConfigError> {
        let flags = Flags::new();
        let found = environment::read(&self.environment, &flags);
        let mut faults = found.faults;
        let file = self.file().map(|path| file::read(&path, &flags));
        let (of_file, wrong) = file.unwrap_or_default();
        faults.extend(wrong);
        for setting in found.settings.iter().chain(&of_file) {
            if let Err(Unfit::Value(says)) = flags.check(setting) {
                faults.push(setting.origin.fault(&setting.name, says));
            }
        }
        if !faults.is_empty() {
            faults.sort_by_key(|fault| fault.line);
            return Err(ConfigError::Faults(faults));
        }
        let layers = [&self.flags, &found.settings, &of_file];
        let setting = |name: &str| {
            layers.iter().find_map(|layer| layer.iter().find(|setting| setting.name == name))
        };
        let settings: Vec<Setting> =
            flags.each().filter_map(|flag| setting(flag.get_long()?).cloned()).collect();
        let options = parse(&settings, &flags)?;
        let given = self.clone();
        Ok(Configuration { given, options, settings, warnings: found.warnings })
    }
}

/// Parses the settings together into options.
fn parse(settings: &[Setting], flags: &Flags) -> Result<Options, ConfigError> {
    let arguments = settings.iter().flat_map(Setting::arguments);
    let arguments = std::iter::once(OsString::from("ringmq")).chain(arguments);
    let matches = Options::command().try_get_matches_from(arguments);
    let matches = matches.map_err(|error| blame(error, settings, flags))?;
    let options = Options::from_arg_matches(&matches).map_err(ConfigError::CommandLine)?;
    let Err(misfit) = options.check(&matches) else { return Ok(options) };
    let Misfit { flag, says } = &misfit;
    match settings.iter().find(|setting| setting.name == *flag) {
        Some(setting) if setting.origin != Origin::Flag => {
            Err(ConfigError::Faults(vec![setting.origin.fault(flag, says)]))
        }
        _ => Err(ConfigError::CommandLine(misfit.into())),
    }
}

/// Attributes missing flags to the setting that needs them, if that setting is in a file or in the
/// environment.
fn blame(error: clap::Error, settings: &[Setting], flags: &Flags) -> ConfigError {
    if error.kind() != ErrorKind::MissingRequiredArgument {
        return ConfigError::CommandLine(error);
    }
    let lacking = missing(&error);
    let fault = settings.iter().filter(|setting| setting.origin != Origin::Flag).find_map(|it| {
        let Err(Unfit::Needs(needs)) = flags.check(it) else { return None };
        let name = needs.iter().find(|need| lacking.contains(need))?;
        let name = name.trim_start_matches('-').split(' ').next()?;
        Some(it.origin.fault(&it.name, format!("needs {name} as well")))
    });
    fault.map_or(ConfigError::CommandLine(error), |fault| ConfigError::Faults(vec![fault]))
}

impl Configuration {
    /// A configuration of flags only.
    ///
    /// # Errors
    /// If the flags are invalid.
    pub fn of_flags<'a>(flags: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        let arguments = std::iter::once("ringmq").chain(flags);
        let matches = Options::command().try_get_matches_from(arguments);
        let matches = matches.map_err(ConfigError::CommandLine)?;
        Given::new(&matches, std::iter::empty()).read()
    }

    /// The broker's options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The file that was read.
    pub fn file(&self) -> Option<&Path> {
        self.options.config.as_deref()
    }

    /// Warnings that are no faults.
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// The variables that set a flag.
    pub fn variables(&self) -> Vec<&str> {
        let names = self.settings.iter().filter_map(|setting| match &setting.origin {
            Origin::Environment(variable) => Some(variable.as_str()),
            _ => None,
        });
        names.collect()
    }

    /// Reads the configuration again from the same sources.
    ///
    /// # Errors
    /// As [`Given::read`].
    pub fn reread(&self) -> Result<Self, ConfigError> {
        self.given.read()
    }

    /// The origin of a flag's value.
    pub fn origin(&self, flag: &str) -> Origin {
        self.setting(flag).map_or(Origin::Default, |setting| setting.origin.clone())
    }

    pub(super) fn setting(&self, flag: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name == flag)
    }
}
