//! `ringmq check`: prints the errors and warnings of a start.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::config::{Fault, Given};
use crate::server::{self, Finding, Severity};

/// Checks and prints. The exit code is 0 without findings, 1 with warnings only, 2 if the broker
/// would not start.
pub fn run(given: &Given, json: bool) -> ExitCode {
    let findings = server::check(given);
    let worst = findings.iter().map(|finding| finding.severity).max();
    let (code, result) = match worst {
        None => (0, "ok"),
        Some(Severity::Warning) => (1, "warnings"),
        Some(Severity::Error) => (2, "errors"),
    };
    let text = if json {
        let findings: Vec<Value> = findings.iter().map(as_json).collect();
        format!("{:#}\n", json!({ "result": result, "findings": findings }))
    } else {
        lines(&findings)
    };
    // A reader that has closed the pipe is no error.
    let _gone = io::stdout().write_all(text.as_bytes());
    ExitCode::from(code)
}

fn lines(findings: &[Finding]) -> String {
    let line = |Finding { severity, fault }: &Finding| format!("{}: {fault}\n", name(*severity));
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let verdict = match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => "the broker can start\n".to_owned(),
        (0, warnings) => format!("the broker can start; warnings: {warnings}\n"),
        (errors, warnings) => {
            format!("the broker cannot start; errors: {errors}, warnings: {warnings}\n")
        }
    };
    findings.iter().map(line).collect::<String>() + &verdict
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn as_json(Finding { severity, fault }: &Finding) -> Value {
    let Fault { file, line, key, says } = fault;
    json!({
        "severity": name(*severity),
        "file": file.as_ref().map(|file| file.to_string_lossy()),
        "line": line,
        "key": key,
        "message": says,
    })
}
