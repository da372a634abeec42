//! The configuration file that a service begins with: every flag as a key, commented out, with its
//! default.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, Command};

/// Columns of a comment, without its sign.
const WIDTH: usize = 90;

/// Flags that the unit sets, or that name the file itself.
const LEFT_OUT: &[&str] = &["config", "data-dir", "help", "version"];

const HEAD: &str = "\
# Configuration of ringmq as a service: /etc/default/ringmq names this file. Keys are the names of
# flags. What is commented out has its default, which is shown where there is one.
#
# `ringmq check --config FILE` looks for mistakes. `systemctl reload ringmq` has the broker read the
# file again; it logs which changes wait for a restart. `man ringmq` says more about each key.
";

/// The file.
pub(crate) fn settings(command: &Command) -> String {
    let mut text = HEAD.to_owned();
    let mut headings: Vec<&str> = Vec::new();
    for heading in command.get_arguments().filter_map(Arg::get_help_heading) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        text += &format!("\n# ---- {heading} ----\n");
        let is_below = |flag: &&Arg| flag.get_help_heading() == Some(heading);
        for flag in command.get_arguments().filter(is_below) {
            add(&mut text, flag);
        }
    }
    text
}

fn add(text: &mut String, flag: &Arg) {
    let Some(name) = flag.get_long().filter(|name| !LEFT_OUT.contains(name)) else { return };
    *text += "\n";
    for line in wrapped(&help(flag)) {
        writeln!(text, "# {line}").expect("it is memory");
    }
    writeln!(text, "# {name} = {}", value(flag)).expect("it is memory");
}

/// The first paragraph of the help, with the description of a default that is no value.
fn help(flag: &Arg) -> String {
    let help = flag.get_long_help().or(flag.get_help()).expect("flags have a help").to_string();
    let first = help.split("\n\n").next().unwrap_or_default();
    let first = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut text = first.trim_end_matches('.').to_owned() + ".";
    let values = flag.get_possible_values();
    if !values.is_empty() && flag.get_action().takes_values() {
        let names: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
        write!(text, " One of {}.", names.join(", ")).expect("it is memory");
    }
    text
}

/// The default as TOML; for a flag without one the accepted values.
fn value(flag: &Arg) -> String {
    if !flag.get_action().takes_values() {
        return "false".to_owned();
    }
    let shown = |value: &str| match value.parse::<u64>() {
        Ok(number) if number.to_string() == value => value.to_owned(),
        _ => format!("\"{value}\""),
    };
    let names = flag.get_value_names().unwrap_or_default();
    let name = names.first().map_or(String::new(), ToString::to_string);
    let value = match flag.get_default_values() {
        [] => format!("\"{name}\""),
        values => {
            let shown = values.iter().map(|value| shown(&value.to_string_lossy()));
            shown.collect::<Vec<_>>().join(", ")
        }
    };
    match flag.get_action() {
        ArgAction::Append => format!("[{value}]"),
        _ => value,
    }
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is one");
        if last.is_empty() {
            *last = word.to_owned();
        } else if last.len() + 1 + word.len() <= WIDTH {
            *last += &format!(" {word}");
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::CommandFactory;
    use ringmq::config::{Configuration, Options, Origin};

    use super::super::root;
    use super::*;

    /// Keys of the file whose value is a default, with their lines.
    fn defaults(text: &str) -> Vec<(String, String)> {
        let command = Options::command();
        let has_default = |name: &str| {
            command.get_arguments().any(|flag| {
                flag.get_long() == Some(name)
                    && (!flag.get_action().takes_values() || !flag.get_default_values().is_empty())
            })
        };
        let keys = text.lines().filter_map(|line| {
            let (name, _) = line.strip_prefix("# ")?.split_once(" = ")?;
            has_default(name).then(|| (name.to_owned(), line[2..].to_owned()))
        });
        keys.collect()
    }

    fn read(text: &str) -> Configuration {
        let name = format!("ringmq-settings-{}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).expect("it is ours");
        let flag = format!("--config={}", path.display());
        let configuration = Configuration::of_flags([&*flag]);
        fs::remove_file(path).expect("it is ours");
        configuration.unwrap_or_else(|error| panic!("{error}"))
    }

    // The file sets nothing. Without its comment signs its keys have the defaults, and each flag is
    // present.
    #[test]
    fn settings_are_the_defaults() {
        let text = fs::read_to_string(root().join("scripts/ringmq.toml")).expect("it is there");
        let mut wanted = Options::default();
        let same = |configuration: &Configuration, wanted: &mut Options| {
            wanted.config.clone_from(&configuration.options().config);
            assert_eq!(configuration.options(), wanted);
        };
        same(&read(&text), &mut wanted);
        let defaults = defaults(&text);
        assert!(defaults.len() > 15, "{defaults:?}");
        let lines = defaults.iter().map(|(name, line)| match name.as_str() {
            // Refused beside others, or without them.
            "unix-mode" | "tls-min" | "default-vhost" | "auth-failures-max" | "takeover"
            | "tls-client" | "tls-identity" => String::new(),
            _ => line.clone() + "\n",
        });
        let set = read(&lines.collect::<String>());
        same(&set, &mut wanted);
        assert!(matches!(set.origin("max-inflight"), Origin::File(..)));
        let command = Options::command();
        for flag in command.get_arguments() {
            let Some(name) = flag.get_long() else { continue };
            let is_there = text.contains(&format!("\n# {name} = "));
            assert_eq!(is_there, !LEFT_OUT.contains(&name), "{name}");
        }
    }
}
