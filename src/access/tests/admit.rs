//! Which clients are admitted, and which may stay connected.

use compact_str::CompactString;

use crate::access::{Client, Identity, Login, Policy, Refusal, Request, Sources, Verdict};
use crate::limits;
use crate::mqtt::{ConnectReturn, Version};

use super::{Scene, USER, load, topic};

/// A verdict in short form: `+vhost:user`, `?vhost:user`, `?!` if the user is unknown, or a
/// refusal.
fn short(verdict: &Verdict) -> String {
    let who = |identity: &Identity| {
        let proof = if identity.certified { "cert " } else { "" };
        format!("{proof}{}:{}", identity.vhost, identity.user.as_deref().unwrap_or("-"))
    };
    match verdict {
        Verdict::Granted(identity) => format!("+{}", who(identity)),
        Verdict::Verify(question) if question.known => format!("?{}", who(&question.identity)),
        Verdict::Verify(_) => "?!".to_owned(),
        Verdict::Refused(refusal) => format!("{refusal:?}"),
    }
}

fn admit(policy: &Policy, local: bool, user: Option<&str>, password: Option<&str>) -> String {
    let password = password.map(str::as_bytes);
    short(&policy.admit(&Request { local, user_name: user, password, certified: None }))
}

/// Vhost `/` without users, `shut` (2) with the user `u`, `wide` (3) without; `a` (1) with an empty
/// password file.
fn sources(scene: &Scene) -> Sources {
    scene.write("vhosts/%2F/limits", "");
    scene.write("vhosts/a/passwords", "# nobody\n");
    scene.write("vhosts/shut/passwords", USER);
    scene.write("vhosts/wide/acl", "");
    Sources { vhosts: Some(scene.path().join("vhosts")), ..Sources::default() }
}

// The table of `Policy::admit`, for local and other listeners, with and without --allow-anonymous.
#[test]
fn admits_by_the_table() {
    let scene = Scene::new("admit");
    let sources = sources(&scene);
    let strict = load(&sources).unwrap();
    let lax = load(&Sources { allow_anonymous: true, ..sources }).unwrap();
    let (no, bad) = ("NotAuthorized", "BadUserNameOrPassword");
    // User name, password; then local and not, strict; local and not, lax.
    for (user, password, verdicts) in [
        (None, None, ["+0:-", no, "+0:-", "+0:-"]),
        (Some(""), None, ["+0:-", no, "+0:-", "+0:-"]),
        (Some("x"), None, ["+0:-", bad, "+0:-", "+0:-"]),
        (Some("x"), Some("p"), ["+0:-", "?!", "+0:-", "+0:-"]),
        (Some("/:x"), Some("p"), ["+0:-", "?!", "+0:-", "+0:-"]),
        (Some("shut:u"), Some("p"), ["?2:u", "?2:u", "?2:u", "?2:u"]),
        (Some("shut:u"), None, [bad, bad, bad, bad]),
        (Some("shut:v"), Some("p"), ["?!", "?!", "?!", "?!"]),
        (Some("shut:v"), None, [bad, bad, bad, bad]),
        (Some("shut:"), None, [no, no, "+2:-", "+2:-"]),
        (Some("shut:"), Some("p"), [no, no, "+2:-", "+2:-"]),
        (Some("a:u"), Some("p"), ["?!", "?!", "?!", "?!"]),
        (Some("wide:u"), Some("p"), ["+3:-", "?!", "+3:-", "+3:-"]),
        (Some("none:u"), Some("p"), ["?!", "?!", "?!", "?!"]),
        (Some("none:u"), None, [bad, bad, bad, bad]),
        (Some("none:"), None, [no, no, no, no]),
        (Some(":u"), Some("p"), ["?!", "?!", "?!", "?!"]),
    ] {
        let given = [(&strict, true), (&strict, false), (&lax, true), (&lax, false)]
            .map(|(policy, local)| admit(policy, local, user, password));
        assert_eq!(given, verdicts, "{user:?}, {password:?}");
    }
}

// A certificate replaces the password and names the vhost; the user name of the CONNECT does not
// override it.
#[test]
fn certificates() {
    let scene = Scene::new("certificates");
    let policy = load(&Sources { certificates: true, ..sources(&scene) }).unwrap();
    for (certified, user, verdict) in [
        ("dev", None, "+cert 0:dev"),
        ("shut:dev", Some("wide:x"), "+cert 2:dev"),
        ("shut:u", Some("u"), "+cert 2:u"),
        ("none:dev", Some("shut:u"), "NotAuthorized"),
        // The certificate names no user.
        ("shut:", None, "NotAuthorized"),
        ("", None, "NotAuthorized"),
    ] {
        let password = Some(b"wrong".as_slice());
        let certified = Some(certified);
        let request = Request { local: false, user_name: user, password, certified };
        assert_eq!(short(&policy.admit(&request)), verdict, "{certified:?}");
    }
}

// The right password is accepted; a wrong one, and any one for an unknown user or vhost, is
// refused. Both cost the same kind of hash.
#[test]
fn verifies() {
    let scene = Scene::new("verifies");
    let policy = load(&sources(&scene)).unwrap();
    for (user, password, expected) in [
        ("shut:u", "p", true),
        ("shut:u", "q", false),
        ("shut:u", "", false),
        ("shut:v", "p", false),
        ("none:u", "p", false),
    ] {
        let password_bytes = Some(password.as_bytes());
        let request = Request {
            local: true,
            user_name: Some(user),
            password: password_bytes,
            certified: None,
        };
        let Verdict::Verify(question) = policy.admit(&request) else { panic!("{user}") };
        assert_eq!(question.verify(), expected, "{user}, {password}");
        assert!(format!("{:?}", question.secret).contains("Sha512Salted"), "{user}");
        assert!(!format!("{question:?}").contains('q'), "a log shows no password");
    }
}

// The key of a cached answer differs with everything that the answer depends on.
#[test]
fn cache_keys_differ() {
    let scene = Scene::new("keys");
    let sources = sources(&scene);
    let question = |policy: &Policy, user: &str, password: &str| {
        let password = Some(password.as_bytes());
        let request = Request { local: true, user_name: Some(user), password, certified: None };
        match policy.admit(&request) {
            Verdict::Verify(question) => question,
            other => panic!("{other:?}"),
        }
    };
    let policy = load(&sources).unwrap();
    let key = question(&policy, "shut:u", "p").cache_key(&[1; 32]);
    assert_eq!(question(&policy, "shut:u", "p").cache_key(&[1; 32]), key);
    // The same password with another salt.
    scene.write(
        "vhosts/shut/passwords",
        "u:$sha512$c2FsdO9vb2oDE9U+Xe0lDChrbTioQLo3z/gJQ/kH1HNEG0nOKs8qZdWoM+4WzryKnTspKDuOnvIBKn\
         PsoFTnoiGd+vc=\nv:$6$c2FsdA==$A6Yqo1io+ha+ANUiF8e7J96JPgeEuuEwa6nYUw2F/CksLOQqGus6x5g3nhY\
         MXMZMrqn2Fzj64qEzA5cDzlrrtA==\n",
    );
    let reloaded = load(&sources).unwrap();
    for (other, what) in [
        (question(&policy, "shut:u", "p").cache_key(&[2; 32]), "key"),
        (question(&policy, "shut:u", "pp").cache_key(&[1; 32]), "password"),
        (question(&policy, "shut:v", "p").cache_key(&[1; 32]), "user"),
        (question(&policy, "none:u", "p").cache_key(&[1; 32]), "vhost"),
        (question(&reloaded, "shut:u", "p").cache_key(&[1; 32]), "secret"),
        (question(&reloaded, "shut:v", "p").cache_key(&[1; 32]), "user with the same secret"),
    ] {
        assert_ne!(other, key, "{what}");
    }
}

// Without any file all clients of local listeners are accepted and may do everything; a login that
// names another vhost is refused.
#[test]
fn open() {
    let policy = Policy::open();
    assert!(!policy.guards_open_doors());
    assert_eq!(policy.vhosts().collect::<Vec<_>>(), [(0, "/")]);
    assert_eq!(policy.vhost_name(0), Some("/"));
    assert_eq!(policy.vhost_name(1), None);
    for (user, local, verdict) in [
        (None, true, "+0:-"),
        (Some("x"), true, "+0:-"),
        (None, false, "NotAuthorized"),
        // There is no password that could be right.
        (Some("x"), false, "BadUserNameOrPassword"),
        (Some("x:y"), true, "BadUserNameOrPassword"),
    ] {
        assert_eq!(admit(&policy, local, user, Some("p")), verdict, "{user:?}");
    }
    let client = Client { vhost: 0, user: None, client_id: "#" };
    assert!(!policy.has_rules(0));
    assert!(policy.may_publish(&client, topic("$SYS/x")));
    assert!(policy.may_receive(&client, topic("$SYS/x")));
    let elsewhere = Client { vhost: 1, ..client };
    assert!(policy.has_rules(1));
    assert!(!policy.may_publish(&elsewhere, topic("a")));
}

// A user name is split at the first colon; an empty user is none; the flag sets the default vhost.
#[test]
fn logins() {
    let scene = Scene::new("logins");
    let mut sources = sources(&scene);
    sources.default_vhost = "wide".to_owned();
    let policy = load(&sources).unwrap();
    for (user_name, vhost, user) in [
        (None, Some(3), None),
        (Some(""), Some(3), None),
        (Some("u"), Some(3), Some("u")),
        (Some("shut:u"), Some(2), Some("u")),
        (Some("shut:u:v"), Some(2), Some("u:v")),
        (Some("shut:"), Some(2), None),
        (Some("/:u"), Some(0), Some("u")),
        (Some(":u"), None, Some("u")),
        (Some("SHUT:u"), None, Some("u")),
        (Some("%2F:u"), None, Some("u")),
    ] {
        assert_eq!(policy.login(user_name), Login { vhost, user }, "{user_name:?}");
    }
}

// After a reload exactly the clients stay that still have the right to be connected.
#[test]
fn may_stay() {
    let scene = Scene::new("stay");
    let sources = sources(&scene);
    let policy = load(&sources).unwrap();
    let lax = load(&Sources { allow_anonymous: true, certificates: true, ..sources }).unwrap();
    let user = |name: &str| Some(CompactString::from(name));
    // Identity, whether its listener is local, and whether it stays under each policy.
    for (vhost, name, certified, local, strict_stays, lax_stays) in [
        (0, None, false, true, true, true),
        (0, None, false, false, false, true),
        (0, user("x"), false, true, false, false),
        (2, user("u"), false, false, true, true),
        (2, user("gone"), false, false, false, false),
        (2, None, false, true, false, true),
        (2, user("gone"), true, false, false, true),
        (3, None, false, true, true, true),
        (9, user("u"), false, true, false, false),
        (9, user("u"), true, true, false, false),
    ] {
        let identity = Identity { vhost, user: name, certified };
        let stays = [policy.may_stay(&identity, local), lax.may_stay(&identity, local)];
        assert_eq!(stays, [strict_stays, lax_stays], "{identity:?}, local: {local}");
    }
}

// A password that is longer than any valid one is refused at once, as malformed.
#[test]
fn lengths() {
    let scene = Scene::new("lengths");
    let policy = load(&sources(&scene)).unwrap();
    let (name, word) = (limits::LOGIN_BYTES_MAX, limits::PASSWORD_BYTES_MAX);
    for (name, word, is_heard) in [
        (name, word, true),
        (name + 1, 1, false),
        (1, word + 1, false),
        (name + 1, word + 1, false),
    ] {
        let (name, word) = ("n".repeat(name), "w".repeat(word));
        let verdict = admit(&policy, false, Some(&name), Some(&word));
        assert_eq!(verdict, if is_heard { "?!" } else { "Malformed" });
    }
}

// The codes of the CONNACK.
#[test]
fn refusals() {
    use ConnectReturn::{BadCredentials, NotAuthorized};
    for (refusal, v31, v311) in [
        (Refusal::NotAuthorized, NotAuthorized, NotAuthorized),
        (Refusal::BadUserNameOrPassword, BadCredentials, NotAuthorized),
        (Refusal::Malformed, BadCredentials, BadCredentials),
    ] {
        assert_eq!(refusal.connect_return(Version::V31), v31, "{refusal:?}");
        assert_eq!(refusal.connect_return(Version::V311), v311, "{refusal:?}");
    }
}
