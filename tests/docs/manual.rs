//! The manual page: the broker's flags and, in sections of their own, the commands beside it.

use std::io::{self, Write};

use clap::Command;
use clap_mangen::Man;

/// Each part defines this; the page keeps it once.
const APOSTROPHE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

/// The page as roff.
pub(crate) fn manual(command: &Command) -> String {
    let mut command = command.clone().override_usage("ringmq [OPTIONS]\nringmq COMMAND");
    // A command has its whole name only after it was built.
    command.build();
    let sections = tools(&command).into_iter().map(section).collect::<String>();
    APOSTROPHE.to_owned() + &bold_code(&(broker(&command) + &sections))
}

type Render = fn(&Man, &mut dyn Write) -> io::Result<()>;

fn rendered(command: &Command, parts: &[Render]) -> String {
    // An empty date would count as missing, and the next field as the date.
    let man = Man::new(command.clone()).date(" ").manual("User Commands");
    let part = |render: &Render| {
        let mut text = Vec::new();
        render(&man, &mut text).expect("it is memory");
        let text = String::from_utf8(text).expect("a manual is text");
        text.strip_prefix(APOSTROPHE).map(str::to_owned).unwrap_or(text)
    };
    parts.iter().map(part).collect()
}

fn broker(command: &Command) -> String {
    let page = rendered(
        command,
        &[
            Man::render_title,
            Man::render_name_section,
            Man::render_synopsis_section,
            Man::render_options_section,
            Man::render_extra_section,
        ],
    );
    page.replace(".SH EXTRA\n", ".SH VALUES\n")
}

/// The commands that do something: those that have no commands below them.
fn tools(command: &Command) -> Vec<&Command> {
    let mut found = Vec::new();
    for tool in command.get_subcommands() {
        match tool.has_subcommands() {
            true => found.extend(tools(tool)),
            false => found.push(tool),
        }
    }
    found
}

/// A command as one section.
fn section(tool: &Command) -> String {
    let name = tool.get_bin_name().expect("it is built").to_uppercase();
    let mut parts: Vec<Render> = vec![
        Man::render_synopsis_section,
        Man::render_description_section,
        Man::render_options_section,
    ];
    if tool.get_after_help().is_some() {
        parts.push(Man::render_extra_section);
    }
    let page = rendered(tool, &parts).replacen(".SH SYNOPSIS", &format!(".SH \"{name}\""), 1);
    [".SH DESCRIPTION", ".SH OPTIONS", ".SH EXTRA"]
        .iter()
        .fold(page, |page, heading| page.replacen(heading, ".PP", 1))
}

/// Text between backticks is bold.
fn bold_code(page: &str) -> String {
    let parts = page.split('`').enumerate();
    parts
        .map(|(at, part)| if at % 2 == 1 { format!("\\fB{part}\\fR") } else { part.to_owned() })
        .collect()
}

#[cfg(test)]
mod tests {
    use ringmq::config;

    use super::*;

    /// The whole names of all commands that do something.
    fn ends_of(command: &Command, above: &str) -> Vec<String> {
        let names = command.get_subcommands().filter(|tool| tool.get_name() != "help");
        let ends = names.flat_map(|tool| {
            let name = format!("{above} {}", tool.get_name()).trim_start().to_owned();
            if tool.has_subcommands() { ends_of(tool, &name) } else { vec![name] }
        });
        ends.collect()
    }

    // The manual has each flag, and each command under its whole name with its own flags.
    #[test]
    fn manual_is_whole() {
        let command = config::Command::definition();
        let page = manual(&command);
        assert!(page.contains("\n.TH ringmq 1 \" \" \"ringmq "), "{page}");
        let mut parts = page.split(".SH \"RINGMQ ");
        let has = |part: &str, command: &Command| {
            let own = command.get_arguments().filter(|argument| !argument.is_hide_set());
            for flag in own.filter_map(|argument| argument.get_long()) {
                let shown = format!("\\-\\-{}\\fR", flag.replace('-', "\\-"));
                assert!(part.contains(&shown), "{flag}: {part}");
            }
        };
        has(parts.next().expect("there is a first part"), &command);
        let paths = ends_of(&command, "");
        for path in ["passwd", "vhost delete", "data backup", "config show", "ctl clients ls"] {
            assert!(paths.iter().any(|known| known == path), "{path}: {paths:?}");
        }
        for path in paths {
            let tool = path.split(' ').try_fold(&command, |tool, name| tool.find_subcommand(name));
            let part = parts.next().unwrap_or_else(|| panic!("no section of {path}"));
            assert!(part.starts_with(&format!("{}\"\n", path.to_uppercase())), "{path}: {part}");
            has(part, tool.expect("there is such a command"));
        }
        assert_eq!(parts.next(), None);
        assert!(!page.contains('`') && !page.contains(".SH EXTRA"), "{page}");
    }
}
