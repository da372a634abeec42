//! Pieces of messages in names of Kafka's topics. These have letters, digits, `.`, `_` and `-`, 249
//! at most, and are not `.` or `..`.
//!
//! `/` is written `.`, `_` is `__`, every other byte that a name must not have is `_XX`, and `.`
//! with them: so no two pieces are written alike.

/// Longest name.
const NAME_BYTES_MAX: usize = 249;

/// Appends a piece of a message.
pub(super) fn put_piece(piece: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in piece {
        match byte {
            b'/' => out.push(b'.'),
            b'_' => out.extend_from_slice(b"__"),
            b'-' => out.push(b'-'),
            byte if byte.is_ascii_alphanumeric() => out.push(*byte),
            byte => {
                let digits = [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]);
                out.extend_from_slice(&[b'_', digits[0], digits[1]]);
            }
        }
    }
}

/// Why a name is none.
pub(super) fn fault_of(name: &str) -> Option<String> {
    match name {
        "" => Some("its topic of Kafka would have no name".to_owned()),
        "." | ".." => Some(format!("{name:?} is no topic of Kafka")),
        name if name.len() > NAME_BYTES_MAX => {
            let bytes = name.len();
            Some(format!("its topic of Kafka would have {bytes} bytes, {NAME_BYTES_MAX} at most"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(piece: &str) -> String {
        let mut out = Vec::new();
        put_piece(piece.as_bytes(), &mut out);
        String::from_utf8(out).expect("is ASCII")
    }

    // What a name may have stays; the rest is written so that no two pieces are alike.
    #[test]
    fn pieces_are_names() {
        for (piece, name) in [
            ("a-Z9", "a-Z9"),
            ("a/b", "a.b"),
            ("a.b", "a_2Eb"),
            ("a_b", "a__b"),
            ("a_2Eb", "a__2Eb"),
            ("ä ", "_C3_A4_20"),
            ("", ""),
        ] {
            assert_eq!(written(piece), name, "{piece}");
        }
    }

    // Names at their bounds.
    #[test]
    fn names_have_bounds() {
        for (name, is_one) in [
            ("a".to_owned(), true),
            (String::new(), false),
            (".".to_owned(), false),
            ("..".to_owned(), false),
            ("...".to_owned(), true),
            ("x".repeat(NAME_BYTES_MAX), true),
            ("x".repeat(NAME_BYTES_MAX + 1), false),
        ] {
            assert_eq!(fault_of(&name).is_none(), is_one, "{name:.10}");
        }
    }
}
