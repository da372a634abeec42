//! Password files and exports of definitions.

use crate::access::{Client, Policy, Request, Sources, Verdict};

use super::{Scene, USER, load, topic};

fn lets_in(policy: &Policy, user: &str, password: &str) -> bool {
    let password = Some(password.as_bytes());
    let request = Request { local: true, user_name: Some(user), password, certified: None };
    match policy.admit(&request) {
        Verdict::Verify(question) => question.verify(),
        _ => false,
    }
}

// A password file may have comments, blank lines, other systems' line ends, or no user.
#[test]
fn password_file() {
    let scene = Scene::new("passwords");
    for (text, users) in [
        ("", 0),
        ("# u:x\n\n", 0),
        (USER, 1),
        (&format!("\n#\n{}\r\n v{}", USER.trim(), &USER[1..]), 2),
    ] {
        let passwords = Some(scene.write("passwords", text));
        let policy = load(&Sources { passwords, ..Sources::default() }).unwrap();
        assert!(policy.guards_open_doors(), "a file without users lets nobody in");
        assert_eq!(lets_in(&policy, "u", "p"), users > 0, "{text:?}");
        assert_eq!(lets_in(&policy, "v", "p"), users > 1, "{text:?}");
        assert!(!lets_in(&policy, "# u", "p"), "{text:?}");
    }
}

// A fault is reported with its line: a second line for a user, a byte that is no UTF-8.
#[test]
fn password_file_faults() {
    let scene = Scene::new("password-faults");
    let twice = format!("{USER}\n{USER}");
    let long = format!("\n\n{}{}", "n".repeat(1025), &USER[1..]);
    for (text, says) in [
        (twice.as_bytes(), "for the second time"),
        (b"\n#\nu\xff:x\n", "is no UTF-8"),
        (b"\n\nu\x07:x\n", "control character"),
        (long.as_bytes(), "too long"),
    ] {
        let passwords = Some(scene.write("passwords", text));
        let error = load(&Sources { passwords, ..Sources::default() }).unwrap_err();
        assert_eq!(error.line, Some(3), "{error}");
        assert!(error.says.contains(says), "{error}");
    }
}

// A byte order mark at the start of a file is ignored; a file in UTF-16 is refused with advice.
#[test]
fn byte_order_marks() {
    let scene = Scene::new("byte-order-mark");
    for text in [USER, EXPORT] {
        let marked = format!("\u{feff}{text}");
        let passwords = Some(scene.write("passwords", marked.as_bytes()));
        let policy = load(&Sources { passwords, ..Sources::default() }).unwrap();
        assert_eq!(lets_in(&policy, "u", "p"), text == USER, "{text}");
    }
    let acl = Some(scene.write("acl", "\u{feff}user u\ntopic a\n"));
    load(&Sources { acl, ..Sources::default() }).unwrap();
    scene.write("vhosts/a/limits", "\u{feff}max-sessions = 1\n");
    let vhosts = Some(scene.path().join("vhosts"));
    load(&Sources { vhosts, ..Sources::default() }).unwrap();
    for mark in [b"\xff\xfeu\0", b"\xfe\xff\0u"] {
        let acl = Some(scene.write("acl", mark));
        let error = load(&Sources { acl, ..Sources::default() }).unwrap_err();
        assert!(error.says.contains("UTF-16; save it as UTF-8"), "{error}");
    }
}

const EXPORT: &str = r#" {
  "rabbitmq_version": "3.12.0",
  "users": [
    {"name": "test12", "password_hash": "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
     "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ["administrator"]},
    {"name": "old", "password_hash": "$5$kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"},
    {"name": "long", "hashing_algorithm": "rabbit_password_hashing_sha512",
     "password_hash":
  "c2FsdO9vb2oDE9U+Xe0lDChrbTioQLo3z/gJQ/kH1HNEG0nOKs8qZdWoM+4WzryKnTspKDuOnvIBKnPsoFTnoiGd+vc="},
    {"name": "b", "hashing_algorithm": "lavinmq_bcrypt",
     "password_hash": "$2b$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG"},
    {"name": "nobody", "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256"}
  ],
  "vhosts": [{"name": "/"}, {"name": "other"}],
  "permissions": [
    {"user": "test12", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"},
    {"user": "old", "vhost": "other", "configure": ".*", "write": ".*", "read": ".*"},
    {"user": "long", "vhost": "/", "configure": "", "write": "^mqtt", "read": ""},
    {"user": "b", "vhost": "/", "configure": "", "write": "", "read": ""}
  ]
}"#;

// Users of an export can log in to the vhosts that they have a permission for, with its rights.
#[test]
fn export() {
    let scene = Scene::new("export");
    let passwords = Some(scene.write("definitions.json", EXPORT));
    let slash = load(&Sources { passwords: passwords.clone(), ..Sources::default() }).unwrap();
    let default_vhost = "other".to_owned();
    let other = load(&Sources { passwords, default_vhost, ..Sources::default() }).unwrap();
    for (user, password, in_slash, in_other) in [
        ("test12", "test12", true, false),
        ("test12", "", false, false),
        ("old", "test12", false, true),
        ("long", "pw", true, false),
        ("b", "pässword", true, false),
        ("nobody", "", false, false),
    ] {
        let given = (lets_in(&slash, user, password), lets_in(&other, user, password));
        assert_eq!(given, (in_slash, in_other), "{user}, {password}");
    }
    for (user, reads, writes) in
        [("test12", true, true), ("old", false, false), ("long", false, true), ("b", false, false)]
    {
        let client = Client { vhost: 0, user: Some(user), client_id: "c" };
        let may = (slash.may_receive(&client, topic("a")), slash.may_publish(&client, topic("a")));
        assert_eq!(may, (reads, writes), "{user}");
    }
}

// Rules of an ACL file are combined with the permissions of an export; the file's own permissions
// win.
#[test]
fn export_with_acl() {
    let scene = Scene::new("export-acl");
    let passwords = Some(scene.write("definitions.json", EXPORT));
    let acl = Some(scene.write(
        "acl",
        "permission test12 ^$ ^$ ^$\nuser test12\ntopic read t\nuser long\ntopic deny no\n",
    ));
    let policy = load(&Sources { passwords, acl, ..Sources::default() }).unwrap();
    for (user, name, reads, writes) in [
        ("test12", "t", true, false),
        ("test12", "a", false, false),
        ("long", "a", false, true),
        ("long", "no", false, false),
    ] {
        let client = Client { vhost: 0, user: Some(user), client_id: "c" };
        let name = topic(name);
        let may = (policy.may_receive(&client, name), policy.may_publish(&client, name));
        assert_eq!(may, (reads, writes), "{user}, {name}");
    }
}

// An export without permissions gives no rules.
#[test]
fn export_without_permissions() {
    let scene = Scene::new("export-bare");
    let text = EXPORT.split_once("\"vhosts\"").unwrap().0.trim_end().trim_end_matches(',');
    let passwords = Some(scene.write("definitions.json", format!("{text}}}")));
    let policy = load(&Sources { passwords, ..Sources::default() }).unwrap();
    assert!(!policy.has_rules(0));
    assert!(lets_in(&policy, "old", "test12"));
}

// A fault of an export names its line or its entry.
#[test]
fn export_faults() {
    let scene = Scene::new("export-faults");
    for (before, after, line, says) in [
        ("\"users\": [", "\"users\": ", Some(4), "is no JSON"),
        ("\"users\"", "\"userz\"", None, "has no list `users`"),
        ("\"permissions\": [", "\"permissions\": 3, \"x\": [", None, "is no list"),
        ("\"read\": \".*\"", "\"read\": \"[\"", None, "permissions[0]: READ"),
        ("\"user\": \"old\"", "\"uzer\": \"old\"", None, ""),
        ("\"user\": \"long\"", "\"user\": 3", None, "permissions[2]: `user`"),
        ("\"vhost\": \"other\"", "\"vhost\": null", None, "permissions[1]: `vhost`"),
        ("\"name\": \"old\"", "\"name\": \"test12\"", None, "users[1], \"test12\": stands here"),
        (
            "hashing_sha512",
            "hashing_md5",
            None,
            "users[2], \"long\": `rabbit_password_hashing_md5`",
        ),
        ("kI3GCqW5", "kI3G", None, "users[0], \"test12\": the hash"),
        ("\"password_hash\": \"\"", "\"password\": \"\"", None, "users[4]"),
    ] {
        assert!(EXPORT.contains(before), "{before}");
        let text = EXPORT.replacen(before, after, 1);
        let passwords = Some(scene.write("definitions.json", text));
        let loaded = load(&Sources { passwords, ..Sources::default() });
        // An entry of another vhost is ignored.
        if says.is_empty() {
            assert!(loaded.is_ok(), "{after}: {loaded:?}");
            continue;
        }
        let error = loaded.unwrap_err();
        assert!(error.says.contains(says), "{after}: {error}");
        assert!(error.line.is_some() == line.is_some(), "{after}: {error}");
    }
}
