//! What `ringmq` is asked to do: to serve, or to look at files or change one, and end.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{
    ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint, value_parser,
};

use super::ctl::{self, Ctl};
use super::{Configuration, Given, Options};
use crate::limits::SHARDS_MAX;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// To be the broker.
    Serve(Box<Configuration>),
    /// To read all that a start would, and change nothing.
    Check {
        /// From where to read the configuration.
        given: Given,
        /// Print JSON.
        json: bool,
    },
    /// To list all settings.
    ConfigShow {
        /// From where to read the configuration.
        given: Given,
        /// List defaults, whatever is set.
        defaults: bool,
        /// Print JSON.
        json: bool,
    },
    /// To have the broker that uses a data directory read its configuration again.
    Reload {
        /// The directory.
        data_dir: PathBuf,
    },
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
    /// Read all that a start would, say what is wrong, and change nothing
    #[command(after_help = "It takes the broker's flags as well. What it reads are the \
                            configuration, users, rules, certificates, keys and revocation lists, \
                            and what the data directory was made with. It binds no address, so it \
                            cannot tell whether one is in use. Exit code: 0 all is well, 1 there \
                            are warnings, 2 the broker would not start.")]
    Check {
        /// Print the findings as JSON
        #[arg(long)]
        json: bool,

        #[command(flatten)]
        options: Box<Options>,
    },
    /// Look at the configuration
    Config {
        #[command(subcommand)]
        act: ConfigAct,
    },
    Passwd(Passwd),
    /// Have a running broker read its configuration and files again, and wait for its answer
    #[command(after_help = "The broker is the one that uses DIR. Exit code: 0 it has taken what \
                            it read, 1 it has not, and everything stays as it was; what is wrong \
                            is printed.")]
    Reload {
        /// Data directory
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data_dir: PathBuf,
    },
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

#[derive(Subcommand)]
enum ConfigAct {
    /// List all settings: value, where it comes from, what it takes, whether a reload changes it
    #[command(
        after_help = "It takes the broker's flags as well, and shows what a start with them \
                            would use."
    )]
    Show {
        /// List the defaults, whatever is set
        #[arg(long)]
        defaults: bool,

        /// Print JSON
        #[arg(long)]
        json: bool,

        #[command(flatten)]
        options: Box<Options>,
    },
}

impl Command {
    /// All that the command line takes: what help, manual and completions are made from.
    pub fn definition() -> clap::Command {
        // Where the broker's flags may be given beside those of a command, their help would drown
        // what is the command's own.
        let own = |flag: &str| ["config", "data-dir", "json", "defaults"].contains(&flag);
        let quiet = move |flag: clap::Arg| match flag.get_long().is_some_and(own) {
            true => flag.help_heading(Resettable::Reset),
            false => flag.hide(true),
        };
        CommandLine::command()
            .mut_subcommand("check", |check| check.mut_args(quiet).disable_version_flag(true))
            .mut_subcommand("config", |config| {
                let quiet = |show: clap::Command| show.mut_args(quiet).disable_version_flag(true);
                config.mut_subcommand("show", quiet)
            })
    }

    /// What the process's own arguments and environment ask for. On `--help`, `--version` or
    /// anything that is wrong this prints and ends the process: 0 for the first two, else 2.
    pub fn from_command_line() -> Self {
        let arguments: Vec<OsString> = std::env::args_os().collect();
        Self::from(&arguments, std::env::vars_os())
    }

    fn from(
        arguments: &[OsString],
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Self {
        let definition = Self::definition();
        let strict = definition.clone().try_get_matches_from(arguments);
        let matches = strict.unwrap_or_else(|error| match lenient(definition, arguments) {
            // What is missing may be in the file or in the environment.
            Some(matches) if error.kind() == ErrorKind::MissingRequiredArgument => matches,
            _ => end(arguments, &error),
        });
        match matches.subcommand() {
            None => {
                let configuration = Given::new(&matches, environment).read();
                Self::Serve(Box::new(configuration.unwrap_or_else(|error| error.exit())))
            }
            Some(("check", check)) => {
                Self::Check { given: Given::new(check, environment), json: check.get_flag("json") }
            }
            Some(("config", config)) => {
                let (_, show) = config.subcommand().expect("it needs one");
                Self::ConfigShow {
                    given: Given::new(show, environment),
                    defaults: show.get_flag("defaults"),
                    json: show.get_flag("json"),
                }
            }
            Some(_) => {
                let line = CommandLine::from_arg_matches(&matches);
                match line.unwrap_or_else(|error| error.exit()).tool {
                    Some(Tool::Passwd(passwd)) => Self::Passwd(passwd),
                    Some(Tool::Vhost { act }) => Self::Vhost(act),
                    Some(Tool::Session { act }) => Self::Session(act),
                    Some(Tool::Data { act }) => Self::Data(act),
                    Some(Tool::Ctl { act }) => Self::Ctl(act),
                    Some(Tool::Reload { data_dir }) => Self::Reload { data_dir },
                    None | Some(Tool::Check { .. } | Tool::Config { .. }) => {
                        unreachable!("they were looked for")
                    }
                }
            }
        }
    }
}

/// Says what is wrong with the arguments, or the help, and ends the process. For Nagios, which runs
/// `ctl check`, 2 would be a broker that is ill; 3 is a check that could not be made.
fn end(arguments: &[OsString], error: &clap::Error) -> ! {
    let is_check = arguments.get(1..3).is_some_and(|words| words == ["ctl", "check"]);
    if is_check && error.use_stderr() {
        let _ = error.print();
        std::process::exit(3);
    }
    error.exit()
}

/// What arguments say that lack others, if they are of a command whose flags can be set elsewhere
/// as well.
fn lenient(definition: clap::Command, arguments: &[OsString]) -> Option<ArgMatches> {
    let matches = definition.ignore_errors(true).try_get_matches_from(arguments).ok()?;
    match matches.subcommand() {
        None | Some(("check", _)) => Some(matches),
        Some(("config", config)) if config.subcommand().is_some() => Some(matches),
        Some(_) => None,
    }
}
