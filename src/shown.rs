//! Text that a client sent, as a log line shows it.

use std::fmt;

use crate::limits::SHOWN_BYTES_MAX;

/// Quotes a text, escapes characters that are not printable, and cuts it to the bound of a log
/// line.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0;
        let shown = &whole[..whole.floor_char_boundary(SHOWN_BYTES_MAX)];
        let more = if shown.len() < whole.len() { "…" } else { "" };
        write!(f, "{shown:?}{more}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // No text ends the quotes early or changes its line.
    #[test]
    fn shown_within_its_quotes() {
        for (text, shown) in [
            ("", r#""""#),
            ("plant/7", r#""plant/7""#),
            ("Wärme", r#""Wärme""#),
            ("a\" b", r#""a\" b""#),
            ("a\nb\r\x1b[31m\u{7}", r#""a\nb\r\u{1b}[31m\u{7}""#),
            ("\u{202e}\u{2028}\u{85}", r#""\u{202e}\u{2028}\u{85}""#),
        ] {
            assert_eq!(Shown(text).to_string(), shown);
        }
        let whole = "x".repeat(SHOWN_BYTES_MAX);
        assert_eq!(Shown(&whole).to_string(), format!("{whole:?}"));
        assert_eq!(Shown(&format!("{whole}x")).to_string(), format!("{whole:?}…"));
        // A multi-byte character is not cut.
        let odd = format!("{}€€", "x".repeat(SHOWN_BYTES_MAX - 4));
        assert_eq!(Shown(&odd).to_string(), format!("{:?}…", &odd[..SHOWN_BYTES_MAX - 1]));
    }
}
