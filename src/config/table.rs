//! A table of all flags: value, origin, accepted values, and whether a reload changes it.

use clap::Arg;

use super::flags::Flags;
use super::origin::Value;
use super::{Configuration, Origin};

/// What a reload does with a changed value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reload {
    /// The new value applies at once, also to connected clients.
    Yes,
    /// The new value applies to clients that connect afterwards.
    NewClients,
    /// The reload reports the change; only a restart applies it.
    No,
}

impl Reload {
    /// A name of one or two words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::NewClients => "new clients",
            Self::No => "no",
        }
    }

    /// What a reload does with a flag; `None` if no such flag exists.
    pub fn of(flag: &str) -> Option<Self> {
        let row = RELOADS.iter().find(|(_, flags)| flags.contains(&flag));
        row.map(|(reload, _)| *reload)
    }
}

/// Every flag, in exactly one of the groups.
const RELOADS: &[(Reload, &[&str])] = &[
    (
        Reload::Yes,
        &[
            "passwords",
            "acl",
            "groups",
            "vhosts",
            "default-vhost",
            "allow-anonymous",
            "auth-failures-max",
            "on-denied",
            "takeover",
            "max-packet-size",
            "max-outgoing-bytes",
            "qos0-patience",
            "gather-max",
            "max-inflight",
            "client-publish-rate",
            "client-publish-bytes",
            "max-subscriptions",
            "max-topic-levels",
            "check-payload-format",
            "session-expiry",
            "session-max-bytes",
            "session-overflow",
            "session-limit",
            "group-max-bytes",
            "group-expiry",
            "retained-max-count",
            "retained-max-bytes",
            "disk-low",
            "log",
            "log-connections",
            "http-tokens",
            "watch-session",
            "http-host",
        ],
    ),
    (
        Reload::NewClients,
        &[
            "topic-alias-max",
            "keep-alive-max",
            "proxy-trust",
            "http-cert",
            "http-key",
            "ws-path",
            "ws-origin",
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
            "group-order",
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
    /// Its long name, which is its key in the configuration file.
    pub name: String,
    /// Its values as they were written; empty if nothing is set and there is no default.
    pub values: Vec<String>,
    /// The default; described in words if it is not a value.
    pub default: String,
    /// The origin of the values.
    pub origin: Origin,
    /// The accepted values.
    pub takes: String,
    /// What a reload does with it.
    pub reload: Reload,
}

/// A flag whose value has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Its long name.
    pub name: String,
    /// The old and the new value.
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

    /// The differences to another configuration.
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

/// The default of a flag: its values, or the description in its help.
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

    // Each flag is in the table of reloads once, and no other name is.
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
