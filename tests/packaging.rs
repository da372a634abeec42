//! The installation of the broker: the script, the unit for systemd, the profile for containers.

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

/// Programs, manual, completions, unit and flags are installed with the right paths and modes; a
/// second installation keeps an operator's changes.
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
                ("etc/ringmq/ringmq.toml".to_owned(), 0o644),
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
            // The flags name the configuration file. Neither of the two is written a second time.
            for (path, has, changed) in [
                (
                    "etc/default/ringmq",
                    "\nRINGMQ_FLAGS=--config /etc/ringmq/ringmq.toml\n",
                    "x=1\n",
                ),
                ("etc/ringmq/ringmq.toml", "\n# max-inflight = 65535\n", "max-inflight = 7\n"),
            ] {
                let path = root.join(path);
                let found = fs::read_to_string(&path).expect("it is there");
                let is_kept = found == changed;
                assert!(is_kept || round == 0 && found.contains(has), "{found}");
                fs::write(&path, changed).expect("it is ours");
            }
        }
        fs::remove_dir_all(root).expect("it is ours");
    }
}

/// Every file below a directory, by its path from there.
fn files_below(root: &Path) -> Vec<String> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it is there") {
            let path = entry.expect("it can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let path = path.strip_prefix(root).expect("it is below");
                files.push(path.to_str().expect("it is text").to_owned());
            }
        }
    }
    files.sort();
    files
}

/// Installed files are removed; configuration and data only on request.
#[test]
fn uninstalls() {
    let programs = Path::new(env!("CARGO_BIN_EXE_ringmq")).parent().expect("it is in one");
    let programs = programs.to_str().expect("it is text");
    for prefix in ["/usr", "/opt/ringmq"] {
        let directory = DataDir::fresh();
        let root = directory.path();
        let shown = root.to_str().expect("it is text");
        let place = ["--root", shown, "--prefix", prefix];
        let output = install(&[&place[..], &["--binaries", programs]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let kept = [
            "etc/default/ringmq",
            "etc/ringmq/passwords",
            "etc/ringmq/ringmq.toml",
            "var/lib/ringmq/FORMAT",
        ];
        fs::create_dir_all(root.join("var/lib/ringmq")).expect("it is ours");
        fs::write(root.join(kept[1]), "").expect("it is ours");
        fs::write(root.join(kept[3]), "").expect("it is ours");
        for _ in 0..2 {
            let output = install(&[&["--uninstall"], &place[..]].concat());
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            assert_eq!(files_below(root), kept, "{prefix}");
            for path in ["etc/default/ringmq", "etc/ringmq", "var/lib/ringmq"] {
                assert!(said.contains(&format!("left: {shown}/{path} ")), "{said}");
            }
        }
        let output = install(&[&["--uninstall", "--purge"], &place[..]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(files_below(root), [""; 0], "{prefix}");
        assert!(!root.join("etc/ringmq").exists() && !root.join("var/lib/ringmq").exists());
    }
    let output = install(&["--purge", "--root", "/nowhere"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("--uninstall"), "{said}");
}

/// A directory with the programs of an installation. What stands for the bridge is another program.
fn programs_with_bridge(directory: &Path) -> String {
    let programs = Path::new(env!("CARGO_BIN_EXE_ringmq")).parent().expect("it is in one");
    fs::create_dir(directory).expect("nobody else has it");
    for (name, is) in
        [("ringmq", "ringmq"), ("ringmq-store", "ringmq-store"), ("ringmq-bridge", "ringmq")]
    {
        std::os::unix::fs::symlink(programs.join(is), directory.join(name)).expect("it is ours");
    }
    directory.to_str().expect("it is text").to_owned()
}

/// The bridge is installed on request, with its unit, its manual, completions and a configuration
/// that is kept; it is removed with the broker.
#[test]
fn installs_the_bridge() {
    let (directory, programs) = (DataDir::fresh(), DataDir::fresh());
    let programs = programs_with_bridge(programs.path());
    let root = directory.path();
    let place = ["--root", root.to_str().expect("it is text"), "--prefix", "/opt/ringmq"];
    let settings = root.join("etc/ringmq/bridge.toml");
    for _ in 0..2 {
        let output = install(&[&place[..], &["--bridge", "--binaries", &programs]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for (path, mode) in [
            ("opt/ringmq/bin/ringmq-bridge", 0o755),
            ("opt/ringmq/share/man/man1/ringmq-bridge.1", 0o644),
            ("opt/ringmq/share/bash-completion/completions/ringmq-bridge", 0o644),
            ("opt/ringmq/share/fish/vendor_completions.d/ringmq-bridge.fish", 0o644),
            ("opt/ringmq/share/zsh/site-functions/_ringmq-bridge", 0o644),
            ("etc/systemd/system/ringmq-bridge.service", 0o644),
            ("etc/ringmq/bridge.toml", 0o644),
        ] {
            let found = fs::metadata(root.join(path));
            let found = found.unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(found.permissions().mode() & 0o7777, mode, "{path}");
        }
        let unit = fs::read_to_string(root.join("etc/systemd/system/ringmq-bridge.service"));
        let unit = unit.expect("it is there");
        for (key, verb) in [("ExecStartPre", "check"), ("ExecStart", "run")] {
            let file = "/etc/ringmq/bridge.toml";
            assert_eq!(
                values(&unit, key),
                [format!("/opt/ringmq/bin/ringmq-bridge {verb} {file}")]
            );
        }
        assert_eq!(values(&unit, "Type"), ["notify"]);
        let text = fs::read_to_string(&settings).expect("it is there");
        assert!(text == "changed" || text.contains("[[sink]]"), "{text}");
        fs::write(&settings, "changed").expect("it is ours");
    }
    let output = install(&[&["--uninstall"], &place[..]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let kept = ["etc/default/ringmq", "etc/ringmq/bridge.toml", "etc/ringmq/ringmq.toml"];
    assert_eq!(files_below(root), kept);
    let output = install(&[&["--bridge", "--binaries", "/nowhere"], &place[..]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("/nowhere/ringmq"), "{said}");
}

/// Both kinds of package have every installed file, and keep an operator's changes; their scripts
/// are valid shell.
#[test]
fn packages_are_whole() {
    let (directory, programs) = (DataDir::fresh(), DataDir::fresh());
    let programs = programs_with_bridge(programs.path());
    let shown = directory.path().to_str().expect("it is text");
    let place = ["--root", shown, "--prefix", "/usr", "--bridge"];
    let output = install(&[&place[..], &["--binaries", &programs]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).expect("it is there");
    let section = |name: &str| {
        let (_, rest) = manifest.split_once(&format!("[package.metadata.{name}]\n")).expect(name);
        rest.split("\n[").next().expect("split gives at least one").to_owned()
    };
    let (deb, rpm) = (section("deb"), section("generate-rpm"));
    for file in files_below(directory.path()) {
        let packed = if file.contains("/man/") { format!("{file}.gz") } else { file };
        let source = format!("\"target/package/root/{packed}\"");
        assert!(deb.contains(&source) && rpm.contains(&source), "{packed}");
        let is_config = packed.starts_with("etc/");
        assert_eq!(deb.contains(&format!("\"/{packed}\"")), is_config, "{packed}");
        let line = rpm.lines().find(|line| line.contains(&source)).expect("it is there");
        assert_eq!(line.contains("config = \"noreplace\""), is_config, "{packed}");
    }
    for script in ["postinst", "prerm", "postrm"] {
        let path = repository().join("scripts/packages").join(script);
        let output = run(Path::new("/bin/sh"), &["-n", path.to_str().expect("it is text")]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(rpm.contains(&format!("\"scripts/packages/{script}\"")), "{script}");
    }
}

/// Runs the packages' scripts where `/etc` is a copy, `/run` is empty and only our user is to be
/// made.
const IN_A_COPY: &str = r#"
set -e
cp -a /etc "$1/etc" && mkdir "$1/sysusers" && cp "$2/ringmq.sysusers" "$1/sysusers/ringmq.conf"
mkdir -p /usr/lib/sysusers.d
mount --bind "$1/etc" /etc
mount --bind "$1/sysusers" /usr/lib/sysusers.d
mount -t tmpfs none /run
rm -rf /etc/ringmq
# As dpkg unpacks it.
mkdir -m 755 /etc/ringmq
for version in "" 0.1.0-1; do
    sh "$2/packages/postinst" configure "$version" >&2
    getent passwd ringmq | cut -d : -f 1,6,7
    stat -c "%U %G %a" /etc/ringmq
done
chgrp daemon /etc/ringmq
chmod 700 /etc/ringmq
sh "$2/packages/postinst" configure 0.1.0-1 >&2
stat -c "%U %G %a" /etc/ringmq
sh "$2/packages/prerm" upgrade 0.2.0-1
touch /etc/ringmq/passwords
for round in kept gone; do
    sh "$2/packages/prerm" remove
    sh "$2/packages/postrm" purge
    [ -d /etc/ringmq ] && echo kept || echo gone
    rm -f /etc/ringmq/passwords
done
"#;

/// A package's scripts make the user and its directory for each version, and keep an operator's
/// files.
#[test]
fn maintainer_scripts() {
    if !rustix::process::geteuid().is_root() {
        println!("only root can make users, be it in a copy of /etc");
        return;
    }
    let directory = DataDir::fresh();
    fs::create_dir(directory.path()).expect("nobody else has it");
    let scripts = repository().join("scripts");
    let (copy, scripts) = (directory.path().to_str(), scripts.to_str());
    let (copy, scripts) = (copy.expect("it is text"), scripts.expect("it is text"));
    let words = ["--mount", "--", "sh", "-c", IN_A_COPY, "sh", copy, scripts];
    let output = run(Path::new("/usr/bin/unshare"), &words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let made = "ringmq:/var/lib/ringmq:/usr/sbin/nologin\nroot ringmq 750\n";
    let expected = format!("{made}{made}root daemon 700\nkept\ngone\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{said}");
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

/// Each script reports wrong options in one line, with status 2, and does nothing; --help lists the
/// options.
#[test]
fn scripts_refuse_alike() {
    let with_values: [(&str, &[&str], &[&str]); 7] = [
        ("crash-test", &["--rounds", "--shards", "--seed", "--durability"], &[]),
        ("backlog-test", &["--messages", "--durability"], &["--data-dir"]),
        ("session-memory", &["--sessions", "--messages", "--payload", "--settle"], &[]),
        ("load-test", &["--port", "--pid", "--duration"], &["--host", "--only"]),
        ("install", &[], &["--prefix", "--root", "--binaries"]),
        ("package", &[], &["--binaries"]),
        (
            "admin-cost",
            &["--only", "--pairs", "--duration", "--clients", "--shards", "--scrapes"],
            &["--ask", "--stream", "--binaries"],
        ),
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
    let helpful = ["crash-test", "backlog-test", "session-memory", "load-test", "install", "test"];
    for script in helpful.into_iter().chain(["package", "admin-cost"]) {
        for flag in ["-h", "--help"] {
            let output = run(&repository().join("scripts").join(script), &[flag]);
            assert!(output.status.success() && output.stderr.is_empty(), "{script} {flag}");
            assert!(output.stdout.len() > 100, "{script} {flag}");
        }
    }
}

/// The unit matches the broker's behaviour, and permits the calls of io_uring.
#[test]
fn unit_fits_the_broker() {
    let unit = unit();
    for (key, value) in [
        ("Type", "notify"),
        ("WatchdogSec", "60"),
        ("Restart", "on-failure"),
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

/// systemd finds no fault in it. scripts/test installs the program that asks it.
#[test]
fn systemd_takes_the_unit() {
    let analyze = PathBuf::from("/usr/bin/systemd-analyze");
    assert!(analyze.exists(), "systemd-analyze, of Debian's package systemd, is not here");
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
        // It exits with 0 in any case.
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().filter(|line| line.contains("ringmq.service")).collect();
        match fault {
            None => assert!(said.is_empty() && output.status.success(), "{said:?}"),
            Some(fault) => assert!(said.iter().any(|line| line.contains(fault)), "{said:?}"),
        }
    }
}

/// The page's addition to a container profile is JSON, and names the calls.
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
