//! The command line of `ringmq`: run the broker, or run a subcommand and exit.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{
    ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint, value_parser,
};

use super::ctl::{self, Ctl};
use super::{Configuration, Given, Options};
use crate::limits::{self, SHARDS_MAX};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the broker.
    Serve(Box<Configuration>),
    /// Read everything that a start would read, and change nothing.
    Check {
        /// Where to read the configuration from.
        given: Given,
        /// Print JSON.
        json: bool,
    },
    /// List all settings.
    ConfigShow {
        /// Where to read the configuration from.
        given: Given,
        /// List the defaults instead of the configured values.
        defaults: bool,
        /// Print JSON.
        json: bool,
    },
    /// Make the broker that uses a data directory read its configuration again.
    Reload {
        /// The data directory.
        data_dir: PathBuf,
    },
    /// Change a password file.
    Passwd(Passwd),
    /// List or delete the vhosts of a data directory.
    Vhost(VhostAct),
    /// Delete a session of a data directory.
    Session(SessionAct),
    /// Create a data directory from another one.
    Data(DataAct),
    /// Send a request to a running broker.
    Ctl(Box<Ctl>),
}

/// Set or delete the password of a user in a password file
#[derive(Args, Clone, Debug, PartialEq, Eq)]
#[command(after_help = "The password is asked for twice, or read with --stdin, and hashed with \
                        Argon2id. With --scram, keys for SCRAM-SHA-256 and SCRAM-SHA-512 replace \
                        the hash; the user can then log in both ways. Other lines of FILE stay as \
                        they are. A running broker reads FILE again on SIGHUP.")]
pub struct Passwd {
    /// The password file; created if it is missing
    pub file: PathBuf,

    /// The user, without a vhost
    pub user: String,

    /// Read the password from standard input, up to the end of the line
    #[arg(long)]
    pub stdin: bool,

    /// Write keys for SCRAM, which MQTT 5 clients can authenticate with
    #[arg(long)]
    pub scram: bool,

    /// How often SCRAM hashes the password. Each client does so whenever it connects
    #[arg(long, value_name = "N", requires = "scram")]
    #[arg(default_value_t = limits::SCRAM_ITERATIONS_DEFAULT)]
    #[arg(value_parser = clap::value_parser!(u32)
        .range(i64::from(limits::SCRAM_ITERATIONS_MIN)..=i64::from(limits::PBKDF2_ITERATIONS_MAX)))]
    pub iterations: u32,

    /// Delete the user
    #[arg(long, conflicts_with_all = ["stdin", "scram"])]
    pub delete: bool,
}

/// An operation on the vhosts of a data directory.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum VhostAct {
    /// Delete a vhost, with its sessions and retained messages
    #[command(after_help = "No broker may use DIR meanwhile. The next start deletes the stored \
                            data. Remove the vhost's directory from --vhosts as well; otherwise \
                            that start creates the vhost again, empty.")]
    Delete {
        /// The vhost, as clients name it
        name: String,

        /// Data directory
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data_dir: PathBuf,
    },
    /// List the number and name of each vhost
    List {
        /// Data directory
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        data_dir: PathBuf,
    },
}

/// An operation on the sessions of a data directory.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum SessionAct {
    /// Delete the session of a client, with its subscriptions and waiting messages
    #[command(
        after_help = "Afterwards any user of the vhost may begin a session with that client \
                            id. A running broker deletes the session at SIGHUP, and disconnects \
                            the client if it is connected. If no broker runs, the next start \
                            deletes the session before it accepts clients."
    )]
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

/// An operation on a data directory.
#[derive(Subcommand, Clone, Debug, PartialEq, Eq)]
pub enum DataAct {
    /// Copy the contents of a data directory into a new one with another number of shards
    #[command(
        after_help = "No broker may use DIR meanwhile; DIR is not changed. NEW receives all \
                            sessions, their waiting messages and the retained messages. No \
                            broker can use NEW before it is complete. If the command fails, it \
                            removes NEW. Afterwards start the broker with --data-dir NEW."
    )]
    Reshard {
        /// The data directory
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,

        /// Number of shards of the new directory
        #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(SHARDS))]
        shards: u16,

        /// The new directory; it must not exist, or must be empty
        #[arg(long, value_name = "NEW", value_hint = ValueHint::DirPath)]
        to: PathBuf,

        /// Skip damaged data, and report how much was skipped
        #[arg(long)]
        skip_damaged: bool,
    },
    /// Copy the committed contents of a data directory; a broker may be using it
    #[command(after_help = "TO contains every message that was acknowledged before the command \
                            began. No broker can use TO before it is complete. If the command \
                            fails, it removes TO. To restore the backup, stop the broker and \
                            replace its data directory by TO or a copy of TO.")]
    Backup {
        /// The data directory, in use or not
        #[arg(value_hint = ValueHint::DirPath)]
        dir: PathBuf,

        /// The copy; it must not exist, or must be an empty directory
        #[arg(value_hint = ValueHint::DirPath)]
        to: PathBuf,
    },
}

/// The allowed numbers of shards.
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
    /// Read everything that a start would read, report what is wrong, and change nothing
    #[command(after_help = "It accepts the broker's flags as well. It reads the configuration, \
                            users, rules, certificates, keys and revocation lists, and the \
                            settings that the data directory was created with. It binds no \
                            address, so it cannot tell whether one is in use. Exit code: 0 no \
                            findings, 1 warnings, 2 the broker would not start.")]
    Check {
        /// Print the findings as JSON
        #[arg(long)]
        json: bool,

        #[command(flatten)]
        options: Box<Options>,
    },
    /// Show the configuration
    Config {
        #[command(subcommand)]
        act: ConfigAct,
    },
    Passwd(Passwd),
    /// Make a running broker read its configuration and files again, and wait for the result
    #[command(
        after_help = "The command signals the broker that uses DIR. Exit code: 0 the broker \
                            uses the new configuration, 1 it does not and nothing has changed; \
                            the faults are printed."
    )]
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
    /// Send a request to a running broker
    #[command(after_help = ctl::AFTER_HELP)]
    Ctl {
        #[command(subcommand)]
        act: Box<Ctl>,
    },
}

#[derive(Subcommand)]
enum ConfigAct {
    /// List all settings: value, origin, accepted values, and whether a reload changes it
    #[command(after_help = "It accepts the broker's flags as well, and shows the settings that a \
                            start with them would use.")]
    Show {
        /// List the defaults instead of the configured values
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
    /// The whole command line; help, manual and completions are generated from it.
    pub fn definition() -> clap::Command {
        // Some commands also accept the broker's flags. Those are hidden from the command's help,
        // where they would bury the command's own flags.
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

    /// Parses the process's arguments and environment. On `--help`, `--version` or an error this
    /// prints a text and ends the process: with 0 for the first two, otherwise with 2.
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
            // A required flag may still come from the file or the environment.
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

/// Prints the error or the help and ends the process. For `ctl check`, which Nagios runs, exit code
/// 2 would mean a critical state of the broker; 3 means that the check could not be made.
fn end(arguments: &[OsString], error: &clap::Error) -> ! {
    let is_check = arguments.get(1..3).is_some_and(|words| words == ["ctl", "check"]);
    if is_check && error.use_stderr() {
        let _ = error.print();
        std::process::exit(3);
    }
    error.exit()
}

/// Parses arguments that lack required flags, if their command also takes flags from the file or
/// the environment.
fn lenient(definition: clap::Command, arguments: &[OsString]) -> Option<ArgMatches> {
    let matches = definition.ignore_errors(true).try_get_matches_from(arguments).ok()?;
    match matches.subcommand() {
        None | Some(("check", _)) => Some(matches),
        Some(("config", config)) if config.subcommand().is_some() => Some(matches),
        Some(_) => None,
    }
}
