//! `ringmq ctl`: sends requests to a running broker over its operators' HTTP interface.
//!
//! ```text
//!  verb ──► broker (address, token) ──► request ──► JSON or text ──► view ──► output
//! ```
//! The verbs are a table of the command line ([`crate::config::verbs`]). A verb's parameters are
//! those of the request, and its view shows the answer.
//!
//! Invariant: text from clients and from the broker reaches a terminal without control characters.
//! Answers, waiting times and tables are bounded, whatever the peer sends.
//!
//! | file | noun |
//! |---|---|
//! | `error` | errors, with their exit codes |
//! | `broker` | the broker's address, the token, one request and its answer |
//! | `trust` | trusted certificates for TLS |
//! | `request` | the request of a verb, and the objects of an answer |
//! | `tokens` | token files, which need no broker |
//! | `text` | text for terminals: untrusted text, bytes, times |
//! | `output` | a table, lines or JSON on standard output |
//! | `fields` | objects as rows of columns |
//! | `pages` | lists in pages |
//! | `trace` | traces and published messages, as they happen |
//! | `counted` | deletion of messages, after a confirmation |
//! | `ended` | ending clients and sessions, after a confirmation |
//! | `done` | changes of the broker as a whole |
//! | `overview` | a summary of the metrics, and all of them |
//! | `top` | rates and the largest sessions |
//! | `samples` | metrics in Prometheus' format; those of vhosts |
//! | `check` | one line for Nagios |
//! | `dashboard` | access to the page |
//!
//! It may use `config`, and `passwd` to read passwords.

mod broker;
mod check;
mod counted;
mod dashboard;
mod done;
mod ended;
mod error;
mod fields;
mod output;
mod overview;
mod pages;
mod request;
mod samples;
mod text;
mod tokens;
mod top;
mod trace;
mod trust;

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use crate::config::{Columns, Ctl, View};

use broker::Broker;
use error::CtlError;
use output::Output;
use request::{items, sent};
use top::Rates;

/// Executes the verb, and prints the error if it fails.
pub fn run(ctl: &Ctl) -> ExitCode {
    if ctl.verb.view == View::Check {
        return check::run(ctl);
    }
    match show(ctl) {
        Ok(()) => ExitCode::SUCCESS,
        Err(CtlError::Unread) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringmq ctl: {error}");
            error.code()
        }
    }
}

fn show(ctl: &Ctl) -> Result<(), CtlError> {
    if ctl.verb.view == View::Tokens {
        let mut output = Output::new(ctl.json);
        tokens::show(ctl, &mut output)?;
        return output.flush();
    }
    let broker = Broker::find(ctl)?;
    let mut output = Output::new(ctl.json);
    let mut rates = Rates::default();
    loop {
        if ctl.watch_ms.is_some() {
            output.clear();
        }
        once(&broker, ctl, &mut rates, &mut output)?;
        output.flush()?;
        let Some(ms) = ctl.watch_ms else { return Ok(()) };
        thread::sleep(Duration::from_millis(ms));
    }
}

fn once(
    broker: &Broker,
    ctl: &Ctl,
    rates: &mut Rates,
    output: &mut Output,
) -> Result<(), CtlError> {
    let (_, path) = ctl.verb.request;
    match ctl.verb.view {
        View::Pages(columns) => pages::show(broker, ctl, columns, output),
        View::Rows(columns) => {
            let answer = broker.json("GET", path, &sent(ctl))?;
            fields::show_rows(items(&answer)?, ctl, columns, output);
            Ok(())
        }
        View::Object(columns) => {
            let answer = broker.json("GET", path, &sent(ctl))?;
            fields::show_object(&answer, ctl, columns, output);
            Ok(())
        }
        View::Ended(asks) => ended::show(broker, ctl, asks, output),
        View::Done(says, asks) => done::show(broker, ctl, (says, asks), output),
        View::Reloaded => done::show_reloaded(broker, ctl, output),
        View::Document => {
            let answer = broker.json("GET", path, &sent(ctl))?;
            output.line(&text::json_line(&answer));
            Ok(())
        }
        View::Counted(asks) => counted::show(broker, ctl, asks, output),
        View::Evicted => ended::evict(broker, ctl, output),
        View::Status => {
            let answer = broker.json("GET", path, &[])?;
            overview::show_status(&answer, &broker.address(), output);
            Ok(())
        }
        View::Top(columns) => show_top(broker, ctl, columns, rates, output),
        View::Metrics => {
            let answer = broker.json("GET", path, &[])?;
            overview::show_metrics(&answer, ctl.get("prefix").unwrap_or_default(), output)
        }
        View::Vhosts => samples::show_vhosts(&broker.text(path)?, output),
        View::Dashboard => dashboard::show(broker, ctl, output),
        View::Trace | View::Tail => trace::show(broker, ctl, output),
        View::Events => trace::events(broker, ctl, output),
        View::File => trace::fetch(broker, ctl),
        View::Check | View::Tokens => unreachable!("it has its own way to end"),
    }
}

fn show_top(
    broker: &Broker,
    ctl: &Ctl,
    columns: Columns,
    rates: &mut Rates,
    output: &mut Output,
) -> Result<(), CtlError> {
    let (_, path) = ctl.verb.request;
    if output.is_terminal() {
        let overview = broker.json("GET", "/api/v1/overview", &[])?;
        output.line(&rates.summary(&overview));
        output.line("");
    }
    let answer = broker.json("GET", path, &sent(ctl))?;
    fields::show_rows(items(&answer)?, ctl, columns, output);
    Ok(())
}
