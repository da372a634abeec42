//! Directories that a broker must not use: it ends with 1, gives advice, and changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{FlockOperation, flock};

use super::{Place, listing, on_tmpfs, text};
use crate::common::{Broker, Client, End, publish, resume_as, run_to_exit};

/// A start on `data` ends with 1 and says each of these; nothing below `around` is changed.
#[track_caller]
fn expect_refused(data: &Path, flags: &[&str], says: &[&str], around: &Path) {
    let before = listing(around);
    let flags = [&["--listen", "127.0.0.1:0", "--data-dir", text(data)], flags].concat();
    let (code, said) = run_to_exit(&flags);
    assert_eq!(code, Some(1), "{flags:?}: {said}");
    for says in says {
        assert!(said.contains(says), "{says:?} is not in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    assert!(listing(around) == before, "{flags:?} changed the directory");
}

/// Makes a data directory of one shard that has a `FORMAT` of this text.
fn make_format(path: &Path, format: &str) {
    fs::create_dir_all(path.join("shard-0")).expect("the place is ours");
    fs::write(path.join("FORMAT"), format).expect("the place is ours");
}

/// A path that is no directory, not ours, or of another version or number of shards.
#[test]
fn not_ours() {
    let place = Place::make();
    let at = |name: &str| place.0.join(name);
    fs::write(at("file"), "text").expect("the place is ours");
    fs::create_dir(at("foreign")).expect("the place is ours");
    fs::write(at("foreign/letter.txt"), "dear").expect("the place is ours");
    make_format(&at("newer"), "ringmq data, format 999\nshards 1\nmore\n");
    make_format(&at("damaged"), "ringmq data, for");
    make_format(&at("two"), "ringmq data, format 1\nshards 2\n");
    let another = "choose another with --data-dir";
    for (name, flags, says) in [
        ("file", &[][..], [text(&at("file")), another]),
        ("file/below", &[], [text(&at("file/below")), "--data-dir"]),
        ("file/far/below", &[], [text(&at("file/far/below")), "--data-dir"]),
        ("foreign", &[], [text(&at("foreign")), "--data-dir"]),
        ("newer", &[], ["format 999", "start the newer ringmq"]),
        ("damaged", &[], [text(&at("damaged/FORMAT")), "shards N"]),
        ("two", &["--shards", "1"], [text(&at("two")), "start with --shards 2"]),
        ("two", &["--shards", "3"], [text(&at("two")), "start with --shards 2"]),
    ] {
        println!("{name} {flags:?}");
        expect_refused(&at(name), flags, &says, &place.0);
    }
}

/// A locked directory.
#[test]
fn in_use() {
    let place = Place::make();
    make_format(&place.0, "ringmq data, format 1\nshards 1\n");
    let lock = fs::File::create(place.0.join("LOCK")).expect("the place is ours");
    flock(&lock, FlockOperation::LockExclusive).expect("nobody else has it");
    expect_refused(&place.0, &[], &[text(&place.0), "in use", "--data-dir"], &place.0);
}

/// A file system without room for the shards, whatever else it contains.
#[test]
fn too_small() {
    on_tmpfs("trouble::refused::too_small", "7m", || {
        let around = std::env::temp_dir();
        for data in [around.clone(), around.join("missing/below")] {
            let says = [text(&data), "7168 KiB", "8192 KiB", "--segment-bytes", "--shards"];
            expect_refused(&data, &["--shards", "2"], &says, &around);
        }
        let broker = Broker::start_with(1, &["--segment-bytes", "64MiB"]);
        resume_as(&broker, "subscriber", false).subscribe_and_leave("queue", 1);
        Client::connect(&broker, "publisher").publish(&publish("queue", "x").qos1(1));
        resume_as(&broker, "subscriber", true).expect_publish(&publish("queue", "x").at(1));
        broker.stop();
    });
}

/// A missing directory is created, with its parents, readable by the owner only.
#[test]
fn missing_is_made() {
    let place = Place::make();
    let data = place.0.join("a/b");
    let broker = Broker::start_with(1, &["--data-dir", text(&data)]);
    for path in [&place.0.join("a"), &data, &data.join("shard-0")] {
        let mode = fs::metadata(path).expect("it is made").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", path.display());
    }
    resume_as(&broker, "subscriber", false).subscribe_and_leave("queue", 1);
    broker.stop();
}

/// Makes the mount of the temporary directory writable or read-only. A user namespace cannot change
/// that of the file system itself.
fn remount(how: &str) {
    let options = format!("remount,bind,{how}");
    let status = Command::new("mount").args(["-o", &options]).arg(std::env::temp_dir()).status();
    assert!(status.expect("mount(8) is there").success(), "mount -o {options}");
}

/// A read-only file system is refused, with or without a directory; when it is writable again all
/// data is present.
#[test]
fn read_only() {
    on_tmpfs("trouble::refused::read_only", "24m", || {
        let mut broker = Broker::start(1);
        resume_as(&broker, "subscriber", false).subscribe_and_leave("queue", 1);
        let mut publisher = Client::connect(&broker, "publisher");
        publisher.publish(&publish("queue", "x").qos1(1));
        broker.end(End::Killed);
        let data = broker.data_dir().to_owned();
        let empty = data.with_file_name("empty");
        fs::create_dir(&empty).expect("the tmpfs is ours");
        remount("ro");
        for path in [&data, &empty, &data.with_file_name("missing")] {
            let says = [text(path), "ead-only file system", "--data-dir"];
            expect_refused(path, &[], &says, &std::env::temp_dir());
        }
        remount("rw");
        broker.start_again();
        resume_as(&broker, "subscriber", true).expect_publish(&publish("queue", "x").at(1));
    });
}
