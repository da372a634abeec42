//! One run of `ringmq` to its end.

use std::process::{Command, Output};

use crate::common::run_in_time;

/// The output, the errors and the exit code of a run.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) printed: String,
    pub(crate) said: String,
}

/// Runs it with arguments and variables; no other `RINGMQ_` variable is set.
#[track_caller]
pub(crate) fn ringmq(arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    // `env -i` would remove variables that instrumented builds need.
    let mut command = Command::new("env");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RINGMQ_")) {
        command.args(["-u", &name]);
    }
    command.args(variables.iter().map(|(name, value)| format!("{name}={value}")));
    command.arg(env!("CARGO_BIN_EXE_ringmq")).args(arguments);
    let Output { status, stdout, stderr } = run_in_time(&command);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    Ended { code: status.code(), printed: text(stdout), said: text(stderr) }
}

/// The values and the origin of one flag, as `ringmq config show` prints them.
#[track_caller]
pub(crate) fn setting(
    flag: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> (Vec<String>, String) {
    let rows = settings(arguments, variables);
    let row = rows.iter().find(|row| row["name"] == flag).expect("there is such a flag");
    let values = row["values"].as_array().expect("a list").iter();
    let values = values.map(|value| value.as_str().expect("text").to_owned()).collect();
    (values, row["origin"].as_str().expect("text").to_owned())
}

/// All that it prints.
#[track_caller]
pub(crate) fn settings(arguments: &[&str], variables: &[(&str, &str)]) -> Vec<serde_json::Value> {
    let all: Vec<&str> = ["config", "show", "--json"].iter().chain(arguments).copied().collect();
    let ended = ringmq(&all, variables);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    serde_json::from_str(&ended.printed).expect("it is JSON")
}
