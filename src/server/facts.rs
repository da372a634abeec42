//! The facts of the configuration that operators see: settings, listeners, certificates.

use std::sync::Arc;

use crate::admin::{Facts, ListenerFact, Setting};
use crate::config::{Configuration, Origin, Row};

use super::certificates;
use super::listeners::OpenListener;

/// The facts of a broker that was started with this configuration.
pub(super) fn of(configuration: &Configuration, opened: &[OpenListener]) -> Arc<Facts> {
    let listeners = opened.iter().map(|open| ListenerFact {
        at: open.listen.at.to_string(),
        tls: open.tls,
        proxy: open.listen.proxy,
        local: open.listen.is_local(),
    });
    renewed(&Facts { listeners: listeners.collect(), ..Facts::default() }, configuration)
}

/// The facts after a reload.
pub(super) fn renewed(before: &Facts, configuration: &Configuration) -> Arc<Facts> {
    Arc::new(Facts {
        settings: configuration.rows().into_iter().map(setting).collect(),
        listeners: before.listeners.clone(),
        certificates: certificates::facts(configuration.options()),
    })
}

fn setting(row: Row) -> Setting {
    let (origin, variable, at) = match row.origin {
        Origin::Flag => ("flag", None, None),
        Origin::Environment(variable) => ("environment", Some(variable), None),
        Origin::File(file, line) => ("file", None, Some((file, line))),
        Origin::Default => ("default", None, None),
    };
    let Row { name, values, default, takes, reload, .. } = row;
    Setting { name, values, default, origin, variable, at, takes, reload: reload.as_str() }
}
