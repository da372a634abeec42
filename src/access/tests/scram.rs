//! SCRAM: the vectors of RFC 7677 and of Python's hashlib, malformed messages, unknown users.

use super::Scene;
use crate::access::{Exchange, Malformed, Mechanism, Policy, Secret, Sources, scram_user_of};
use crate::limits::{LOGIN_BYTES_MAX, SCRAM_MESSAGE_BYTES_MAX, SCRAM_NONCE_BYTES_MAX};

/// User and password of the RFC.
const KEYS_256: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==\
    $WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
const KEYS_512: &str = "SCRAM-SHA-512$4096:W22ZaJ0SNY7soEsUEjb6gQ==\
    $6AAub3065EYRmyFpM2RNwqK+eGnrkYuEWbXn19LsEmBqzu8QaCXNc1FwpnX9NhH2hK/60dzj9DoO5DvVkOHbvg==:\
    jZHbYjC1aHh0/hKbxyBuGFjDrgjgKTT1esA7awWiKcRZ0o/0b1yWEebBeSVkkCFewf91nLDfKF24mvD5nmE6rA\
    ==";
const FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const BOTH: &str = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const PROOF_256: &str = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const PROOF_512: &str = "gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybE\
    mDYXYTxwnYPJQ==";

fn policy(scene: &Scene, passwords: &str) -> Policy {
    let passwords = Some(scene.write("passwords", passwords));
    let sources = Sources { passwords, ..Sources::default() };
    Policy::load(&sources, &mut |_| Ok(1)).unwrap()
}

fn begin(policy: &Policy, mechanism: Mechanism, first: &str) -> Result<Exchange, Malformed> {
    Exchange::begin(policy, mechanism, first.as_bytes(), NONCE)
}

// Keys and both signatures equal those of the RFC and of Python's hashlib.
#[test]
fn vectors() {
    let scene = Scene::new("scram-vectors");
    let policy = policy(&scene, &format!("user:{KEYS_256} {KEYS_512}\n"));
    for (mechanism, keys, proof, server_final) in [
        (Mechanism::Sha256, KEYS_256, PROOF_256, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
        (
            Mechanism::Sha512,
            KEYS_512,
            PROOF_512,
            "v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N\
             7Zw==",
        ),
    ] {
        let exchange = begin(&policy, mechanism, FIRST).unwrap();
        let first = format!("r={BOTH},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        assert_eq!(exchange.server_first(), first);
        let last = format!("c=biws,r={BOTH},p={proof}");
        let finish = exchange.finish(last.as_bytes()).unwrap();
        assert!(finish.question.verify() && finish.question.is_proof());
        assert_eq!(finish.server_final, server_final);
        let salt = [
            0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36,
            0xfa, 0x81,
        ];
        let made = Secret::make_scram("pencil", mechanism, 4096, &salt).unwrap();
        assert_eq!(made.to_string(), keys);
        assert!(made.verify(b"pencil") && !made.verify(b"Pencil") && !made.verify(b"\xff"));
    }
}

// A password is prepared with SASLprep before hashing; one that it forbids cannot be set.
#[test]
fn passwords_are_prepared() {
    let made = |password| Secret::make_scram(password, Mechanism::Sha256, 1, b"salt");
    assert_eq!(made("I\u{ad}X\u{a0}\u{2168}").unwrap(), made("IX IX").unwrap());
    assert!(made("\u{7}").is_err() && made("\u{627}1").is_err());
    assert!(made("IX IX").unwrap().verify("\u{2168}\u{a0}IX".as_bytes()));
}

// A wrong password, another user, a changed message: the proof is wrong.
#[test]
fn wrong_proofs() {
    let scene = Scene::new("scram-wrong");
    let policy = policy(&scene, &format!("user:{KEYS_256}\nother:{KEYS_256}\n"));
    let proof = |first: &str, nonce: &str, last: &str| {
        let mechanism = Mechanism::Sha256;
        let exchange = Exchange::begin(&policy, mechanism, first.as_bytes(), nonce).unwrap();
        exchange.finish(last.as_bytes()).map(|finish| finish.question.verify())
    };
    let last = |header: &str, proof: &str| format!("c={header},r={BOTH},p={proof}");
    let wrong = PROOF_256.replace('d', "e");
    for (first, last, is_right) in [
        (FIRST, last("biws", PROOF_256), true),
        (FIRST, last("biws", &wrong), false),
        // The same with the header `y,,`, which the proof does not contain.
        ("y,,n=user,r=rOprNGfwEbeRWgbNEkqO", last("eSws", PROOF_256), false),
        ("n,,n=other,r=rOprNGfwEbeRWgbNEkqO", last("biws", PROOF_256), false),
        ("n,,n=nobody,r=rOprNGfwEbeRWgbNEkqO", last("biws", PROOF_256), false),
        ("n,,n=nowhere:user,r=rOprNGfwEbeRWgbNEkqO", last("biws", PROOF_256), false),
        // No client may act as another user.
        ("n,a=other,n=user,r=rOprNGfwEbeRWgbNEkqO", last("bixhPW90aGVyLA==", PROOF_256), false),
    ] {
        assert_eq!(proof(first, NONCE, &last), Ok(is_right), "{first}");
    }
    // A replay gets another nonce.
    assert!(proof(FIRST, "another", &last("biws", PROOF_256)).is_err());
}

// Malformed messages are distinguished from wrong ones.
#[test]
fn malformed_messages() {
    let scene = Scene::new("scram-malformed");
    let policy = policy(&scene, &format!("user:{KEYS_256}\n"));
    let nonce = |bytes| format!("n,,n=user,r={}", "x".repeat(bytes));
    let name = |bytes| format!("n,,n={},r=x", "x".repeat(bytes));
    for (first, is_right) in [
        (FIRST.to_owned(), true),
        ("y,,n=user,r=x".to_owned(), true),
        ("n,a=user,n=user,r=x".to_owned(), true),
        ("n,,n=us=2Cer=3D,r=x,e=ext".to_owned(), true),
        (nonce(SCRAM_NONCE_BYTES_MAX), true),
        (nonce(SCRAM_NONCE_BYTES_MAX + 1), false),
        (nonce(0), false),
        (name(LOGIN_BYTES_MAX), true),
        (name(SCRAM_MESSAGE_BYTES_MAX), false),
        (String::new(), false),
        (",".to_owned(), false),
        (",,".to_owned(), false),
        ("n,,".to_owned(), false),
        ("n,,n=user".to_owned(), false),
        ("n,,n=,r=x".to_owned(), false),
        ("n,,r=x,n=user".to_owned(), false),
        ("x,,n=user,r=x".to_owned(), false),
        ("p=tls-exporter,,n=user,r=x".to_owned(), false),
        ("n,b=user,n=user,r=x".to_owned(), false),
        ("n,,m=ext,n=user,r=x".to_owned(), false),
        ("n,,n=us=2cer,r=x".to_owned(), false),
        ("n,,n=us=,r=x".to_owned(), false),
        ("n,,n=us=2ä,r=x".to_owned(), false),
        ("n,,n=us\u{7}er,r=x".to_owned(), false),
        ("n,,n=us\0er,r=x".to_owned(), false),
        ("n,,n=user,r=x y".to_owned(), false),
        ("n,,n=user,r=ä".to_owned(), false),
        ("n,,n=user,r=x,".to_owned(), false),
        ("n,,n=user,r=x,1=y".to_owned(), false),
    ] {
        assert_eq!(begin(&policy, Mechanism::Sha256, &first).is_ok(), is_right, "{first:?}");
    }
    assert!(Exchange::begin(&policy, Mechanism::Sha256, b"n,,n=\xff,r=x", NONCE).is_err());
    let last = format!("c=biws,r={BOTH}");
    for (last, is_right) in [
        (format!("{last},p={PROOF_256}"), true),
        (format!("{last},e=ext,p={PROOF_256}"), true),
        (String::new(), false),
        (last.clone(), false),
        (format!("{last},p="), false),
        (format!("{last},p=AAAA"), false),
        (format!("{last},p={PROOF_512}"), false),
        (format!("{last},p=*{}", &PROOF_256[1..]), false),
        (format!("c=eSws,r={BOTH},p={PROOF_256}"), false),
        (format!("c=*,r={BOTH},p={PROOF_256}"), false),
        (format!("r={BOTH},c=biws,p={PROOF_256}"), false),
        (format!("c=biws,r=rOprNGfwEbeRWgbNEkqO,p={PROOF_256}"), false),
        (format!("c=biws,r={BOTH}x,p={PROOF_256}"), false),
        (format!("c=biws,p={PROOF_256}"), false),
    ] {
        let exchange = begin(&policy, Mechanism::Sha256, FIRST).unwrap();
        assert_eq!(exchange.finish(last.as_bytes()).is_ok(), is_right, "{last:?}");
    }
}

// The name in a message determines the vhost and the home shard.
#[test]
fn names() {
    for (first, user) in [
        (FIRST, Some("user")),
        ("n,,n=my vhost:us=2Cer=3D,r=x", Some("my vhost:us,er=")),
        ("n,,n=I\u{ad}X,r=x", Some("IX")),
        ("n,,n=user", None),
    ] {
        assert_eq!(scram_user_of(first.as_bytes()).as_deref(), user, "{first}");
    }
}

// Clients cannot tell whether a user exists: an unknown one has a salt of the usual length and
// iterations, which is the same each time and after a change of other users.
#[test]
fn unknown_users_look_like_others() {
    let scene = Scene::new("scram-decoys");
    let lines = format!(
        "user:{KEYS_256}\nold:$6$c2FsdA==$A6Yqo1io+ha+ANUiF8e7J96JPgeEuuEwa6nYUw2F/\
        CksLOQqGus6x5g3nhYMXMZMrqn2Fzj64qEzA5cDzlrrtA==\n"
    );
    let before = policy(&scene, &lines);
    let after = policy(
        &scene,
        &format!(
            "{lines}yan:{KEYS_256}\nold 2:$6$c2FsdA==$A6Yqo1io+h\
        a+ANUiF8e7J96JPgeEuuEwa6nYUw2F/CksLOQqGus6x5g3nhYMXMZMrqn2Fzj64qEzA5cDzlrrtA==\n"
        ),
    );
    let salt = |policy, user: &str| {
        let exchange = begin(policy, Mechanism::Sha256, &format!("n,,n={user},r=x")).unwrap();
        exchange.server_first().strip_prefix(&format!("r=x{NONCE},s=")).unwrap().to_owned()
    };
    let real = salt(&before, "user");
    let mut salts = vec![real.clone()];
    // One of another vhost, and one with a password that is no SCRAM key.
    for user in ["nobody", "no", "nowhere:user", "old"] {
        let decoy = salt(&before, user);
        assert_eq!(decoy, salt(&before, user), "{user}");
        assert_eq!(decoy.len(), real.len(), "{user}");
        assert!(decoy.ends_with("==,i=4096"), "{decoy}");
        assert_eq!(decoy, salt(&after, user), "{user}");
        salts.push(decoy);
    }
    assert_eq!(salt(&after, "user"), real);
    salts.sort();
    salts.dedup();
    assert_eq!(salts.len(), 5);
}

// A mechanism is offered if some user has keys for it.
#[test]
fn offers() {
    let scene = Scene::new("scram-offers");
    assert!(!Policy::open().offers(Mechanism::Sha256));
    for (passwords, offered) in [
        (String::new(), [false, false]),
        (super::USER.to_owned(), [false, false]),
        (format!("user:{KEYS_256}\n"), [true, false]),
        (format!("user:{KEYS_512}\n"), [false, true]),
        (format!("{}user:{KEYS_512} {KEYS_256}\n", super::USER), [true, true]),
    ] {
        let policy = policy(&scene, &passwords);
        assert_eq!(Mechanism::ALL.map(|mechanism| policy.offers(mechanism)), offered);
    }
}
