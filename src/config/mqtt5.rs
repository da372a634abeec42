//! Flags of MQTT 5.

use clap::{Args, value_parser};

use crate::limits;

use super::Switch;

/// Flags of MQTT 5.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct V5Options {
    /// Topic aliases that a client may use, and that the broker may use towards it; 0: none
    #[arg(
        long = "topic-alias-max",
        value_name = "N",
        default_value_t = limits::TOPIC_ALIASES_DEFAULT,
        help_heading = "MQTT 5"
    )]
    pub topic_alias_max: u16,

    /// Longest keep alive in seconds: a client that asks for a longer one, or for none, is told to
    /// use this one. 0: no limit
    #[arg(
        long = "keep-alive-max",
        value_name = "SECONDS",
        default_value_t = 0,
        value_parser = value_parser!(u16),
        help_heading = "MQTT 5"
    )]
    pub keep_alive_s_max: u16,

    /// Whether the broker refuses a payload with code 0x99 if its publisher declares it UTF-8 and
    /// it is not
    #[arg(
        long = "check-payload-format",
        value_enum,
        value_name = "SWITCH",
        default_value_t = Switch::Off,
        help_heading = "MQTT 5"
    )]
    pub check_payload_format: Switch,
}
