//! Standard output, and the reasons for ending early.

use std::fmt;
use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};

use serde_json::Value;

/// Why the program ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The output is closed.
    Unread,
    /// The request cannot be executed; the text says why.
    Refused(String),
}

impl Stop {
    /// The error of anything that can be formatted.
    pub(crate) fn refused(why: impl fmt::Display) -> Self {
        Self::Refused(why.to_string())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::Refused(format!("cannot write the output: {error}")),
        }
    }
}

/// Standard output.
pub(crate) struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    pub(crate) fn new() -> Self {
        Self(BufWriter::with_capacity(64 * 1024, io::stdout().lock()))
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, text: impl fmt::Display) -> Result<(), Stop> {
        Ok(writeln!(self.0, "{text}")?)
    }

    /// Writes a line of JSON.
    pub(crate) fn json(&mut self, value: &Value) -> Result<(), Stop> {
        serde_json::to_writer(&mut self.0, value).map_err(io::Error::from)?;
        Ok(writeln!(self.0)?)
    }

    /// Writes what is still buffered.
    pub(crate) fn finish(&mut self) -> Result<(), Stop> {
        Ok(self.0.flush()?)
    }
}

/// Bytes for people: three digits and a unit.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = count as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// `count` with a noun in the singular or plural.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// Bytes as a JSON field: text if they are UTF-8, else hexadecimal digits under another name.
pub(crate) fn field(name: &str, bytes: &[u8]) -> (String, Value) {
    match str::from_utf8(bytes) {
        Ok(text) => (name.to_owned(), Value::from(text)),
        Err(_) => hex_field(name, bytes),
    }
}

/// A field for bytes that are not text: hexadecimal digits.
pub(crate) fn hex_field(name: &str, bytes: &[u8]) -> (String, Value) {
    let digits = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    (format!("{name}_hex"), Value::from(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three digits at each edge.
    #[test]
    fn bytes_for_people() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (10 * 1024, "10.0 KiB"),
            (100 * 1024, "100 KiB"),
            (999 * 1024, "999 KiB"),
            (1000 * 1024, "0.98 MiB"),
            (1 << 30, "1.00 GiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(bytes(count), text, "{count}");
        }
        assert_eq!((counted(1, "file"), counted(0, "file")), ("1 file".into(), "0 files".into()));
    }

    /// UTF-8 stays text; other bytes have another field name.
    #[test]
    fn payloads() {
        for (payload, name, value) in [
            (&b""[..], "payload", ""),
            ("21.5 °C".as_bytes(), "payload", "21.5 °C"),
            (&[0x00, 0xff, 0x7f], "payload_hex", "00ff7f"),
        ] {
            assert_eq!(field("payload", payload), (name.to_owned(), Value::from(value)));
        }
    }
}
