//! Random and damaged files: each one loads, or is refused with a line that exists.

use crate::access::acl::{Access, Acl};
use crate::access::definitions::Definitions;
use crate::access::error::Fault;
use crate::access::limits_file::VhostLimits;
use crate::access::passwords::Users;
use crate::mqtt::{TopicFilter, TopicName};

use super::{Random, USER};

const ROUNDS: usize = 4000;

const ACL: &str = "topic read open/#\nuser ann\ntopic deny ann/secret\ntopic ann/+/x/#\n\
    pattern write %u/%c/#\npattern deny %c\npermission bob ^a .* (mqtt|x)[.]d\n";

const PASSWORDS: &str = "a:$7$1$c2FsdHNhbHQ=$ISTgNRNOEixO40ytjt/nKPcW4OBAbxt2wZv+wok2x81Wk4UevSTcx\
    3LdGnI2nDlguJFZooPU8Q4UtMYqweswXw==\nb:$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIP\
    nA4rEsF5h7TKyQwu9U1bMCHGi/4\nc:$2b$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG\n";

const EXPORT: &str = r#"{"users": [{"name": "u", "hashing_algorithm": "lavinmq_bcrypt",
    "password_hash": "$2b$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG"}],
    "permissions": [{"user": "u", "vhost": "/", "configure": "", "write": "a.*", "read": ".*"}]}"#;

const LIMITS: &str = "max-connections = 5\n# x\nmax-retained-bytes = 64KiB\npublish-rate=100\n";

/// Characters that have a meaning in one of the files.
const LETTERS: &[&str] = &[
    "$", ":", "#", "+", "/", "%", "%u", "%c", " ", "\n", "\r", "\t", "=", "a", "0", "9", "user",
    "topic", "\u{0}", "ä", "{", "}", "[", "]", "\"", "\\", "(", ")", "*", "|", ",", "-", "KiB",
];

/// `text` with parts removed, doubled or replaced, or random characters only.
fn damaged(text: &str, random: &mut Random) -> String {
    if random.below(8) == 0 {
        return (0..random.below(60)).map(|_| random.pick(LETTERS)).collect();
    }
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(4) {
        let from = random.below(letters.len() + 1);
        let to = (from + random.below(4)).min(letters.len());
        let new: Vec<char> = match random.below(3) {
            0 => Vec::new(),
            1 => [&letters[from..to], &letters[from..to]].concat(),
            _ => random.pick(LETTERS).chars().collect(),
        };
        letters.splice(from..to, new);
    }
    letters.into_iter().collect()
}

/// Parses `ROUNDS` damaged texts; a fault names an existing line. Returns the parsed ones.
fn hammer<T>(seed: u64, text: &str, parse: impl Fn(&str) -> Result<T, Fault>) -> Vec<T> {
    let mut random = Random::new(seed);
    let mut read = Vec::new();
    assert!(parse(text).is_ok(), "{:?}", parse(text).err());
    for round in 0..ROUNDS {
        let damaged = damaged(text, &mut random);
        match parse(&damaged) {
            Ok(parsed) => read.push(parsed),
            Err(Fault { line, says, .. }) => {
                assert!(!says.is_empty(), "{random}, {round}");
                let lines = damaged.split('\n').count();
                let is_there = line.is_none_or(|line| (1..=lines).contains(&line));
                assert!(is_there, "{random}, {round}: line {line:?} of {lines}: {damaged:?}");
            }
        }
    }
    let count = read.len();
    assert!((ROUNDS / 100..ROUNDS).contains(&count), "{random}: {count} read, too few or too many");
    read
}

// Access control lists; those that parse decide without a panic, and a topic that may be received
// may be subscribed to.
#[test]
fn acls() {
    for acl in hammer(0x61_0001, ACL, Acl::parse) {
        for (user, name) in
            [(None, "open/x"), (Some("ann"), "ann/q/x/y"), (Some("bob"), "bob/c"), (None, "c")]
        {
            let topic = TopicName::parse(name).unwrap();
            let filter = TopicFilter::parse(name).unwrap();
            let reads = acl.allows(Access::Read, user, "c", topic);
            assert_eq!(acl.reaches(user, "c", filter), reads, "{user:?}, {name}, {acl:?}");
        }
    }
}

// Password files; a secret that parses still matches no other password.
#[test]
fn passwords() {
    let mut checked = 0;
    for users in hammer(0x61_0002, PASSWORDS, Users::parse) {
        let secret = users.get("b").filter(|_| checked < 50);
        checked += usize::from(secret.is_some());
        assert!(secret.is_none_or(|secret| !secret.verify(b"")));
    }
    hammer(0x61_0003, USER, Users::parse);
}

// Exports.
#[test]
fn exports() {
    hammer(0x61_0004, EXPORT, |text| Definitions::parse(text, "/"));
}

// Limits.
#[test]
fn limits() {
    hammer(0x61_0005, LIMITS, VhostLimits::parse);
}
