//! Tables of flags in Markdown, one for each heading of the help.
//!
//! A page has a table between two lines: `<!-- flags: HEADING -->` and `<!-- end of flags -->`.

use std::fmt::Write as _;

use clap::{Arg, Command};
use ringmq::config::Reload;

const BEGIN: &str = "<!-- flags: ";
const END: &str = "<!-- end of flags -->";

/// The page with its tables made anew.
///
/// # Errors
/// Names a heading that has no flags, and one whose table does not end.
pub(crate) fn renew(page: &str, command: &Command) -> Result<String, String> {
    let mut text = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        writeln!(text, "{line}").expect("it is memory");
        let Some(heading) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(" -->"))
        else {
            continue;
        };
        let is_below = |flag: &&Arg| flag.get_help_heading() == Some(heading);
        let rows: Vec<String> = command.get_arguments().filter(is_below).map(row).collect();
        if rows.is_empty() {
            return Err(format!("no flag has the heading {heading:?}"));
        }
        let rows = rows.join("\n");
        write!(
            text,
            "\n| flag | default | reload | meaning |\n|---|---|---|---|\n{rows}\n\n{END}\n"
        )
        .expect("it is memory");
        if !lines.any(|line| line == END) {
            return Err(format!("the table of {heading:?} does not end with {END}"));
        }
    }
    Ok(text)
}

/// One flag: its name and value, its default, the effect of a reload, and its whole help with the
/// meanings of its values.
fn row(flag: &Arg) -> String {
    let name = flag.get_long().expect("flags have long names");
    let takes_value = flag.get_action().takes_values();
    let value = match flag.get_value_names() {
        Some([value, ..]) if takes_value => format!(" {value}"),
        _ => String::new(),
    };
    let (help, told_default) = help(flag);
    let default = match flag.get_default_values() {
        [value, ..] if takes_value => format!("`{}`", value.to_string_lossy()),
        _ => told_default,
    };
    let values = flag.get_possible_values().into_iter().filter(|_| takes_value).map(|value| {
        let says = value.get_help().map(|help| format!(": {}", markdown(&help.to_string())));
        format!(". `{}`{}", value.get_name(), says.unwrap_or_default())
    });
    let meaning = markdown(&help) + &values.collect::<String>();
    // A bar would end the cell, also within code.
    let reload = Reload::of(name).map_or(String::new(), |reload| reload.as_str().to_owned());
    let cells = [format!("`--{name}{value}`"), default, reload, meaning];
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    format!("| {} |", cells.join(" | ")).replace("|  |", "| |").replace("|  |", "| |")
}

/// The help as one paragraph without the final full stop, and the default from `[default: …]`, if
/// it is no value.
fn help(flag: &Arg) -> (String, String) {
    let help = flag.get_long_help().or(flag.get_help()).expect("flags have a help");
    let help = help.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let mut help = help.trim_end_matches('.').to_owned();
    let mut default = String::new();
    if let Some((before, rest)) = help.split_once(" [default: ")
        && let Some((told, after)) = rest.split_once(']')
    {
        default = told.to_owned();
        help = format!("{before}{after}");
    }
    (help, default)
}

/// Text of the help as Markdown: names of flags are code, and nothing else means anything.
fn markdown(text: &str) -> String {
    let mut page = String::new();
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 1 {
            write!(page, "`{part}`").expect("it is memory");
            continue;
        }
        let words = part.split(' ').map(|word| match word.strip_prefix("--") {
            Some(flag) => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
                let (flag, rest) = flag.split_at(flag.find(|c| !is_part(c)).unwrap_or(flag.len()));
                format!("`--{flag}`{rest}")
            }
            None => word.replace('*', "\\*").replace('<', "\\<").replace('[', "\\["),
        });
        page += &words.collect::<Vec<_>>().join(" ");
    }
    page
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;
    use clap::builder::PossibleValue;

    use super::*;

    fn command() -> Command {
        let flag = |name: &'static str| Arg::new(name).long(name).help_heading("One");
        let values = [PossibleValue::new("x").help("See --b, *"), PossibleValue::new("y")];
        Command::new("a").args([
            flag("a").value_name("N").default_value("1").help("A `*|` or <b>"),
            flag("b").action(ArgAction::SetTrue).help("B").long_help("B.\n\nC,\nD."),
            flag("c").value_name("X|Y%").help("C [default: 2, or\n3]."),
            flag("d").value_name("D").value_parser(values).default_value("y").help("D"),
            Arg::new("e").long("e").help("E"),
        ])
    }

    // A table has the flags of its heading, with default and values; the rest of a page stays.
    #[test]
    fn tables_are_made_anew() {
        let page = "# A\n<!-- flags: One -->\nold\n<!-- end of flags -->\n| b |\n";
        let wanted = "# A\n<!-- flags: One -->\n\n| flag | default | reload | meaning |\n\
            |---|---|---|---|\n\
            | `--a N` | `1` | | A `*\\|` or \\<b> |\n\
            | `--b` | | | B. C, D |\n\
            | `--c X\\|Y%` | 2, or 3 | | C |\n\
            | `--d D` | `y` | | D. `x`: See `--b`, \\*. `y` |\n\n\
            <!-- end of flags -->\n| b |\n";
        assert_eq!(renew(page, &command()).as_deref(), Ok(wanted));
        assert_eq!(renew(wanted, &command()).as_deref(), Ok(wanted));
    }

    // A heading without flags and a table without an end are named.
    #[test]
    fn wrong_marks_are_named() {
        for (page, named) in [
            ("<!-- flags: Two -->\n<!-- end of flags -->\n", "\"Two\""),
            ("<!-- flags: One -->\n| a |\n", "\"One\" does not end"),
        ] {
            let error = renew(page, &command()).expect_err(page);
            assert!(error.contains(named), "{page}: {error}");
        }
    }
}
