//! Failures while a directory is made: damage, a full disk, a kill, much data and little memory.
//! The old directory is unchanged, and an incomplete one cannot be used.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::Signal;

use crate::common::{Broker, Client, DataDir, End, connect, publish, resume_as, run_to_exit};
use crate::tools::{assert_sound, data, files, reshard, store, text};

/// A broker of one shard that has ended with messages in several segments. Payloads begin with
/// their number in five digits.
fn with_messages(count: u16, payload_bytes: usize) -> Broker {
    let mut broker = Broker::start(1);
    let reader = Client::connect_with(&broker, &connect("reader").persistent());
    reader.subscribe_and_leave("t/#", 1);
    let mut publisher = Client::connect(&broker, "writer");
    for id in 1..=count {
        let mut payload = format!("{id:05}").into_bytes();
        payload.resize(payload_bytes, b'.');
        publisher.publish(&publish("t/a", payload).qos1(id));
    }
    broker.end(End::Stopped);
    broker
}

/// Numbers of the messages that wait, in order.
#[track_caller]
fn waiting(dir: &Path) -> Vec<u16> {
    let said = store(&["dump", "--session", "reader", text(dir)]);
    let payload = |line: &serde_json::Value| line["payload"].as_str()?[..5].parse().ok();
    said.lines().iter().filter_map(payload).collect()
}

/// Changes a byte of a message; returns its file.
fn damage(dir: &Path, number: &str) -> PathBuf {
    let find = |(path, bytes): (PathBuf, Vec<u8>)| {
        Some((path, bytes.windows(5).position(|window| window == number.as_bytes())?))
    };
    let (path, at) = files(dir).into_iter().find_map(find).expect("it stands in a segment");
    let file = File::options().write(true).open(&path).expect("it is ours");
    file.write_all_at(b"9", at as u64).expect("it is writable");
    path
}

/// Damage anywhere is reported and nothing is created; with a flag everything else is copied.
#[test]
fn damage_is_told_or_left_out() {
    let broker = with_messages(600, 8_000);
    let dir = broker.data_dir();
    let mut left: Vec<u16> = (1..=600).collect();
    for number in [590, 3] {
        let path = damage(dir, &format!("{number:05}"));
        left.retain(|other| *other != number);
        let (untouched, new) = (files(dir), DataDir::fresh());
        let words = ["reshard", text(dir), "--shards", "2", "--to", text(new.path())];
        let said = data(&words);
        assert_eq!(said.code, Some(1), "{number}");
        assert!(said.err.contains("--skip-damaged"), "{number}: {}", said.err);
        // The first damage is still there when the second is made.
        let is_told = said.err.contains(text(&path)) || number == 3;
        assert!(is_told && said.err.contains("is damaged"), "{number}: {}", said.err);
        assert!(!new.path().exists(), "{number}: something is left");
        let said = data(&[&words[..], &["--skip-damaged"]].concat());
        assert_eq!(said.code, Some(0), "{number}: {}", said.err);
        assert!(said.out.contains("left out"), "{number}: {}", said.out);
        assert_sound(new.path());
        assert_eq!(waiting(new.path()), left);
        assert!(files(dir) == untouched, "{number}");
    }
}

/// Runs `ringmq data reshard DIR --shards 2 --to NEW` behind commands of the shell.
fn reshard_under(commands: &str, dir: &Path, new: &Path) -> Output {
    let mut shell = Command::new("sh");
    let line = format!("{commands} \"$0\" data reshard \"$1\" --shards 2 --to \"$2\"");
    shell.args(["-c", &line, env!("CARGO_BIN_EXE_ringmq"), text(dir), text(new)]);
    shell.output().expect("there is a shell")
}

/// A full disk leaves nothing behind, and the error has the reason.
#[test]
fn a_full_disk() {
    let broker = with_messages(600, 8_000);
    let (untouched, place) = (files(broker.data_dir()), DataDir::fresh());
    fs::create_dir(place.path()).expect("nobody else has it");
    // The mount ends with the program that made it, so the rest is listed there.
    let script = "mount -t tmpfs -o size=4m none \"$2\" && \
                  \"$0\" data reshard \"$1\" --shards 2 --to \"$2/new\"; echo $? $(ls -A \"$2\")";
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "--", "sh", "-c", script, env!("CARGO_BIN_EXE_ringmq")]);
    command.args([broker.data_dir(), place.path()]);
    let output = command.output().expect("unshare(1) of util-linux is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("No space left on device"), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "1", "{said}");
    assert!(files(broker.data_dir()) == untouched);
    fs::remove_dir_all(place.path()).expect("it is ours");
}

/// The directory of a killed run is refused by all programs, with advice.
#[test]
fn killed_half_way() {
    let broker = with_messages(2_000, 8_000);
    let (untouched, new) = (files(broker.data_dir()), DataDir::fresh());
    // Its first files are of 1 MiB, and later ones larger.
    let limits = "ulimit -c 0; ulimit -f 4000;";
    let output = reshard_under(limits, broker.data_dir(), new.path());
    let signal = output.status.code().map(|code| code - 128).or(output.status.signal());
    assert_eq!(signal, Some(Signal::XFSZ.as_raw()), "{output:?}");
    assert!(new.path().join("shard-1").exists(), "it came so far");

    let (code, said) = run_to_exit(&["--data-dir", text(new.path())]);
    assert!(code != Some(0) && said.contains("is not finished"), "{said}");
    let said = store(&["check", text(new.path())]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("is not finished"), "{}", said.err);
    let words = ["reshard", text(broker.data_dir()), "--shards", "2", "--to", text(new.path())];
    let said = data(&words);
    assert!(said.code == Some(1) && said.err.contains("is not empty"), "{}", said.err);
    assert!(files(broker.data_dir()) == untouched);
    fs::remove_dir_all(new.path()).expect("it is ours");
    reshard(broker.data_dir(), 2, new.path());
    assert_eq!(waiting(new.path()).len(), 2_000);
}

/// A backlog larger than the memory is copied.
#[test]
fn little_memory() {
    const MESSAGES: u16 = 1_500;
    let broker = with_messages(MESSAGES, 64_000);
    let new = DataDir::fresh();
    // 32 MiB for 92 MiB of messages.
    let output = reshard_under("ulimit -d 32768;", broker.data_dir(), new.path());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(waiting(new.path()), (1..=MESSAGES).collect::<Vec<_>>());
}

/// A session and a retained message of a vhost are where the vhost's name puts them.
#[test]
fn vhosts_come_along() {
    let vhosts = DataDir::fresh();
    for name in ["a", "b"] {
        fs::create_dir_all(vhosts.path().join(name)).expect("it is ours");
        let acl = "topic readwrite #\n";
        fs::write(vhosts.path().join(name).join("acl"), acl).expect("it is ours");
    }
    let flags = ["--vhosts", text(vhosts.path()), "--default-vhost", "b"];
    let mut broker = Broker::start_with(1, &flags);
    let ids: Vec<String> = (0..8).map(|number| format!("device-{number}")).collect();
    for id in &ids {
        let client = Client::connect_with(&broker, &connect(id).persistent());
        client.subscribe_and_leave("t", 1);
    }
    Client::connect(&broker, "writer").publish(&publish("t", "kept").qos1(1).retained());
    broker.end(End::Killed);
    let new = DataDir::fresh();
    reshard(broker.data_dir(), 4, new.path());
    let broker = Broker::start_with(4, &[&flags[..], &["--data-dir", text(new.path())]].concat());
    for id in &ids {
        let mut client = resume_as(&broker, id, true);
        client.expect_publish(&publish("t", "kept").at(1));
        client.leave();
    }
    let mut newcomer = Client::connect(&broker, "newcomer");
    newcomer.subscribe("t", 0);
    assert!(newcomer.read_publish().retain);
    broker.stop();
}

/// Files made by root belong to the owner of the old directory.
#[test]
fn the_owner_stays() {
    if !rustix::process::geteuid().is_root() {
        println!("only root can make what belongs to others");
        return;
    }
    let broker = with_messages(10, 100);
    let (owner, new, copy) = ((4711, 4712), DataDir::fresh(), DataDir::fresh());
    chown(broker.data_dir(), Some(owner.0), Some(owner.1)).expect("root may");
    reshard(broker.data_dir(), 2, new.path());
    let said = data(&["backup", text(broker.data_dir()), text(copy.path())]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    for made in [new.path(), copy.path()] {
        let shard = made.join("shard-0");
        let places = files(made).into_keys().chain([made.to_owned(), shard]);
        for path in places {
            let found = fs::metadata(&path).expect("it is there");
            assert_eq!((found.uid(), found.gid()), owner, "{}", path.display());
            assert_eq!(found.mode() & 0o077, 0, "{}", path.display());
        }
    }
}
