//! Environment variables that set flags: `RINGMQ_MAX_CONNECTIONS` sets `--max-connections`.
//!
//! An empty variable sets nothing, because container tools often cannot leave a variable out. A
//! flag that may be given several times takes its values separated by spaces; a flag without a
//! value takes `true` or `false`.
//!
//! A variable that matches no flag causes a warning, not an error. Other programs add variables to
//! an environment as well: Kubernetes gives every container `RINGMQ_SERVICE_HOST` and more once a
//! service is named `ringmq`.

use std::ffi::{OsStr, OsString};

use clap::ArgAction;

use super::Fault;
use super::flags::Flags;
use super::origin::{Origin, Setting, Value};

const PREFIX: &str = "RINGMQ_";

/// Variables that the systemd unit and `ringmq ctl` use.
const OTHERS: &[&str] = &["FLAGS", "ADMIN", "TOKEN"];

/// Warnings that name a variable; further ones are only counted.
const NAMED_MAX: usize = 8;

/// The settings of an environment, its faults and its warnings.
#[derive(Default)]
pub(super) struct Found {
    pub(super) settings: Vec<Setting>,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Fault>,
}

/// The non-empty variables of an environment that have the broker's prefix.
pub(super) fn ours(
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Vec<(String, OsString)> {
    let mut ours: Vec<(String, OsString)> = environment
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty())
        .collect();
    ours.sort();
    ours
}

/// The variable that sets a flag.
pub(super) fn variable(flag: &str) -> String {
    format!("{PREFIX}{}", flag.to_ascii_uppercase().replace('-', "_"))
}

pub(super) fn read(variables: &[(String, OsString)], flags: &Flags) -> Found {
    let mut found = Found::default();
    let mut unknown = 0;
    for (variable, value) in variables {
        let rest = variable.strip_prefix(PREFIX).unwrap_or(variable);
        let name = rest.to_ascii_lowercase().replace('_', "-");
        let is_name = self::variable(&name) == *variable;
        let Some(flag) = flags.get(&name).filter(|_| is_name) else {
            if OTHERS.contains(&rest) || is_of_kubernetes(rest, value) {
                continue;
            }
            unknown += 1;
            if unknown <= NAMED_MAX {
                let is_flag = flags.get(&name).is_some();
                let nearest = if is_flag { Some(name) } else { flags.nearest(&name) };
                let hint =
                    nearest.map(|name| format!("; the nearest is {}", self::variable(&name)));
                let hint = hint.unwrap_or_default();
                let says = format!("is ignored: no flag has this name{hint}");
                let key = Some(format!("{variable:.80}"));
                found.warnings.push(Fault { key, says, ..Fault::default() });
            }
            continue;
        };
        let is_list = matches!(flag.get_action(), ArgAction::Append);
        let origin = Origin::Environment(variable.clone());
        let value = match (flag.get_action().takes_values(), value.to_str()) {
            (false, Some("true" | "1")) => Value::Switch(true),
            (false, Some("false" | "0")) => Value::Switch(false),
            (false, _) => {
                found.faults.push(origin.fault(&name, "takes true or false"));
                continue;
            }
            (true, Some(text)) if is_list => {
                let texts: Vec<OsString> = text.split_whitespace().map(OsString::from).collect();
                if texts.is_empty() {
                    continue;
                }
                Value::Texts(texts)
            }
            (true, _) => Value::Texts(vec![value.clone()]),
        };
        found.settings.push(Setting { name, origin, value });
    }
    if let Some(more) = unknown.checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        let says = format!("{more} more variables RINGMQ_… are ignored: no flag has their names");
        found.warnings.push(Fault::plain(says));
    }
    found
}

/// Whether Kubernetes, or Docker with links, created a variable for a service named `ringmq`.
fn is_of_kubernetes(rest: &str, value: &OsStr) -> bool {
    let is_url = value.to_str().is_some_and(|value| value.contains("://"));
    let follows_port = rest.rsplit_once("PORT_").map(|(_, after)| after);
    let is_port = follows_port.is_some_and(|after| after.starts_with(|c: char| c.is_ascii_digit()));
    rest.ends_with("SERVICE_HOST")
        || rest.contains("SERVICE_PORT")
        || is_port
        || rest.ends_with("PORT") && is_url
}
