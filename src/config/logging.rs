//! Flags that say what is logged, and how it looks.

use clap::{Args, ValueEnum};

use super::values::parse_log_filter;

/// See the module.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// What goes to standard error: off, error, warn, info, debug or trace.
    ///
    /// It can be said for one part alone, as in `info,ringmq::ring=debug`. SIGUSR2 turns debug on
    /// and off. RUST_LOG is not read.
    #[arg(
        long = "log",
        value_name = "FILTER",
        default_value = "info",
        value_parser = parse_log_filter,
        help_heading = "Logging"
    )]
    pub filter: String,

    /// How log lines look [default: text, or journald where standard error is the journal]
    #[arg(long = "log-format", value_enum, value_name = "FORMAT", help_heading = "Logging")]
    pub format: Option<LogFormat>,

    /// Whether clients that connect and disconnect are logged.
    ///
    /// Those that are refused are logged in any case.
    #[arg(
        long = "log-connections",
        value_enum,
        value_name = "WHETHER",
        default_value_t = Switch::On,
        help_heading = "Logging"
    )]
    pub connections: Switch,
}

/// How log lines look.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, with time in UTC, level, shard, client and what happened
    Text,
    /// One JSON object a line
    Json,
    /// For the journal, with its priority in front and without a time
    Journald,
}

/// Whether something is done.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Yes
    On,
    /// No
    Off,
}
