//! Flags of logging.

use clap::{Args, ValueEnum};

use super::values::parse_log_filter;

/// Flags of logging.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Level of the lines on standard error: off, error, warn, info, debug or trace.
    ///
    /// A level may apply to one module only, as in `info,ringmq::ring=debug`. SIGUSR2 turns debug
    /// lines on and off. RUST_LOG is not read.
    #[arg(
        long = "log",
        value_name = "FILTER",
        default_value = "info",
        value_parser = parse_log_filter,
        help_heading = "Logging"
    )]
    pub filter: String,

    /// Format of log lines [default: text, or journald where standard error is the journal]
    #[arg(long = "log-format", value_enum, value_name = "FORMAT", help_heading = "Logging")]
    pub format: Option<LogFormat>,

    /// Whether clients that connect and disconnect are logged.
    ///
    /// Refused clients are always logged.
    #[arg(
        long = "log-connections",
        value_enum,
        value_name = "WHETHER",
        default_value_t = Switch::On,
        help_heading = "Logging"
    )]
    pub connections: Switch,
}

/// The format of log lines.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: time in UTC, level, shard, client and message
    Text,
    /// One JSON object for each line
    Json,
    /// For the journal: starts with the priority, has no time
    Journald,
}

/// A switch.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Yes
    On,
    /// No
    Off,
}
