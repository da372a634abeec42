//! Traces: started for as long as a reader reads them, and shown as events arrive.
//!
//! The broker ends a trace when its stream ends, so that no trace is left behind, however this
//! program ends.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;

use serde_json::Value;

use crate::config::{Columns, Ctl, View};
use crate::limits::{CTL_LINE_BYTES_MAX, TRACE_PAYLOAD_BYTES_MAX};

use super::broker::Broker;
use super::error::CtlError;
use super::fields;
use super::output::{Form, Output};
use super::request::sent;
use super::text::{harmless, json_line, shown};

/// The fields of a trace that is recorded in a file.
const RECORDED: Columns = Columns { usual: RECORDED_FIELDS, all: RECORDED_FIELDS };
const RECORDED_FIELDS: &[&str] = &["trace", "file", "seconds"];

const STREAM: &str = "/api/v1/trace/stream";

/// Starts a trace and shows it until it ends or its output is closed.
pub(super) fn show(broker: &Broker, ctl: &Ctl, output: &mut Output) -> Result<(), CtlError> {
    let mut asks = sent(ctl);
    let is_tail = ctl.verb.view == View::Tail;
    if is_tail {
        asks.push(("kinds", "packet".to_owned()));
        if ctl.get("payload").is_none() {
            asks.push(("payload", TRACE_PAYLOAD_BYTES_MAX.to_string()));
        }
    }
    // The output is opened first: if that fails, no trace is started.
    let mut file = ctl.get("pcapng").map(open).transpose()?;
    let (method, path) = ctl.verb.request;
    let started = broker.json(method, path, &asks)?;
    let Some(trace) = started.get("trace").and_then(Value::as_str) else {
        return Err(CtlError::stranger("what it has begun has no name"));
    };
    if ctl.get("file").is_some() {
        fields::show_object(&started, ctl, RECORDED, output);
        return Ok(());
    }
    let format = match (&file, is_tail || ctl.json) {
        (Some(_), _) => "pcapng",
        (None, true) => "json",
        (None, false) => "text",
    };
    let ask = [("id", trace), ("format", format), ("end", "true")];
    let ask = ask.map(|(name, value)| (name, value.to_owned()));
    let mut lines = Lines::default();
    broker.stream(STREAM, &ask, &mut |piece| match &mut file {
        Some(file) => {
            file.write_all(piece).and_then(|()| file.flush()).map_err(|error| unwritten(&error))
        }
        None => {
            lines.take(piece, &mut |line| show_line(ctl, line, output))?;
            output.flush()
        }
    })
}

/// Shows what happens to clients until that ends or its output is closed.
pub(super) fn events(broker: &Broker, ctl: &Ctl, output: &mut Output) -> Result<(), CtlError> {
    let mut asks = sent(ctl);
    asks.push(("format", if ctl.json { "json" } else { "text" }.to_owned()));
    let mut lines = Lines::default();
    let (_, path) = ctl.verb.request;
    broker.stream(path, &asks, &mut |piece| {
        lines.take(piece, &mut |line| show_line(ctl, line, output))?;
        output.flush()
    })
}

/// Prints a trace file unchanged.
pub(super) fn fetch(broker: &Broker, ctl: &Ctl) -> Result<(), CtlError> {
    let mut file = open("-")?;
    let (_, path) = ctl.verb.request;
    broker.stream(path, &sent(ctl), &mut |piece| {
        file.write_all(piece).map_err(|error| unwritten(&error))
    })?;
    file.flush().map_err(|error| unwritten(&error))
}

/// Opens the file for Wireshark.
fn open(name: &str) -> Result<Box<dyn Write>, CtlError> {
    if name == "-" {
        if io::stdout().is_terminal() {
            let says = "what is written here is no text, or text of others: write it into a file \
                        (--pcapng FILE, or > FILE), or have a program read it, as in \
                        `| wireshark -k -i -`";
            return Err(CtlError::Usage(says.to_owned()));
        }
        return Ok(Box::new(io::stdout()));
    }
    // The file contains data of clients.
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(name);
    let file = file.map_err(|error| CtlError::Usage(format!("--pcapng {}: {error}", shown(name))));
    Ok(Box::new(file?))
}

fn unwritten(error: &io::Error) -> CtlError {
    match error.kind() {
        ErrorKind::BrokenPipe => CtlError::Unread,
        _ => CtlError::Failed(format!("cannot write what is traced: {error}")),
    }
}

fn show_line(ctl: &Ctl, line: &str, output: &mut Output) -> Result<(), CtlError> {
    if ctl.verb.view != View::Tail && !ctl.json {
        output.line(&harmless(line));
        return Ok(());
    }
    let event: Value = serde_json::from_str(line)
        .map_err(|error| CtlError::stranger(&format!("a line of it is no JSON: {error}")))?;
    if ctl.json {
        output.line(&json_line(&event));
    } else {
        show_message(&event, output);
    }
    Ok(())
}

/// Shows a published message: its topic and its payload.
fn show_message(event: &Value, output: &mut Output) {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    if let Some(skipped) = event.get("skipped") {
        eprintln!("ringmq ctl: {skipped} messages came too fast, and are not shown");
    }
    let Some(topic) = text("topic") else { return };
    let between = if output.form() == Form::Tabs { '\t' } else { ' ' };
    let payload = match (text("payload"), text("payload_base64")) {
        (Some(payload), _) => shown(payload),
        (None, Some(base64)) => format!("base64:{}", shown(base64)),
        (None, None) => String::new(),
    };
    output.line(&format!("{}{between}{payload}", shown(topic)));
}

/// Splits a stream of bytes into lines.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// Adds a piece, and shows the lines that are complete.
    fn take(
        &mut self,
        piece: &[u8],
        show: &mut dyn FnMut(&str) -> Result<(), CtlError>,
    ) -> Result<(), CtlError> {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.0.extend_from_slice(part);
            if self.0.len() > CTL_LINE_BYTES_MAX {
                return Err(CtlError::stranger("a line of its answer does not end"));
            }
            if let Some(line) = self.0.strip_suffix(b"\n") {
                show(&String::from_utf8_lossy(line))?;
                self.0.clear();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Lines are complete however the input is divided, and a last line without an end is shown.
    #[test]
    fn lines_are_whole() {
        let text = "one\n\ntwo €\nrest";
        for size in 1..text.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                let taken = lines.take(piece, &mut |line| {
                    found.push(line.to_owned());
                    Ok(())
                });
                taken.expect("lines are short");
            }
            assert_eq!(found, ["one", "", "two €"], "{size}");
        }
        let endless = vec![b'x'; CTL_LINE_BYTES_MAX + 1];
        assert!(Lines::default().take(&endless, &mut |_| Ok(())).is_err());
    }
}
