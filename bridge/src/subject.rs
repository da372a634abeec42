//! MQTT topics as NATS subjects: no two topics have the same subject.
//!
//! A level is a token. A token must not be empty or contain `.`, `*`, `>`, white space or control
//! characters; these and `%` are written `%XX`. An empty level is `_`, and a level that is `_` is
//! `%5F`. A subject that would be too long for the server ends in `~` and a hash; its topic is in
//! the header `Mqtt-Topic`.

use sha2::{Digest, Sha256};

/// The longest subject without the prefix. Servers close a connection whose line has more than
/// 4,096 bytes, and headers and prefix take a part of it.
const SUBJECT_BYTES_MAX: usize = 1024;

/// The most tokens.
const TOKENS_MAX: usize = 64;

/// Bytes of the hash in a shortened subject.
const HASH_BYTES: usize = 16;

/// Appends the subject of a topic; returns whether it was shortened and so loses the topic.
pub(crate) fn put_subject(topic: &str, out: &mut String) -> bool {
    let start = out.len();
    let mut whole = start;
    for (at, level) in topic.split('/').enumerate() {
        if at > 0 {
            out.push('.');
        }
        put_token(level, out);
        if out.len() - start > SUBJECT_BYTES_MAX || at >= TOKENS_MAX {
            shorten(topic, whole, out);
            return true;
        }
        // The part that fits together with the mark of a shortened subject.
        if out.len() - start + 2 + 2 * HASH_BYTES <= SUBJECT_BYTES_MAX && at + 1 < TOKENS_MAX {
            whole = out.len();
        }
    }
    false
}

fn shorten(topic: &str, whole: usize, out: &mut String) {
    out.truncate(whole);
    if !out.is_empty() && !out.ends_with('.') {
        out.push('.');
    }
    // No level begins with `~`: see `put_token`.
    out.push('~');
    for byte in &Sha256::digest(topic.as_bytes())[..HASH_BYTES] {
        out.push_str(&format!("{byte:02x}"));
    }
}

fn put_token(level: &str, out: &mut String) {
    match level {
        "" => return out.push('_'),
        "_" => return out.push_str("%5F"),
        _ => {}
    }
    for (at, letter) in level.char_indices() {
        let is_special = matches!(letter, '.' | '*' | '>' | '%')
            || letter.is_whitespace()
            || letter.is_control()
            // A leading dollar sign is reserved for the server; a tilde marks a hash.
            || at == 0 && matches!(letter, '$' | '~');
        if is_special {
            let mut bytes = [0; 4];
            for byte in letter.encode_utf8(&mut bytes).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        } else {
            out.push(letter);
        }
    }
}

/// The topic of a subject without its prefix; `None` if [`put_subject`] makes no such subject, or
/// shortened it. It proves that no two topics have the same subject.
#[cfg(test)]
pub(crate) fn topic_of(subject: &str) -> Option<String> {
    let mut topic = String::new();
    for (at, token) in subject.split('.').enumerate() {
        if at > 0 {
            topic.push('/');
        }
        match token {
            "" => return None,
            "_" => {}
            _ => topic.push_str(&level_of(token)?),
        }
    }
    let mut again = String::new();
    let is_same = !put_subject(&topic, &mut again) && again == subject;
    is_same.then_some(topic)
}

#[cfg(test)]
fn level_of(token: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = token;
    while let Some(at) = rest.find('%') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let digits = rest.get(at + 1..at + 3)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[at + 3..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    fn subject(topic: &str) -> String {
        let mut out = String::new();
        put_subject(topic, &mut out);
        out
    }

    // Each special character is encoded, and decoded again.
    #[test]
    fn topics_come_back() {
        for (topic, wanted) in [
            ("a", "a"),
            ("a/b", "a.b"),
            ("/", "_._"),
            ("_/__", "%5F.__"),
            ("a.b/*>%", "a%2Eb.%2A%3E%25"),
            ("$x/y$", "%24x.y$"),
            ("~a/b~", "%7Ea.b~"),
            ("ä ö", "ä%20ö"),
            ("\u{2003}", "%E2%80%83"),
        ] {
            assert_eq!(subject(topic), wanted, "{topic}");
            assert_eq!(topic_of(wanted).as_deref(), Some(topic), "{wanted}");
        }
        // Subjects of no topic.
        for other in ["", "a..b", "a%2", "%61", "%", "_a.%5f", "%FF", "~0"] {
            assert_eq!(topic_of(other), None, "{other}");
        }
    }

    // No two topics have the same subject; each subject is valid for the server.
    #[test]
    fn subjects_are_unique() {
        let seed = RandomState::new().hash_one(1);
        let mut state = seed;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let letters = ["a", "/", ".", "*", ">", "%", "_", "$", "~", " ", "2E", "\t", "ä", "%5F"];
        let mut known: HashMap<String, String> = HashMap::new();
        for _ in 0..50_000 {
            let long = next(100) == 0;
            let length = 1 + next(if long { 600 } else { 8 });
            let topic: String = (0..length)
                .map(|_| letters[usize::try_from(next(letters.len() as u64)).expect("small")])
                .collect();
            let made = subject(&topic);
            assert!(made.len() <= SUBJECT_BYTES_MAX, "seed {seed}: {topic}");
            let tokens: Vec<&str> = made.split('.').collect();
            let is_token = |token: &&str| {
                !token.is_empty() && !token.contains(['*', '>', ' ', '\t', '\r', '\n'])
            };
            assert!(
                tokens.iter().all(is_token) && tokens.len() <= TOKENS_MAX,
                "seed {seed}: {made}"
            );
            if !tokens.last().is_some_and(|token| token.starts_with('~')) {
                assert_eq!(topic_of(&made), Some(topic.clone()), "seed {seed}");
            }
            let before = known.insert(made, topic.clone());
            assert!(before.is_none_or(|before| before == topic), "seed {seed}: {topic}");
        }
    }

    // The longest subject that is not shortened, and the first that is.
    #[test]
    fn long_topics_are_shortened() {
        for (topic, is_shortened) in [
            ("x".repeat(SUBJECT_BYTES_MAX), false),
            ("x".repeat(SUBJECT_BYTES_MAX + 1), true),
            (["a"; TOKENS_MAX].join("/"), false),
            (["a"; TOKENS_MAX + 1].join("/"), true),
        ] {
            let mut out = String::new();
            assert_eq!(put_subject(&topic, &mut out), is_shortened, "{topic:.20}");
            assert_eq!(topic_of(&out).is_none(), is_shortened, "{topic:.20}");
        }
    }
}
