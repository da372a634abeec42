//! Stored passwords: what other programs have written.

use crate::access::Secret;

// What `mosquitto_passwd` of Debian 12 has written opens with its password and with no other.
#[test]
fn opens_what_others_wrote() {
    for (text, password) in [
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
    ] {
        let secret = Secret::parse(text).unwrap();
        assert!(secret.verify(password.as_bytes()), "{text}");
        assert!(!secret.verify(b""), "{text}");
        assert!(!secret.verify(format!("{password} ").as_bytes()), "{text}");
        assert_eq!(secret.to_string(), text);
    }
}
