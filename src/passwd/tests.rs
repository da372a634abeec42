//! Changes of password files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;

/// A temporary directory, removed at the end.
struct Scene(PathBuf);

impl Scene {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("ringmq-passwd-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("passwords")
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

// Only the line of the user is set or deleted; every other byte stays.
#[test]
fn edits_one_line() {
    for (before, secret, after, found) in [
        ("", Some("$x"), "a:$x\n", false),
        ("b:$1", Some("$x"), "b:$1\na:$x\n", false),
        ("# a:\n\nb:$1\n", Some("$x"), "# a:\n\nb:$1\na:$x\n", false),
        ("a:$0\r\nb:$1\r\n", Some("$x"), "a:$x\nb:$1\r\n", true),
        ("b:$1\n a:$0", Some("$x"), "b:$1\na:$x\n", true),
        ("a:$0\nb:$1\na:$2\n", Some("$x"), "a:$x\nb:$1\n", true),
        ("aa:$0\na\n:a:\n", Some("$x"), "aa:$0\na\n:a:\na:$x\n", false),
        ("a:$0\nb:$1\n", None, "b:$1\n", true),
        ("b:$1\na:", None, "b:$1\n", true),
        ("b:$1\n", None, "b:$1\n", false),
    ] {
        let (edited, was) = edit(before.as_bytes(), "a", secret);
        assert_eq!(String::from_utf8_lossy(&edited), after, "{before:?}");
        assert_eq!(was, found, "{before:?}");
    }
}

// A new file is readable only by its owner; an existing one keeps its mode; a link stays a link.
#[test]
fn keeps_mode_and_links() {
    let scene = Scene::new("mode");
    replace(&scene.file(), "a", Some("$x")).unwrap();
    assert_eq!(mode(&scene.file()), 0o600);
    fs::set_permissions(scene.file(), fs::Permissions::from_mode(0o640)).unwrap();
    let link = scene.0.join("link");
    std::os::unix::fs::symlink("passwords", &link).unwrap();
    replace(&link, "b", Some("$y")).unwrap();
    assert_eq!(mode(&scene.file()), 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(scene.file()).unwrap(), "a:$x\nb:$y\n");
    assert_eq!(fs::read_dir(&scene.0).unwrap().count(), 2, "nothing else is left there");
}

// A byte order mark is not part of the first user's name, and is removed.
#[test]
fn byte_order_mark() {
    let scene = Scene::new("mark");
    fs::write(scene.file(), "\u{feff}a:$1\nb:$2\n").unwrap();
    replace(&scene.file(), "a", Some("$x")).unwrap();
    assert_eq!(fs::read_to_string(scene.file()).unwrap(), "a:$x\nb:$2\n");
    fs::write(scene.file(), "\u{feff}{}").unwrap();
    assert!(replace(&scene.file(), "a", Some("$x")).unwrap_err().to_string().contains("export"));
}

// Concurrent changes lose no line.
#[test]
fn takes_turns() {
    let scene = Scene::new("turns");
    std::thread::scope(|scope| {
        for at in 0..8 {
            let file = scene.file();
            scope.spawn(move || replace(&file, &format!("user{at}"), Some("$x")).unwrap());
        }
    });
    let text = fs::read_to_string(scene.file()).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 8, "{text}");
    assert!(lines.iter().enumerate().all(|(at, line)| *line == format!("user{at}:$x")), "{text}");
}

// An impossible change is reported, and changes nothing.
#[test]
fn refuses() {
    let scene = Scene::new("refuses");
    let deleted = replace(&scene.file(), "a", None).unwrap_err();
    assert!(deleted.to_string().contains("No such file"), "{deleted}");
    assert!(!scene.file().exists());
    replace(&scene.file(), "a", Some("$x")).unwrap();
    let missing = replace(&scene.file(), "b", None).unwrap_err();
    assert!(missing.to_string().contains("there is no user \"b\""), "{missing}");
    fs::write(scene.file(), " {\"users\": []}").unwrap();
    let export = replace(&scene.file(), "a", Some("$x")).unwrap_err();
    assert!(export.to_string().contains("is an export"), "{export}");
    for user in ["", "v:u", "#u", " u", "u ", "u\n"] {
        assert!(check(user).is_err(), "{user:?}");
    }
}

// A password is the first line of the input, without its line end, within its bounds.
#[test]
fn reads_a_line() {
    let longest = "x".repeat(limits::PASSWORD_BYTES_MAX);
    let too_long = format!("{longest}x");
    for (input, password) in [
        ("a", Some("a")),
        ("a\n", Some("a")),
        ("a\r\nb", Some("a")),
        (" a \n", Some(" a ")),
        ("a\r", Some("a\r")),
        ("", None),
        ("\n", None),
        (&format!("{longest}\r\n"), Some(longest.as_str())),
        (&too_long, None),
        (&format!("{too_long}\n"), None),
    ] {
        let read = read_password(input.as_bytes()).ok();
        assert_eq!(read.as_deref(), password.map(str::as_bytes), "{input:.10?}");
    }
}
