//! The command line of `ringmq ctl`, generated from the table of its verbs.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::value_parser;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches, Subcommand, ValueHint};

use super::admin_address::AdminAddress;
use super::values::parse_duration_ms;
use super::verb::{Columns, Kind, Parameter, Verb, View};
use super::verbs::{NOUNS, verbs};
use crate::limits::{CTL_WATCH_MS_MAX, CTL_WATCH_MS_MIN};

/// The part of the help that all verbs share.
pub(super) const AFTER_HELP: &str = "The command connects to --at, else to the address in \
    RINGMQ_ADMIN, else to the first of the sockets /run/ringmq/admin.sock, \
    /var/lib/ringmq/admin.sock and ./ringmq-data/admin.sock. At a socket, root and the user that \
    the broker runs as need no token. Other users need one, in RINGMQ_TOKEN or in the file of \
    --token-file. Over https the certificate of the broker must be of one that --cacert or \
    RINGMQ_CACERT names, else of one that the system trusts.\n\n\
    The output is a table on a terminal, and lines with tabs between columns in a pipe.\n\n\
    Exit code: 0 done, 1 failed, 2 wrong command line, 3 the object does not exist, 4 the broker \
    was not reached, 5 the token lacks the right.";

/// A request to a broker, and how the answer is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ctl {
    /// The verb.
    pub verb: &'static Verb,
    /// Names and values of its parameters.
    pub given: Vec<(&'static str, String)>,
    /// The address of the broker's HTTP interface.
    pub at: Option<AdminAddress>,
    /// A file with the token.
    pub token_file: Option<PathBuf>,
    /// A file with the certificates that are trusted.
    pub ca_file: Option<PathBuf>,
    /// Print JSON.
    pub json: bool,
    /// The time between repeated requests.
    pub watch_ms: Option<u64>,
    /// The fields to show.
    pub columns: Option<Vec<String>>,
    /// Follow cursors to the end of a list.
    pub all: bool,
    /// Do not ask for confirmation.
    pub yes: bool,
}

impl Ctl {
    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(given, _)| *given == name).map(|(_, value)| &**value)
    }

    fn read(verb: &'static Verb, matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Vec::new();
        for parameter in verb.parameters {
            let mut raw = matches.get_raw(parameter.name).into_iter().flatten();
            let Some(value) = raw.next() else { continue };
            if parameter.kind == Kind::Switch {
                let is_said = matches.get_flag(parameter.name);
                given.extend(is_said.then(|| (parameter.name, "true".to_owned())));
                continue;
            }
            let text = value.to_str().ok_or_else(|| {
                clap::Error::raw(ErrorKind::InvalidUtf8, "a value is not UTF-8\n")
            })?;
            given.push((parameter.name, text.to_owned()));
        }
        let is_set = |name| matches.try_get_one(name).ok().flatten().copied().unwrap_or(false);
        let columns = matches.try_get_many::<String>("columns").ok().flatten();
        Ok(Self {
            verb,
            given,
            at: matches.try_get_one("at").ok().flatten().cloned(),
            ca_file: matches.try_get_one("cacert").ok().flatten().cloned(),
            token_file: matches.try_get_one("token-file").ok().flatten().cloned(),
            json: is_set("json"),
            watch_ms: matches.try_get_one("watch").ok().flatten().copied(),
            columns: columns.map(|columns| columns.cloned().collect()),
            all: is_set("all"),
            yes: is_set("yes"),
        })
    }
}

impl Subcommand for Ctl {
    fn augment_subcommands(command: Command) -> Command {
        let is_noun = |name: &str| NOUNS.iter().any(|(noun, _)| *noun == name);
        let single = |verb: &&Verb| verb.words.len() == 1 && !is_noun(verb.words[0]);
        let mut command = command.subcommands(verbs().filter(single).map(command_of));
        for (noun, about) in NOUNS {
            let verbs = verbs().filter(|verb| verb.words.len() > 1 && verb.words[0] == *noun);
            let own = self::verbs().find(|verb| verb.words == [*noun]);
            let is_needed = own.is_none();
            let own = own.map_or_else(|| Command::new(*noun), command_of);
            command = command.subcommand(
                own.about(*about)
                    .subcommand_required(is_needed)
                    .arg_required_else_help(is_needed)
                    .args_conflicts_with_subcommands(true)
                    .disable_help_subcommand(true)
                    .subcommands(verbs.map(command_of)),
            );
        }
        command.disable_help_subcommand(true)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        verbs().any(|verb| verb.words[0] == name)
    }
}

impl FromArgMatches for Ctl {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let (mut words, mut matches) = (Vec::new(), matches);
        while let Some((word, below)) = matches.subcommand() {
            words.push(word);
            matches = below;
        }
        let verb = verbs().find(|verb| verb.words == words);
        let missing = || clap::Error::new(ErrorKind::MissingSubcommand);
        Self::read(verb.ok_or_else(missing)?, matches)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn command_of(verb: &Verb) -> Command {
    let name = verb.words.last().expect("a verb has a name");
    let mut command = Command::new(*name).about(verb.about);
    if !verb.more.is_empty() {
        command = command.after_help(verb.more);
    }
    command.args(verb.parameters.iter().map(argument)).args(common(verb.view))
}

fn argument(parameter: &Parameter) -> Arg {
    let argument = Arg::new(parameter.name).help(parameter.help).required(parameter.required);
    let argument = match parameter.value {
        "" => argument,
        value => argument.value_name(value),
    };
    let argument = match parameter.flag {
        Some(flag) => argument.long(flag),
        None => argument,
    };
    match parameter.kind {
        Kind::Text => argument,
        Kind::Word(words) => argument.value_parser(PossibleValuesParser::new(words)),
        Kind::Number(min, max) => argument.value_parser(value_parser!(u64).range(min..=max)),
        Kind::Decimal => argument.value_parser(parse_decimal),
        Kind::Duration => argument.value_parser(parse_interval_ms),
        Kind::Switch => argument.action(ArgAction::SetTrue),
        Kind::Document => argument.value_hint(ValueHint::FilePath),
    }
}

/// The flags of verbs with this view.
fn common(view: View) -> Vec<Arg> {
    let at = Arg::new("at").long("at").value_name("ADDRESS").value_parser(AdminAddress::parse);
    let token_file = Arg::new("token-file")
        .long("token-file")
        .value_name("FILE")
        .value_hint(ValueHint::FilePath)
        .value_parser(value_parser!(PathBuf));
    let cacert = Arg::new("cacert")
        .long("cacert")
        .value_name("FILE")
        .value_hint(ValueHint::FilePath)
        .value_parser(value_parser!(PathBuf));
    let switch = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let mut flags = vec![
        at.help(
            "Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH",
        ),
        token_file.help("File with the token"),
        cacert.help("File with the certificates to trust over https [default: the system's]"),
        switch("json").help("Print the broker's objects as JSON, one a line"),
    ];
    let watch = Arg::new("watch").long("watch").value_name("DURATION");
    let watch = watch.value_parser(parse_interval_ms);
    let watch = watch.help("Ask again and again, with so much time between, as in 2s");
    let columns = |columns: Columns| {
        let columns = PossibleValuesParser::new(columns.all);
        let argument = Arg::new("columns").long("columns").value_name("FIELDS");
        let argument = argument.value_delimiter(',').value_parser(columns);
        argument.hide_possible_values(true).help("Fields to show, with commas between")
    };
    match view {
        View::Pages(of) => {
            flags.extend([watch, columns(of)]);
            flags.push(switch("all").help("List all, however many there are"));
        }
        View::Rows(of) | View::Object(of) | View::Top(of) => flags.extend([watch, columns(of)]),
        View::Status | View::Metrics | View::Vhosts => flags.push(watch),
        View::Ended(_) | View::Counted(_) | View::Evicted | View::Done(_, Some(_)) => {
            flags.push(switch("yes").help("Do it without asking back"));
        }
        View::Tokens => return Vec::new(),
        View::Done(_, None)
        | View::File
        | View::Reloaded
        | View::Document
        | View::Check
        | View::Dashboard
        | View::Trace
        | View::Events
        | View::Tail => {}
    }
    flags
}

fn parse_decimal(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "takes a number, 0 or above".to_owned())
}

/// Milliseconds between two questions.
pub fn parse_interval_ms(text: &str) -> Result<u64, String> {
    let within = CTL_WATCH_MS_MIN..=CTL_WATCH_MS_MAX;
    parse_duration_ms(text).filter(|ms| within.contains(ms)).ok_or_else(|| {
        let (min, max) = (CTL_WATCH_MS_MIN, CTL_WATCH_MS_MAX / 3_600_000);
        format!("takes {min}ms to {max}h with a unit (ms, s, m or h), as in 2s")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Ctl, clap::Error> {
        let command = Ctl::augment_subcommands(Command::new("ctl").subcommand_required(true));
        let matches = command.try_get_matches_from(line.split(' '))?;
        Ctl::from_arg_matches(&matches)
    }

    // clap finds no fault in the generated commands, and each verb is found by its words.
    #[test]
    fn the_table_is_sound() {
        Ctl::augment_subcommands(Command::new("ctl")).debug_assert();
        for (at, verb) in verbs().enumerate() {
            let mut line: Vec<String> = vec!["ctl".to_owned()];
            line.extend(verb.words.iter().map(|word| (*word).to_owned()));
            for parameter in verb.parameters.iter().filter(|parameter| parameter.required) {
                line.extend(parameter.flag.map(|flag| format!("--{flag}")));
                line.push(match parameter.kind {
                    Kind::Word(words) => words[0].to_owned(),
                    _ => "x".to_owned(),
                });
            }
            let ctl = parse(&line.join(" ")).unwrap_or_else(|error| panic!("{line:?}: {error}"));
            assert_eq!(ctl.verb, verb);
            let is_same = |other: &&Verb| other.words == verb.words;
            assert_eq!(verbs().position(|other| is_same(&other)), Some(at));
            if let [noun, _] = verb.words {
                assert!(NOUNS.iter().any(|(name, _)| name == noun), "{noun} is no noun");
            }
        }
    }

    // A flag is accepted only by the verbs for which it has a meaning.
    #[test]
    fn flags_are_where_they_mean_something() {
        let ctl = parse("ctl clients ls --id-prefix a --columns id,backlog.bytes --all --json");
        let ctl = ctl.expect("all are known");
        assert_eq!(ctl.get("id_prefix"), Some("a"));
        assert_eq!(
            ctl.columns.as_deref(),
            Some(&["id".to_owned(), "backlog.bytes".to_owned()][..])
        );
        assert!(ctl.all && ctl.json && !ctl.yes && ctl.watch_ms.is_none());
        let ctl = parse("ctl clients kick -- -id").expect("all are known");
        assert_eq!((ctl.get("id"), ctl.yes), (Some("-id"), false));
        for line in [
            "ctl",
            "ctl clients",
            "ctl clients ls --yes",
            "ctl clients ls --columns colour",
            "ctl clients ls --limit 0",
            "ctl clients ls --connected true",
            "ctl clients show",
            "ctl clients kick x --watch 2s",
            "ctl sessions rm",
            "ctl status --watch 99ms",
            "ctl status --watch 2",
            "ctl status --token x",
            "ctl check",
            "ctl check height",
            "ctl check disk --warning -1",
            "ctl check disk --warning NaN",
            "ctl status --at 127.0.0.1:9883",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
