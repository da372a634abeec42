//! The directory of vhosts, alone and with other flags.

use std::fs;
use std::path::Path;

use crate::access::{Client, Policy, Sources, VhostLimits};

use super::{Scene, USER, load, topic};

fn sources(scene: &Scene) -> Sources {
    Sources { vhosts: Some(scene.path().join("vhosts")), ..Sources::default() }
}

fn names(policy: &Policy) -> Vec<(u16, &str)> {
    policy.vhosts().collect()
}

// Each directory is a vhost, its name decoded, with its own users, rules and limits. Files that
// editors leave there are ignored.
#[test]
fn reads_vhosts() {
    let scene = Scene::new("vhosts");
    scene.write("vhosts/%2f/passwords", USER);
    scene.write("vhosts/plant%201/acl", "topic read a\n");
    scene.write("vhosts/plant%201/.acl.swp", "junk");
    scene.write("vhosts/plant%201/acl~", "junk");
    scene.write("vhosts/z%C3%A4hler/limits", "max-sessions = 5\nmax-queued-bytes=2 MB # no\n");
    scene.write("vhosts/.git/HEAD", "junk");
    scene.write("vhosts/README", "left alone");
    let error = load(&sources(&scene)).unwrap_err();
    assert_eq!((error.line, error.says.as_str()), (Some(2), LIMITS_SAY), "{error}");

    scene.write(
        "vhosts/z%C3%A4hler/limits",
        "max-sessions = 5#five\n\n# two\nmax-queued-bytes=2MiB # 3\n",
    );
    let policy = load(&sources(&scene)).unwrap();
    assert_eq!(names(&policy), [(0, "/"), (1, "plant 1"), (2, "zähler")]);
    assert!(policy.guards_open_doors());
    assert_eq!([0, 1, 2, 3].map(|number| policy.has_rules(number)), [false, true, false, true]);
    let limits =
        VhostLimits { sessions_max: Some(5), queued_bytes_max: Some(2 << 20), ..VhostLimits::NONE };
    assert_eq!(policy.limits(2), &limits);
    assert_eq!(policy.limits(1), &VhostLimits::NONE);
    assert_eq!(policy.limits(9), &VhostLimits::NONE);
    for (vhost, expected) in [(0, true), (1, true), (2, true), (3, false)] {
        let client = Client { vhost, user: None, client_id: "c" };
        assert_eq!(policy.may_receive(&client, topic("a")), expected, "{vhost}");
        assert_eq!(policy.may_publish(&client, topic("a")), expected && vhost != 1, "{vhost}");
    }
}

const LIMITS_SAY: &str = "max-queued-bytes takes bytes, as in 65536, 64KiB or 1GiB";

// Every fault of the directory names its file and its remedy.
#[test]
fn faults() {
    for (file, text, path, says) in [
        ("a/password", "", "a/password", "is none of a vhost's files"),
        ("a/ACL", "", "a/ACL", "is none of a vhost's files"),
        ("a%2/acl", "", "a%2", "% itself is %25"),
        ("a%/acl", "", "a%", "% itself is %25"),
        ("%FF/acl", "", "%FF", "is no UTF-8 when it is decoded"),
        ("a%3Ab/acl", "", "a%3Ab", "no colon"),
        ("%00/acl", "", "%00", "no control character"),
        ("%61/acl", "", "a", "another folder is for vhost \"a\""),
        ("a/acl", "topic read a\nuser\n", "a/acl", "`user` without a name"),
        ("a/passwords", "\nu\n", "a/passwords", "is no `user:hash`"),
        ("a/passwords", "\n:$6$\n", "a/passwords", "no name of a user"),
        ("a/passwords", "\nu:plain\n", "a/passwords", "ringmq passwd"),
        ("a/limits", "\nmax-clients = 3\n", "a/limits", "`max-clients` is no limit"),
        ("a/limits", "\npublish-rate = -1\n", "a/limits", "takes a number"),
        ("a/limits", "\npublish-rate = 0\n", "a/limits", "takes a number from 1"),
        ("a/limits", "\npublish-rate\n", "a/limits", "is no `key = value`"),
        ("a/limits", "max-sessions=1\nmax-sessions=1\n", "a/limits", "for the second time"),
    ] {
        let scene = Scene::new("faults");
        scene.write("vhosts/a/.keep", "");
        scene.write(&format!("vhosts/{file}"), text);
        let error = load(&sources(&scene)).unwrap_err();
        assert!(error.path.ends_with(Path::new("vhosts").join(path)), "{file}: {error}");
        assert_eq!(error.line, (!text.is_empty()).then_some(2), "{file}: {error}");
        assert!(error.says.contains(says), "{file}: {error}");
    }
}

// The default vhost exists without `--vhosts`, with its subdirectory, or with its flags.
#[test]
fn default_vhost() {
    let scene = Scene::new("default");
    let passwords = scene.write("passwords", USER);
    let acl = scene.write("acl", "topic read a\n");
    fs::create_dir_all(scene.path().join("vhosts/a")).unwrap();
    let plain = Sources::default();
    let named = |name: &str| Sources { default_vhost: name.to_owned(), ..Sources::default() };
    let flags = |sources: Sources| Sources {
        passwords: Some(passwords.clone()),
        acl: Some(acl.clone()),
        ..sources
    };
    let inside =
        |sources: Sources| Sources { vhosts: Some(scene.path().join("vhosts")), ..sources };
    for (sources, expected) in [
        (plain.clone(), Ok(&[(0, "/")][..])),
        (named("b"), Ok(&[(1, "b")])),
        (flags(plain.clone()), Ok(&[(0, "/")])),
        (inside(plain.clone()), Ok(&[(1, "a")])),
        (inside(named("a")), Ok(&[(1, "a")])),
        (inside(named("b")), Err("has no folder for \"b\"")),
        (inside(flags(named("b"))), Ok(&[(1, "a"), (2, "b")])),
        (inside(flags(plain)), Ok(&[(1, "a"), (0, "/")])),
        (inside(flags(named("a"))), Ok(&[(1, "a")])),
    ] {
        match (load(&sources), expected) {
            (Ok(policy), Ok(expected)) => assert_eq!(names(&policy), expected, "{sources:?}"),
            (Err(error), Err(says)) => assert!(error.says.contains(says), "{error}"),
            (given, _) => panic!("{sources:?}: {given:?}"),
        }
    }
    // Two files for one vhost are refused, because one of them would have no effect.
    for (file, flag) in [("vhosts/a/passwords", "--passwords"), ("vhosts/a/acl", "--acl")] {
        let written = scene.write(file, "");
        let error = load(&inside(flags(named("a")))).unwrap_err();
        assert!(error.says.starts_with(flag), "{error}");
        fs::remove_file(written).unwrap();
    }
}

// Numbers are requested after all files are valid, not for `/`, and must differ.
#[test]
fn numbers() {
    let scene = Scene::new("numbers");
    for name in ["%2F", "a", "b"] {
        fs::create_dir_all(scene.path().join("vhosts").join(name)).unwrap();
    }
    let mut asked = Vec::new();
    let policy = Policy::load(&sources(&scene), &mut |name| {
        asked.push(name.to_owned());
        Ok(if name == "a" { 700 } else { 7 })
    });
    assert_eq!(names(&policy.unwrap()), [(0, "/"), (700, "a"), (7, "b")]);
    assert_eq!(asked, ["a", "b"]);

    let error = Policy::load(&sources(&scene), &mut |_| Ok(7)).unwrap_err();
    assert!(error.says.contains("the same number"), "{error}");
    let error = Policy::load(&sources(&scene), &mut |_| Err("is full".to_owned())).unwrap_err();
    assert_eq!(error.says, "is full");
    scene.write("vhosts/b/acl", "nonsense");
    let error = Policy::load(&sources(&scene), &mut |_| panic!("a file is wrong")).unwrap_err();
    assert_eq!(error.line, Some(1), "{error}");
}

// A file that cannot be read is reported with its flag and the reason.
#[test]
fn unreadable() {
    let scene = Scene::new("unreadable");
    let missing = Some(scene.path().join("missing"));
    let directory = Some(scene.path().to_owned());
    let file = Some(scene.write("file", ""));
    let passwords = |passwords| Sources { passwords, ..Sources::default() };
    let vhosts = |vhosts| Sources { vhosts, ..Sources::default() };
    for (sources, flag, says) in [
        (passwords(missing.clone()), "--passwords /", "there is no such file"),
        (passwords(directory), "--passwords /", "is no file"),
        (Sources { acl: missing.clone(), ..Sources::default() }, "--acl /", "no such file"),
        (vhosts(missing), "--vhosts /", "there is no such directory"),
        (vhosts(file), "--vhosts /", "is no directory"),
    ] {
        let error = load(&sources).unwrap_err();
        assert!(error.to_string().starts_with(flag), "{error}");
        assert!(error.says.contains(says), "{error}");
        assert!(error.to_string().contains("ringmq-access-"), "{error}");
    }
}
