//! Stored passwords: those that other programs wrote, and invalid ones.

use crate::access::secret::Method;
use crate::access::{Mechanism, Secret};
use crate::limits;

// A secret of another program matches its password and no other, and is written unchanged.
#[test]
fn opens_what_others_wrote() {
    for (text, password) in [
        // `mosquitto_passwd` of Debian 12, and with `-H sha512`.
        (
            "$7$101$Q9xkFVt+rlgDdvXY$ISTgNRNOEixO40ytjt/nKPcW4OBAbxt2wZv+wok2x81Wk4UevSTcx3LdGnI2\
             nDlguJFZooPU8Q4UtMYqweswXw==",
            "secret",
        ),
        (
            "$6$HZT8wqZ5XP6aNpwD$itwLewJYiR9X2aWI0Dh45psc0CGl3NSdDLT/rjD5BQuobrb8Df/oEwTqm0ksPoev\
             PVKSW3yTXdZ0l9AsR7RG2g==",
            "pw",
        ),
        // Python's hashlib.
        (
            "$7$5$MDEyMzQ1Njc4OWFi$3sqrJ91+7o1kVvfAPClsmxcAzxS1LueLpeUF8jU7uwK2lV0y/krLVPaGpHRsJj\
             ff1WrTMGd5Rq0MUTYWTl6Nhw==",
            "pw",
        ),
        (
            "$sha512$c2FsdO9vb2oDE9U+Xe0lDChrbTioQLo3z/gJQ/kH1HNEG0nOKs8qZdWoM+4WzryKnTspKDuOnvIB\
             KnPsoFTnoiGd+vc=",
            "pw",
        ),
        // RabbitMQ's documentation of its hashes.
        ("$sha256$kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "test12"),
        // The tests of Argon2's reference implementation.
        (
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "password",
        ),
        (
            "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
            "password",
        ),
        // libxcrypt.
        ("$2b$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG", "pässword"),
        ("$2b$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq", ""),
    ] {
        let secret = Secret::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(secret.verify(password.as_bytes()), "{text}");
        assert!(!secret.verify(b"x"), "{text}");
        assert!(!secret.verify(format!("{password} ").as_bytes()), "{text}");
        assert_eq!(secret.to_string(), text);
        assert!(!Secret::decoy(secret.method()).verify(password.as_bytes()), "{text}");
    }
}

// The names of bcrypt that differ only because of old bugs are equivalent; it reads 72 bytes.
#[test]
fn bcrypt_has_three_names() {
    for name in ["2a", "2b", "2y"] {
        let text = format!("${name}$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG");
        assert!(Secret::parse(&text).unwrap().verify("pässword".as_bytes()), "{name}");
    }
    let long =
        Secret::parse("$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i").unwrap();
    for (length, expected) in [(71, false), (72, true), (73, true), (80, true)] {
        assert_eq!(long.verify("x".repeat(length).as_bytes()), expected, "{length}");
    }
}

// A new secret matches its password, can be parsed, and has the cost in the limits.
#[test]
fn makes_argon2id() {
    let secret = Secret::make("pässword".as_bytes(), [7; 16]);
    let text = secret.to_string();
    assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"), "{text}");
    assert_eq!(Secret::parse(&text), Ok(secret.clone()));
    assert!(secret.verify("pässword".as_bytes()));
    assert!(!secret.verify(b"password"));
    assert_ne!(Secret::make("pässword".as_bytes(), [8; 16]), secret);
    assert!(!format!("{secret:?}").contains("BwcH"), "a log shows no salt");
}

// The cost that a file may demand is bounded, and the bounds themselves are allowed.
#[test]
fn costs_are_bounded() {
    let (rounds, cost) = (limits::PBKDF2_ITERATIONS_MAX, limits::BCRYPT_COST_MAX);
    let (memory, work) = (limits::ARGON2_MEMORY_KIB_MAX, limits::ARGON2_WORK_KIB_MAX);
    let passes = u32::try_from(work / u64::from(memory)).unwrap();
    let hash = |size: usize| base64_of(&vec![1; size]);
    let pbkdf2 = |rounds: String| format!("$7${rounds}$c2FsdHNhbHQ=${}", hash(64));
    let scram =
        |rounds: u32| format!("SCRAM-SHA-256${rounds}:c2FsdHNhbHQ=${}:{}", hash(32), hash(32));
    let bcrypt =
        |cost: u32| format!("$2b${cost:02}$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG");
    let argon2 = |m: u32, t: u32, p: u32| {
        format!("$argon2id$v=19$m={m},t={t},p={p}$c29tZXNhbHQ${}", hash(32).trim_end_matches('='))
    };
    for (text, is_allowed) in [
        (pbkdf2("1".to_owned()), true),
        (pbkdf2(rounds.to_string()), true),
        (pbkdf2((rounds + 1).to_string()), false),
        (pbkdf2("0".to_owned()), false),
        (pbkdf2("+5".to_owned()), false),
        (pbkdf2("4294967296".to_owned()), false),
        (pbkdf2(String::new()), false),
        (scram(1), true),
        (scram(rounds), true),
        (scram(rounds + 1), false),
        (scram(0), false),
        (bcrypt(3), false),
        (bcrypt(4), true),
        (bcrypt(cost), true),
        (bcrypt(cost + 1), false),
        (bcrypt(32), false),
        (argon2(8, 1, 1), true),
        (argon2(7, 1, 1), false),
        (argon2(8, 0, 1), false),
        (argon2(8, 1, 0), false),
        (argon2(memory, passes, 1), true),
        (argon2(memory, passes + 1, 1), false),
        (argon2(memory + 1, 1, 1), false),
        (argon2(8 * 16, 1, limits::ARGON2_LANES_MAX), true),
        (argon2(8 * 17, 1, limits::ARGON2_LANES_MAX + 1), false),
        (argon2(u32::MAX, u32::MAX, 1), false),
    ] {
        assert_eq!(Secret::parse(&text).is_ok(), is_allowed, "{text}");
    }
}

// A text that is not a stored password is refused, without a panic, and is not repeated.
#[test]
fn refuses_what_is_none() {
    let cut = "$7$101$Q9xkFVt+rlgDdvXY$ISTgNRNOEixO40ytjt";
    for text in [
        "",
        "plain",
        "$",
        "$$",
        "$7$",
        "$7$1$$",
        "$1$ab$cd",
        "$5$c2FsdA==$c2FsdA==",
        "$6$c2FsdA==",
        "$6$$62QWVBVqkzDvhoK0pBzo8aG0cXDN8DWWvKFFQXMWLmQ",
        cut,
        "$2x$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG",
        "$2b$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wH",
        "$2b$04$abcdefghijklmnopqrst\u{e4}uum174eFeoTj0DHmtuueFaS3Wde4P7wHG",
        "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=18$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$t=2,m=256,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65",
        "$sha256$kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30",
        "$sha512$kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
        "SCRAM-SHA-256",
        "SCRAM-SHA-256$4096",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=",
        "SCRAM-SHA-1$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d:wfPL",
        "SCRAM-SHA-512$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
         wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    ] {
        let error = Secret::parse(text).expect_err(text).to_string();
        assert!(text.len() < 5 || !error.contains(text), "{text}: {error}");
    }
}

// A decoy costs as much as the secrets that it replaces.
#[test]
fn decoys_keep_the_method() {
    for method in [
        Method::SaltedSha256,
        Method::SaltedSha512,
        Method::Sha512Salted,
        Method::Pbkdf2 { iterations: 3 },
        Method::Bcrypt { cost: 4 },
        Method::Argon2id { memory_kib: 8, passes: 1, lanes: 1, version: 0x13 },
        Method::Scram { mechanism: Mechanism::Sha256, iterations: 3 },
        Method::Scram { mechanism: Mechanism::Sha512, iterations: 3 },
    ] {
        let decoy = Secret::decoy(method);
        assert_eq!(decoy.method(), method);
        assert_eq!(Secret::parse(&decoy.to_string()), Ok(decoy));
    }
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
