//! Every flag as a row: what it is set to, where that comes from, what it takes, and whether a
//! reload changes it.

use clap::Arg;

use super::flags::Flags;
use super::origin::Value;
use super::{Configuration, Origin};

/// What a reload does with a value that has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reload {
    /// It takes it, for clients that are connected as well.
    Yes,
    /// It takes it for clients that connect from then on.
    NewClients,
    /// It names it: only a restart takes it.
    No,
}

impl Reload {
    /// One word or two for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::NewClients => "new clients",
            Self::No => "no",
        }
    }

    /// What a reload does with a flag; `None` if there is no such flag.
    pub fn of(flag: &str) -> Option<Self> {
        let row = RELOADS.iter().find(|(_, flags)| flags.contains(&flag));
        row.map(|(reload, _)| *reload)
    }
}

/// Every flag in one of the rows.
const RELOADS: &[(Reload, &[&str])] = &[
    (
        Reload::Yes,
        &[
            "passwords",
            "acl",
            "vhosts",
            "default-vhost",
            "allow-anonymous",
            "auth-failures-max",
            "on-denied",
            "takeover",
            "max-packet-size",
            "max-outgoing-bytes",
            "qos0-patience",
            "max-inflight",
            "client-publish-rate",
            "client-publish-bytes",
            "max-subscriptions",
            "max-topic-levels",
            "session-expiry",
            "session-max-bytes",
            "session-overflow",
            "retained-max-count",
            "retained-max-bytes",
            "disk-low",
            "log",
            "log-connections",
            "http-tokens",
            "watch-session",
        ],
    ),
    (
        Reload::NewClients,
        &[
            "proxy-trust",
            "tls-cert",
            "tls-key",
            "tls-min",
            "tls-sni",
            "tls-client-ca",
            "tls-client",
            "tls-identity",
            "tls-crl",
            "max-connections",
            "address-connections-max",
            "address-connects-per-second",
        ],
    ),
    (
        Reload::No,
        &[
            "config",
            "listen",
            "unix-mode",
            "unix-owner",
            "tls-listen",
            "shards",
            "no-pin",
            "ring",
            "user",
            "data-dir",
            "durability",
            "segment-bytes",
            "log-format",
            "http-listen",
            "sys-interval",
        ],
    ),
];

/// One flag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its long name, which is its key in a file.
    pub name: String,
    /// Its values, as they are written; none if nothing is set and there is no default.
    pub values: Vec<String>,
    /// The default, in words where no value stands for it.
    pub default: String,
    /// Where the values come from.
    pub origin: Origin,
    /// What it takes.
    pub takes: String,
    /// What a reload does with it.
    pub reload: Reload,
}

/// A flag with another value than before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Its long name.
    pub name: String,
    /// What it was, and is.
    pub values: [String; 2],
    /// What a reload does with it.
    pub reload: Reload,
}

impl Configuration {
    /// Every flag, in the order of the help.
    pub fn rows(&self) -> Vec<Row> {
        let flags = Flags::new();
        let row = |flag: &Arg| {
            let name = flag.get_long().expect("flags have long names");
            Row {
                name: name.to_owned(),
                values: self.values(flag),
                default: default(flag),
                origin: self.origin(name),
                takes: flags.takes(flag),
                reload: Reload::of(name).unwrap_or(Reload::No),
            }
        };
        flags.each().map(row).collect()
    }

    /// What is different in another configuration.
    pub fn changes(&self, next: &Self) -> Vec<Change> {
        let flags = Flags::new();
        let change = |flag: &Arg| {
            let name = flag.get_long()?;
            let (before, after) = (self.values(flag), next.values(flag));
            let shown = |values: Vec<String>| match values.is_empty() {
                true => default(flag),
                false => values.join(" "),
            };
            let reload = Reload::of(name).unwrap_or(Reload::No);
            let name = name.to_owned();
            (before != after).then(|| Change {
                name,
                values: [shown(before), shown(after)],
                reload,
            })
        };
        flags.each().filter_map(change).collect()
    }

    fn values(&self, flag: &Arg) -> Vec<String> {
        let name = flag.get_long().expect("flags have long names");
        match self.setting(name).map(|setting| &setting.value) {
            Some(Value::Switch(on)) => vec![on.to_string()],
            Some(Value::Texts(texts)) => {
                texts.iter().map(|text| text.to_string_lossy().into_owned()).collect()
            }
            None if !flag.get_action().takes_values() => vec!["false".to_owned()],
            None => {
                let values = flag.get_default_values().iter();
                values.map(|value| value.to_string_lossy().into_owned()).collect()
            }
        }
    }
}

/// The default of a flag: its values, or what its help says of it.
fn default(flag: &Arg) -> String {
    if !flag.get_action().takes_values() {
        return "false".to_owned();
    }
    let values: Vec<String> =
        flag.get_default_values().iter().map(|it| it.to_string_lossy().into_owned()).collect();
    if !values.is_empty() {
        return values.join(" ");
    }
    let help = flag.get_long_help().or(flag.get_help()).map(ToString::to_string);
    let help = help.unwrap_or_default();
    let told = help.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']'));
    told.map_or("none".to_owned(), |(told, _)| {
        told.split_whitespace().collect::<Vec<_>>().join(" ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // Each flag stands in the table of reloads once, and nothing else does.
    #[test]
    fn every_flag_has_its_reload() {
        let flags = Flags::new();
        let listed = || RELOADS.iter().flat_map(|(_, flags)| *flags);
        for flag in flags.each() {
            let name = flag.get_long().expect("flags have long names");
            assert_eq!(listed().filter(|listed| **listed == name).count(), 1, "--{name}");
        }
        for name in listed() {
            assert!(flags.get(name).is_some(), "there is no --{name}");
        }
    }
}
