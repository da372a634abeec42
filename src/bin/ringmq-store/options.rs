//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use ringmq::mqtt::TopicFilter;

/// Inspects the data directory of a ringmq, running or not. Changes nothing in it.
///
/// Exit status: 0 no damage; 1 damaged or unreadable data; 2 wrong flags, or the directory cannot
/// be opened.
#[derive(Clone, Debug, Parser)]
#[command(name = "ringmq-store", version, max_term_width = 100)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Reads every record of every file, and all data that sessions and topics refer to
    Check(CheckFlags),
    /// Counts sessions, messages and files, and the part of the files that is needed
    Stat(StatFlags),
    /// Writes sessions with their messages, and retained messages, as lines of JSON
    Dump(DumpFlags),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CheckFlags {
    /// Data directory
    pub(crate) dir: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StatFlags {
    /// Data directory
    pub(crate) dir: PathBuf,
    /// List each session: vhost, client id, shard, messages, bytes, in flight, filters, last seen
    #[arg(long)]
    pub(crate) sessions: bool,
    /// Print JSON: one object, and before it, with --sessions, one for each session
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DumpFlags {
    /// Data directory
    pub(crate) dir: PathBuf,
    /// Only the session of this client, with its messages
    #[arg(long, value_name = "ID", conflicts_with = "retained")]
    pub(crate) session: Option<String>,
    /// Only retained messages, of topics that match
    #[arg(long, value_name = "FILTER", value_parser = parse_filter)]
    pub(crate) retained: Option<String>,
}

fn parse_filter(text: &str) -> Result<String, String> {
    match TopicFilter::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Wrong flags are refused, and the message names them.
    #[test]
    fn wrong_flags_are_named() {
        Options::command().debug_assert();
        for (line, named) in [
            ("", "subcommand"),
            ("check", "<DIR>"),
            ("mend d", "mend"),
            ("dump d --session a --retained b", "--retained"),
            ("dump d --retained a/#/b", "--retained"),
            ("check d --sessions", "--sessions"),
        ] {
            let words = std::iter::once("ringmq-store").chain(line.split_ascii_whitespace());
            let text = Options::try_parse_from(words).expect_err(line).to_string();
            assert!(text.contains(named), "{line}: {text}");
        }
    }
}
