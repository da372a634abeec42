//! Formats one record as one line: text, JSON, or the journal's form.
//!
//! Invariant: a record makes exactly one line of bounded length, whatever its text contains.

use std::fmt::{self, Write};
use std::io;
use std::os::fd::AsFd;

use jiff::Timestamp;
use log::kv::{self, Key, Value, VisitSource};
use log::{Level, Record};

use crate::limits::{LOG_FIELD_BYTES_MAX, LOG_MESSAGE_BYTES_MAX};
use crate::shown::Shown;

/// The format of lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// For people: time in UTC, level, shard, client, message.
    Text,
    /// One JSON object for each line, with the message as text and as fields.
    Json,
    /// For the journal: its priority (`sd-daemon(3)`), and no time, because the journal adds it.
    Journald,
}

/// Whether standard error is the journal: `JOURNAL_STREAM` has its device and inode
/// (`systemd.exec(5)`).
pub fn is_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    let Some((device, inode)) = stream.split_once(':') else { return false };
    let Ok(stat) = rustix::fs::fstat(io::stderr().as_fd()) else { return false };
    device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino)
}

/// Formats a record, with its line end. `thread`: the thread that logs it; a shard's is named.
pub(super) fn line_of(format: Format, record: &Record<'_>, thread: Option<&str>) -> String {
    let shard = thread.and_then(|name| name.strip_prefix("shard-"));
    let mut line = String::with_capacity(256);
    let written = match format {
        Format::Text => write_text(&mut line, record, shard),
        Format::Json => write_json(&mut line, record, shard),
        Format::Journald => write!(line, "<{}>", priority(record.level()))
            .and_then(|()| write_said(&mut line, record, shard)),
    };
    // A value that cannot be formatted is a bug in the broker; the part so far shows where.
    if written.is_err() {
        line.push('…');
    }
    line.push('\n');
    line
}

fn write_text(line: &mut String, record: &Record<'_>, shard: Option<&str>) -> fmt::Result {
    let time = Timestamp::now().strftime("%Y-%m-%d %H:%M:%S%.3fZ");
    write!(line, "{time} {:<5} ", record.level())?;
    write_said(line, record, shard)
}

/// The message, after the thread and the client.
fn write_said(line: &mut String, record: &Record<'_>, shard: Option<&str>) -> fmt::Result {
    if record.level() >= Level::Debug {
        let target = record.target();
        write!(line, "{}: ", target.strip_prefix("ringmq::").unwrap_or(target))?;
    }
    if let Some(shard) = shard {
        write!(line, "shard {shard}: ")?;
    }
    if let Some(client) = record.key_values().get(Key::from("client"))
        && let Some(client) = client.to_borrowed_str()
    {
        write!(line, "client {}: ", Shown(client))?;
    }
    write_message(line, record)
}

fn write_message(line: &mut String, record: &Record<'_>) -> fmt::Result {
    let mut printable = Printable { line, room: LOG_MESSAGE_BYTES_MAX };
    let written = printable.write_fmt(*record.args());
    if printable.room == 0 {
        line.push('…');
        return Ok(());
    }
    written
}

fn write_json(line: &mut String, record: &Record<'_>, shard: Option<&str>) -> fmt::Result {
    let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
    let level = record.level().as_str().to_ascii_lowercase();
    write!(line, r#"{{"time":"{time}","level":"{level}""#)?;
    if let Some(shard) = shard.and_then(|shard| shard.parse::<u16>().ok()) {
        write!(line, r#","shard":{shard}"#)?;
    }
    if record.level() >= Level::Debug {
        write_field(line, "module", record.target())?;
    }
    record.key_values().visit(&mut Fields { line }).map_err(|_| fmt::Error)?;
    let mut message = String::new();
    write_message(&mut message, record)?;
    write!(line, r#","msg":{}}}"#, quoted(&message))
}

/// Writes a record's fields as JSON.
struct Fields<'a> {
    line: &'a mut String,
}

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let key = key.as_str();
        let written = if let Some(number) = value.to_u64() {
            write!(self.line, r#","{key}":{number}"#)
        } else if let Some(is) = value.to_bool() {
            write!(self.line, r#","{key}":{is}"#)
        } else if let Some(text) = value.to_borrowed_str() {
            // A missing value has no field.
            if text.is_empty() { Ok(()) } else { write_field(self.line, key, text) }
        } else {
            write_field(self.line, key, &value.to_string())
        };
        Ok(written?)
    }
}

fn write_field(line: &mut String, key: &str, text: &str) -> fmt::Result {
    let end = text.floor_char_boundary(LOG_FIELD_BYTES_MAX);
    write!(line, r#","{key}":{}"#, quoted(&text[..end]))
}

/// Writes a text as a JSON string. It also escapes characters that JSON permits but that could
/// disturb a terminal.
fn quoted(text: &str) -> String {
    let quoted = serde_json::to_string(text).expect("a text is always JSON");
    if quoted.chars().all(may_stand) {
        return quoted;
    }
    let mut escaped = String::with_capacity(quoted.len() + 16);
    for char in quoted.chars() {
        if may_stand(char) {
            escaped.push(char);
        } else {
            // All of these have at most four digits.
            escaped.push_str(&format!("\\u{:04x}", u32::from(char)));
        }
    }
    escaped
}

/// Writes printable characters as they are and the others as escapes, as far as there is room.
struct Printable<'a> {
    line: &'a mut String,
    room: usize,
}

impl Write for Printable<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            let before = self.line.len();
            if may_stand(char) {
                self.line.push(char);
            } else {
                self.line.extend(char.escape_default());
            }
            let bytes = self.line.len() - before;
            if bytes > self.room {
                self.line.truncate(before);
                self.room = 0;
                return Err(fmt::Error);
            }
            self.room -= bytes;
        }
        Ok(())
    }
}

/// Whether a character is printable and changes neither the line nor the characters around it.
fn may_stand(char: char) -> bool {
    let reorders = matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}');
    let isolates = matches!(char, '\u{2066}'..='\u{2069}');
    let breaks = matches!(char, '\u{2028}' | '\u{2029}');
    !(char.is_control() || reorders || isolates || breaks)
}

fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: Format, level: Level, client: Option<&str>, text: &str) -> String {
        let fields = client.map(|client| [("client", client)]);
        let says = format_args!("{text}");
        let mut record = Record::builder();
        record.level(level).target("ringmq::broker::connect").args(says);
        if let Some(fields) = &fields {
            record.key_values(fields);
        }
        line_of(format, &record.build(), Some("shard-3"))
    }

    // Each format has its own beginning; modules are named only from debug on.
    #[test]
    fn beginnings() {
        let journald = |level, text| line(Format::Journald, level, None, text);
        assert_eq!(journald(Level::Error, "a"), "<3>shard 3: a\n");
        assert_eq!(journald(Level::Warn, "a"), "<4>shard 3: a\n");
        assert_eq!(journald(Level::Info, "a"), "<6>shard 3: a\n");
        assert_eq!(journald(Level::Debug, "a"), "<7>broker::connect: shard 3: a\n");
        let text = line(Format::Text, Level::Info, Some("dev 1"), "gone");
        let (time, rest) = text.split_at("2026-11-29 12:34:56.789Z".len());
        assert!(time.ends_with('Z') && time.as_bytes()[10] == b' ', "{text}");
        assert_eq!(rest, " INFO  shard 3: client \"dev 1\": gone\n");
    }

    // Any message makes one complete line, and JSON stays valid.
    #[test]
    fn one_line_each() {
        let long = "é".repeat(LOG_MESSAGE_BYTES_MAX);
        let texts = ["", "a\nb\r\nc", "\x1b[31mred\x07", "\u{2028}\u{202e}\u{9b}", "\"\\", &long];
        for format in [Format::Text, Format::Json, Format::Journald] {
            for text in texts {
                for client in [None, Some(text)] {
                    let line = line(format, Level::Info, client, text);
                    let body = line.strip_suffix('\n').expect("a line ends");
                    assert!(body.chars().all(may_stand), "{body:?}");
                    assert!(body.len() < 3 * LOG_MESSAGE_BYTES_MAX, "{}", body.len());
                    if format != Format::Json {
                        continue;
                    }
                    let json: serde_json::Value = serde_json::from_str(body).expect("JSON");
                    assert_eq!((&json["level"], &json["shard"]), (&"info".into(), &3.into()));
                    let kept = |text: &str| (1..=LOG_FIELD_BYTES_MAX).contains(&text.len());
                    if let Some(client) = client.filter(|client| kept(client)) {
                        assert_eq!(json["client"], client);
                    }
                }
            }
        }
        assert!(line(Format::Text, Level::Info, None, &long).ends_with("é…\n"));
    }
}
