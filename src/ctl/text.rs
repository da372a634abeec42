//! Text for a terminal: untrusted text without control sequences, and bytes and times for people.

use std::fmt::Write;

use serde_json::Value;

/// Untrusted text. Control characters, invisible characters and those that change the direction of
/// writing are escaped; a backslash is doubled, so that an escape cannot be forged.
pub(super) fn shown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' => safe.push(c),
            _ => safe.extend(c.escape_debug()),
        }
    }
    safe
}

/// A formatted line. Characters that a terminal would interpret are escaped, whatever their source;
/// existing escapes are kept.
pub(super) fn harmless(line: &str) -> String {
    let mut safe = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\'' | '"' | '\\' | '\t' => safe.push(c),
            _ => safe.extend(c.escape_debug()),
        }
    }
    safe
}

/// JSON on one line, without characters that a terminal would interpret.
pub(super) fn json_line(value: &Value) -> String {
    let mut safe = String::new();
    // JSON has such characters only in strings, where they may be escaped.
    for c in value.to_string().chars() {
        if c.is_ascii() && !c.is_ascii_control() || is_shown(c) {
            safe.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(safe, "\\u{unit:04x}").expect("it is memory");
        }
    }
    safe
}

/// Whether a terminal shows a character unchanged.
fn is_shown(c: char) -> bool {
    c.escape_debug().eq([c])
}

/// Bytes in the largest unit that leaves a number of 1 or more.
pub(super) fn bytes(count: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count;
    for unit in units {
        if value < 1024.0 || unit == "TiB" {
            let digits = if unit == "B" || value >= 100.0 { 0 } else { 1 };
            return format!("{value:.digits$} {unit}");
        }
        value /= 1024.0;
    }
    unreachable!("the last unit takes all")
}

/// A duration given in seconds.
pub(super) fn time(seconds: f64) -> String {
    match seconds {
        _ if seconds <= 0.0 => "0 s".to_owned(),
        _ if seconds < 0.001 => format!("{:.0} µs", seconds * 1e6),
        _ if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        _ if seconds < 60.0 => format!("{seconds:.1} s"),
        _ => {
            let parts = [(86_400.0, "d"), (3_600.0, "h"), (60.0, "m"), (1.0, "s")];
            let mut rest = seconds.floor();
            let mut text = Vec::new();
            for (length, unit) in parts {
                let count = (rest / length).floor();
                rest -= count * length;
                if count > 0.0 || !text.is_empty() {
                    text.push(format!("{count}{unit}"));
                }
            }
            text.truncate(2);
            text.join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // No control sequence or change of direction is left, and an escape in the input is
    // recognisable.
    #[test]
    fn text_is_harmless() {
        for (text, safe) in [
            ("plant/7 'a' \"b\"", "plant/7 'a' \"b\""),
            ("Wärme 温度", "Wärme 温度"),
            ("a\tb\nc\rd\0", "a\\tb\\nc\\rd\\0"),
            ("\u{1b}[2J\u{9b}2J\u{7f}", "\\u{1b}[2J\\u{9b}2J\\u{7f}"),
            ("\u{202e}\u{200b}\u{feff}\u{2028}", "\\u{202e}\\u{200b}\\u{feff}\\u{2028}"),
            ("\\n", "\\\\n"),
        ] {
            assert_eq!(shown(text), safe, "{text:?}");
        }
    }

    // A line is unchanged except for control sequences.
    #[test]
    fn lines_are_harmless() {
        for (line, safe) in [
            ("\t'a' \"b\" \\u{1b} ä", "\t'a' \"b\" \\u{1b} ä"),
            ("a\u{1b}[2J\rb\u{202e}", "a\\u{1b}[2J\\rb\\u{202e}"),
        ] {
            assert_eq!(harmless(line), safe, "{line:?}");
        }
    }

    // JSON keeps its meaning, without characters that a terminal would interpret.
    #[test]
    fn json_is_harmless() {
        for text in ["plain Wärme", "\u{1b}[2J", "\u{9b}31m\u{7f}", "\u{202e}\u{e0001}", "a\"\\\n"]
        {
            let value = Value::from(text);
            let line = json_line(&value);
            assert!(line.chars().all(is_shown_or_quote), "{line:?}");
            assert_eq!(serde_json::from_str::<Value>(&line).expect("it is JSON"), value);
        }
        assert_eq!(json_line(&Value::from("ä\u{9b}")), "\"ä\\u009b\"");
    }

    fn is_shown_or_quote(c: char) -> bool {
        is_shown(c) || ['"', '\'', '\\'].contains(&c)
    }

    // Sizes and times have few digits.
    #[test]
    fn figures_are_readable() {
        for (count, expected) in [
            (0.0, "0 B"),
            (1023.0, "1023 B"),
            (1024.0, "1.0 KiB"),
            (150.0 * 1024.0, "150 KiB"),
            (5.5 * 1024.0 * 1024.0, "5.5 MiB"),
            (2e15, "1819 TiB"),
        ] {
            assert_eq!(bytes(count), expected);
        }
        for (seconds, expected) in [
            (0.0, "0 s"),
            (0.000_25, "250 µs"),
            (0.012, "12.0 ms"),
            (1.5, "1.5 s"),
            (61.0, "1m 1s"),
            (3_600.0, "1h 0m"),
            (90_061.0, "1d 1h"),
        ] {
            assert_eq!(time(seconds), expected);
        }
    }
}
