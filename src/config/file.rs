//! The configuration file: TOML whose keys are the long names of flags.
//!
//! The file has no tables and no includes, so each key has one meaning and one place. A flag that
//! may be given several times takes a list; a flag without a value takes `true` or `false`. Values
//! have the form that the flag accepts, in quotes; numbers need no quotes.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use clap::{Arg, ArgAction};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::limits::{CONFIG_FAULTS_MAX, CONFIG_FILE_BYTES_MAX};

use super::Fault;
use super::flags::Flags;
use super::origin::{Origin, Setting, Value};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The settings of a file, and every fault of its text, by line. Whether a flag accepts its value
/// is not checked here.
pub(super) fn read(path: &Path, flags: &Flags) -> (Vec<Setting>, Vec<Fault>) {
    match read_text(path) {
        Ok(text) => parse(path, &text, flags),
        Err(fault) => (Vec::new(), vec![fault]),
    }
}

fn parse(path: &Path, text: &str, flags: &Flags) -> (Vec<Setting>, Vec<Fault>) {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let fault = |line: Option<usize>, key: Option<String>, says: String| Fault {
        file: Some(path.to_owned()),
        line,
        key,
        says,
    };
    let (mut settings, mut faults) = (Vec::new(), Vec::new());
    for error in errors.iter().take(CONFIG_FAULTS_MAX) {
        let line = error.span().map(|span| lines.number_of(span.start));
        faults.push(fault(line, None, format!("is no TOML: {}", error.message())));
    }
    // The settings of a text with a syntax error are unreliable.
    if faults.is_empty() {
        for (key, value) in table.get_ref() {
            let line = lines.number_of(key.span().start);
            let name = key.get_ref().as_ref();
            match setting_of(name, value, flags) {
                Ok((name, value)) => {
                    let origin = Origin::File(path.to_owned(), line);
                    settings.push(Setting { name, origin, value });
                }
                Err(says) => faults.push(fault(Some(line), Some(shown(name)), says)),
            }
        }
    }
    faults.truncate(CONFIG_FAULTS_MAX);
    (settings, faults)
}

/// A key for a message. A key that is no valid name is quoted, so that it cannot break the line.
fn shown(key: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match !key.is_empty() && key.len() <= 80 && key.chars().all(is_plain) {
        true => key.to_owned(),
        false => format!("{key:.80?}"),
    }
}

fn setting_of(
    key: &str,
    value: &Spanned<DeValue<'_>>,
    flags: &Flags,
) -> Result<(String, Value), String> {
    let value = value.get_ref();
    if let DeValue::Table(table) = value {
        let inner = table.keys().next().map(|inner| inner.get_ref().as_ref());
        let meant = inner.map(|inner| format!("{key}-{inner}"));
        let meant = meant.filter(|meant| flags.get(meant).is_some());
        let hint = meant.map_or(String::new(), |meant| format!("; write {meant} = …"));
        return Err(format!("is a table, and the file has none: its keys are flags' names{hint}"));
    }
    let Some(flag) = flags.get(key) else {
        return Err(match flags.nearest(key) {
            Some(nearest) => format!("is no flag's name; the nearest is {nearest}"),
            None => "is no flag's name; `ringmq --help` lists them".to_owned(),
        });
    };
    if key == "config" {
        return Err("a configuration file cannot name another".to_owned());
    }
    value_of(flag, value).map(|value| (key.to_owned(), value))
}

fn value_of(flag: &Arg, value: &DeValue<'_>) -> Result<Value, String> {
    let is_list = matches!(flag.get_action(), ArgAction::Append);
    match value {
        DeValue::Boolean(on) if !flag.get_action().takes_values() => Ok(Value::Switch(*on)),
        _ if !flag.get_action().takes_values() => {
            Err("takes true or false, without quotes".to_owned())
        }
        DeValue::Array(items) if is_list && items.is_empty() => {
            Err("the list is empty; leave the key out".to_owned())
        }
        DeValue::Array(items) if is_list => {
            let texts = items.iter().map(|item| text_of(flag, item.get_ref()));
            texts.collect::<Result<_, _>>().map(Value::Texts)
        }
        DeValue::Array(_) => Err("takes one value, not a list".to_owned()),
        value => text_of(flag, value).map(|text| Value::Texts(vec![text])),
    }
}

fn text_of(flag: &Arg, value: &DeValue<'_>) -> Result<OsString, String> {
    let text = match value {
        DeValue::String(text) => text.clone().into_owned(),
        // Flags accept only decimal numbers.
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| number.to_string(), |number| number.to_string()),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(_) => {
            let values = flag.get_possible_values();
            let names: Vec<String> =
                values.iter().map(|value| format!("{:?}", value.get_name())).collect();
            return Err(match names.is_empty() {
                true => "takes a value, not true or false".to_owned(),
                false => format!("takes one of {}", names.join(", ")),
            });
        }
        DeValue::Array(_) => return Err("takes a list of values, not of lists".to_owned()),
        DeValue::Datetime(_) => return Err("takes no date; put the value in quotes".to_owned()),
        DeValue::Table(_) => return Err("takes a value, not a table".to_owned()),
    };
    Ok(text.into())
}

/// The offsets at which lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at + 1).collect())
    }

    /// The line, from 1, that contains a byte.
    fn number_of(&self, at: usize) -> usize {
        1 + self.0.partition_point(|begin| *begin <= at)
    }
}

fn read_text(path: &Path) -> Result<String, Fault> {
    let fault = |line: Option<usize>, says: String| Fault {
        file: Some(path.to_owned()),
        line,
        key: None,
        says,
    };
    let unreadable = |error: std::io::Error| {
        fault(
            None,
            match error.kind() {
                ErrorKind::NotFound => "there is no such file (--config)".to_owned(),
                ErrorKind::PermissionDenied => {
                    "cannot be read: permission denied; the user that ringmq runs as must be able \
                     to read it, and to enter the directories above it"
                        .to_owned()
                }
                _ => format!("cannot be read: {error}"),
            },
        )
    };
    // Opening a pipe would block until it has a writer, and a reload could not read it again.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        let says = "is no regular file: name one, which a reload can read again";
        return Err(fault(None, says.to_owned()));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(CONFIG_FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > CONFIG_FILE_BYTES_MAX {
        let says = format!("has more than {CONFIG_FILE_BYTES_MAX} bytes; is it the right file?");
        return Err(fault(None, says));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(fault(None, "is UTF-16; save it as UTF-8".to_owned()));
    }
    // Editors on Windows write an invisible byte order mark there.
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|&&byte| byte == b'\n').count();
        fault(Some(line), "is no UTF-8".to_owned())
    })
}
