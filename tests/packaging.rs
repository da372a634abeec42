//! What the broker is installed with: the script, the unit for systemd, the profile for containers.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::DataDir;

const RING_CALLS: [&str; 3] = ["io_uring_setup", "io_uring_enter", "io_uring_register"];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a program to its end within a minute.
#[track_caller]
fn run(program: &Path, flags: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    command.arg("60").arg(program).args(flags).stdin(Stdio::null());
    command.output().expect("timeout, of Debian's coreutils, is there")
}

#[track_caller]
fn install(flags: &[&str]) -> Output {
    run(&repository().join("scripts/install"), flags)
}

fn unit() -> String {
    let path = repository().join("scripts/ringmq.service");
    fs::read_to_string(path).expect("the unit is there")
}

/// The values of a key, those of all its lines.
fn values(unit: &str, key: &str) -> Vec<String> {
    let lines = unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    lines.map(str::to_owned).collect()
}

/// Programs, manual, completions, unit and flags come where they belong, with the modes they need;
/// what an operator has changed stays when it is installed again.
#[test]
fn installs_below_a_root() {
    for (prefix, units) in
        [("/usr", "usr/lib/systemd/system"), ("/opt/ringmq-1.0/", "etc/systemd/system")]
    {
        let root = DataDir::fresh();
        let programs = Path::new(env!("CARGO_BIN_EXE_ringmq")).parent().expect("it is in one");
        let text = |path: &Path| path.to_str().expect("it is text").to_owned();
        let (root, programs) = (root.path().to_owned(), text(programs));
        let (shown, all) = (text(&root), ["--root", "--prefix", prefix, "--binaries", &programs]);
        let flags: Vec<&str> =
            [all[0], &shown].into_iter().chain(all[1..].iter().copied()).collect();
        for round in 0..2 {
            let output = install(&flags);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let bin = prefix.trim_matches('/').to_owned() + "/bin/";
            let share = prefix.trim_matches('/').to_owned() + "/share/";
            for (path, mode) in [
                (bin.clone() + "ringmq", 0o755),
                (bin + "ringmq-store", 0o755),
                (share.clone() + "man/man1/ringmq.1", 0o644),
                (share.clone() + "bash-completion/completions/ringmq", 0o644),
                (share.clone() + "fish/vendor_completions.d/ringmq.fish", 0o644),
                (share + "zsh/site-functions/_ringmq", 0o644),
                (format!("{units}/ringmq.service"), 0o644),
                ("etc/default/ringmq".to_owned(), 0o644),
                // Others may not look for keys in it; the user's group is not known here.
                ("etc/ringmq".to_owned(), 0o750),
            ] {
                let found = fs::metadata(root.join(&path));
                let found = found.unwrap_or_else(|error| panic!("{path}: {error}"));
                assert_eq!(found.permissions().mode() & 0o7777, mode, "{path}");
            }
            let unit = fs::read_to_string(root.join(units).join("ringmq.service"));
            let unit = unit.expect("it is there");
            let starts = values(&unit, "ExecStart");
            let program = format!("{}/bin/ringmq ", prefix.trim_end_matches('/'));
            assert!(starts.len() == 1 && starts[0].starts_with(&program), "{starts:?}");
            let reloads = values(&unit, "ExecReload");
            assert!(reloads.len() == 1 && reloads[0].starts_with(&program), "{reloads:?}");
            let defaults = root.join("etc/default/ringmq");
            let kept = fs::read_to_string(&defaults).expect("it is there");
            assert_eq!(kept == "RINGMQ_FLAGS=--shards 1\n", round == 1);
            fs::write(&defaults, "RINGMQ_FLAGS=--shards 1\n").expect("it is ours");
        }
        fs::remove_dir_all(root).expect("it is ours");
    }
}

/// Arguments that make no sense are named, and nothing is installed.
#[test]
fn refuses_wrong_arguments() {
    let root = DataDir::fresh();
    let root = root.path().to_str().expect("it is text");
    for (flags, says) in [
        (vec!["--rot", root], "--rot"),
        (vec!["--root"], "--root takes a directory"),
        (vec!["--root", root, "--prefix", "usr"], "absolute path"),
        (vec!["--root", root, "--prefix", "/u|s"], "--prefix takes letters"),
        (vec!["--root", root, "--binaries", "/nowhere"], "/nowhere/ringmq is missing"),
    ] {
        let output = install(&flags);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(says), "{flags:?}: {said}");
    }
    assert!(!Path::new(root).exists());
}

/// Each script tells of what is wrong with its options in one line, with status 2, and does
/// nothing; --help says what there is.
#[test]
fn scripts_refuse_alike() {
    let with_values: [(&str, &[&str], &[&str]); 5] = [
        ("crash-test", &["--rounds", "--shards", "--seed", "--durability"], &[]),
        ("backlog-test", &["--messages", "--durability"], &["--data-dir"]),
        ("session-memory", &["--sessions", "--messages", "--payload", "--settle"], &[]),
        ("load-test", &["--port", "--pid", "--duration"], &["--host", "--only"]),
        ("install", &[], &["--prefix", "--root", "--binaries"]),
    ];
    let scripts = with_values.iter().map(|(script, ..)| *script).chain(["check", "test"]);
    let mut cases: Vec<(&str, Vec<&str>, &str)> = Vec::new();
    for script in scripts {
        cases.push((script, vec!["--nonsense"], "--nonsense"));
    }
    for (script, checked, free) in with_values {
        for flag in checked.iter().chain(free) {
            cases.push((script, vec![*flag], "takes"));
        }
        for flag in checked {
            for value in ["x", "", "-1", "1x", "99999999999999999999"] {
                cases.push((script, vec![*flag, value], "takes"));
            }
        }
    }
    for (script, flags, says) in cases {
        let output = run(&repository().join("scripts").join(script), &flags);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{script} {flags:?}: {said}");
        assert!(said.contains(flags[0]) && said.contains(says), "{script} {flags:?}: {said}");
        assert!(said.lines().count() == 1, "{script} {flags:?}: {said}");
    }
    for script in ["crash-test", "backlog-test", "session-memory", "load-test", "install", "test"] {
        for flag in ["-h", "--help"] {
            let output = run(&repository().join("scripts").join(script), &[flag]);
            assert!(output.status.success() && output.stderr.is_empty(), "{script} {flag}");
            assert!(output.stdout.len() > 100, "{script} {flag}");
        }
    }
}

/// The unit says what the broker and its manager agree on, and allows what io_uring needs.
#[test]
fn unit_fits_the_broker() {
    let unit = unit();
    for (key, value) in [
        ("Type", "notify"),
        ("ExecReload", "/usr/bin/ringmq reload --data-dir %S/ringmq"),
        ("LimitMEMLOCK", "infinity"),
        ("ProtectSystem", "strict"),
        ("StateDirectory", "ringmq"),
        ("User", "ringmq"),
        ("NoNewPrivileges", "yes"),
    ] {
        assert_eq!(values(&unit, key), [value], "{key}");
    }
    let files: u64 = values(&unit, "LimitNOFILE")[0].parse().expect("a number");
    assert!(files >= 1_000_000);
    let filters = values(&unit, "SystemCallFilter");
    for call in RING_CALLS {
        assert!(filters[0].split(' ').any(|name| name == call), "{call}: {filters:?}");
    }
    // systemd would make it for root alone, and the user could not read passwords in it.
    assert_eq!(values(&unit, "ConfigurationDirectory"), [""; 0]);
    let families = &values(&unit, "RestrictAddressFamilies")[0];
    assert_eq!(families, "AF_INET AF_INET6 AF_NETLINK AF_UNIX");
}

/// systemd finds no fault in it, where there is a systemd to ask.
#[test]
fn systemd_takes_the_unit() {
    let analyze = PathBuf::from("/usr/bin/systemd-analyze");
    if !analyze.exists() {
        println!("no systemd-analyze here");
        return;
    }
    let directory = DataDir::fresh();
    fs::create_dir(directory.path()).expect("nobody else has it");
    let path = directory.path().join("ringmq.service");
    let shown = path.to_str().expect("it is text");
    // It looks for the program as well.
    let installed =
        unit().replace("=/usr/bin/ringmq ", concat!("=", env!("CARGO_BIN_EXE_ringmq"), " "));
    let broken = installed.replace("io_uring_setup", "io_uring_setip");
    for (text, fault) in [(installed, None), (broken, Some("io_uring_setip"))] {
        fs::write(&path, text).expect("the directory is ours");
        let output = run(&analyze, &["verify", shown]);
        // It ends with 0 whatever it thinks.
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().filter(|line| line.contains("ringmq.service")).collect();
        match fault {
            None => assert!(said.is_empty() && output.status.success(), "{said:?}"),
            Some(fault) => assert!(said.iter().any(|line| line.contains(fault)), "{said:?}"),
        }
    }
}

/// What the page has containers add to their profile is JSON, and names the calls.
#[test]
fn container_profile_is_whole() {
    let page = fs::read_to_string(repository().join("docs/install.md")).expect("it is there");
    let fragment = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
    let fragment: serde_json::Value =
        serde_json::from_str(fragment.expect("there is one")).expect("it is JSON");
    let names: Vec<&str> =
        fragment["names"].as_array().expect("a list").iter().filter_map(|n| n.as_str()).collect();
    assert_eq!(names, RING_CALLS);
    assert_eq!(fragment["action"], "SCMP_ACT_ALLOW");
}
