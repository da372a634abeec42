//! What `ringmq` is asked to do: to serve, or to look at files or change one, and end.

use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint, value_parser};

use super::Options;
use super::ctl::{self, Ctl};
use crate::limits::SHARDS_MAX;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// To be the broker.
    Serve(Box<Options>),
    /// To change a password file.
    Passwd(Passwd),
    /// To look at or change the vhosts of a data directory.
    Vhost(VhostAct),
    /// To have a session of a data directory deleted.
    Session(SessionAct),
    /// To make a data directory of another.
    Data(DataAct),
    /// To ask a broker that runs, or have it do something.
    Ctl(Box<Ctl>),
}

/// Set or delete the password of a user in a password file
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(after_help = "The password is asked for twice, or read with --stdin, and hashed with \
                        Argon2id. Other lines of FILE stay as they are. A broker that runs reads \
                        FILE again on SIGHUP.")]
pub struct Passwd {
    /// The password file; made if it is missing
    pub file: PathBuf,

    /// The user, without a vhost
    pub user: String,

    /// Read the password from standard input, up to the end of the line
    #[arg(long)]
    pub stdin: bool,

    /// Delete the user
    #[arg(long, conflicts_with = "stdin")]
    pub delete: bool,
}

/// What to do with the vhosts of a data directory.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum VhostAct {
    /// Delete a vhost, with its sessions and retained messages
    #[command(after_help = "No broker may use DIR meanwhile. What is stored goes at the next \
                            start. Take the vhost's directory out of --vhosts as well, or that \
                            start makes the vhost again, empty.")]
    Delete {
        /// The vhost, as clients name it
        name: String,

        /// Data directory
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data_dir: PathBuf,
    },
    /// List number and name of each vhost
    List {
        /// Data directory
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data_dir: PathBuf,
    },
}

/// What to do with the sessions of a data directory.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum SessionAct {
    /// Have the session of a client deleted, with its subscriptions and what waits in it
    #[command(after_help = "Any user of the vhost may begin a session under that client id then. \
                            A broker that uses DIR deletes it at SIGHUP, and disconnects the \
                            client if it is there; one that is started, before it serves.")]
    Delete {
        /// The client id
        client_id: String,

        /// Its vhost
        #[arg(long, value_name = "NAME", default_value = "/")]
        vhost: String,

        /// Data directory
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data_dir: PathBuf,
    },
}

/// What to do with a data directory.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum DataAct {
    /// Copy what a data directory has into a new one for another number of shards
    #[command(
        after_help = "No broker may use DIR meanwhile; nothing in it is changed. NEW has all \
                            of it afterwards: sessions, what waits in them, retained messages. \
                            NEW cannot be used before it is whole, and is removed if it cannot \
                            be. Start the broker with --data-dir NEW then."
    )]
    Reshard {
        /// The data directory
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,

        /// Shards of the new one
        #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(SHARDS))]
        shards: u16,

        /// Where the new one is made; there must be nothing, or an empty directory
        #[arg(long, value_name = "NEW", value_hint = ValueHint::DirPath)]
        to: PathBuf,

        /// Go on without what is damaged, and tell how much that is
        #[arg(long)]
        skip_damaged: bool,
    },
    /// Copy what is committed in a data directory, while a broker uses it
    #[command(after_help = "Everything that was acknowledged before this was begun is in TO. TO \
                            cannot be used before it is whole, and is removed if it cannot be. To \
                            restore it, stop the broker and put TO, or a copy of it, in the place \
                            of its data directory.")]
    Backup {
        /// The data directory, in use or not
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,

        /// Where the copy is made; there must be nothing, or an empty directory
        #[arg(value_hint = ValueHint::DirPath)]
        to: PathBuf,
    },
}

/// Numbers of shards that there may be.
const SHARDS: std::ops::RangeInclusive<i64> = 1..=SHARDS_MAX as i64;

#[derive(Parser)]
#[command(
    name = "ringmq",
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    subcommand_value_name = "COMMAND"
)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    tool: Option<Tool>,

    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Tool {
    Passwd(Passwd),
    /// List or delete the vhosts of a data directory
    Vhost {
        #[command(subcommand)]
        act: VhostAct,
    },
    /// Delete the session of a client
    Session {
        #[command(subcommand)]
        act: SessionAct,
    },
    /// Change the number of shards of a data directory, or back it up
    Data {
        #[command(subcommand)]
        act: DataAct,
    },
    /// Ask a broker that runs, or have it do something
    #[command(after_help = ctl::AFTER_HELP)]
    Ctl {
        #[command(subcommand)]
        act: Box<Ctl>,
    },
}

impl Command {
    /// All that the command line takes: what help, manual and completions are made from.
    pub fn definition() -> clap::Command {
        CommandLine::command()
    }

    /// What the process's own arguments ask for. On `--help`, `--version` or a bad value this
    /// prints and ends the process: 0 for the first two, 2 for the third.
    pub fn from_command_line() -> Self {
        let given = Self::definition().get_matches();
        let line = CommandLine::from_arg_matches(&given).unwrap_or_else(|error| error.exit());
        match line.into() {
            Self::Serve(options) => {
                let checked = options.checked(&given).unwrap_or_else(|error| error.exit());
                Self::Serve(Box::new(checked))
            }
            tool => tool,
        }
    }
}

impl From<CommandLine> for Command {
    fn from(line: CommandLine) -> Self {
        match line.tool {
            Some(Tool::Passwd(passwd)) => Self::Passwd(passwd),
            Some(Tool::Vhost { act }) => Self::Vhost(act),
            Some(Tool::Session { act }) => Self::Session(act),
            Some(Tool::Data { act }) => Self::Data(act),
            Some(Tool::Ctl { act }) => Self::Ctl(act),
            None => Self::Serve(Box::new(line.options)),
        }
    }
}
