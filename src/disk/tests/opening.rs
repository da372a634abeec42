//! Opening a directory: which paths become one, which are refused, and the message for the user.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::super::note::with_sum;
use super::{Directory, Scratch, names, open, open_as, refusal, write};

/// Everything that an open could change in a directory: names, contents, and times of change.
fn state(path: &Path) -> Vec<(String, i64, i64, Vec<u8>)> {
    let own = fs::metadata(path).expect("it is there");
    let entry = |name: String| {
        let path = path.join(&name);
        let found = fs::symlink_metadata(&path).expect("it is there");
        (name, found.ctime(), found.ctime_nsec(), fs::read(&path).unwrap_or_default())
    };
    let own = (String::new(), own.ctime(), own.ctime_nsec(), Vec::new());
    names(path).into_iter().map(entry).chain([own]).collect()
}

// A missing directory is made with its parents, for this user only; its FORMAT is as documented.
#[test]
fn missing_directory_is_made() {
    let scratch = Scratch::new();
    let path = scratch.0.join("a/b/data");
    let directory = open_as(&path, Some(3), 8).expect("it can be made");
    assert_eq!(directory.shards(), 3);
    for made in ["a", "a/b", "a/b/data"] {
        let mode = fs::metadata(scratch.0.join(made)).expect("it was made").permissions().mode();
        assert_eq!(mode & 0o7777, 0o700, "{made}");
    }
    assert_eq!(names(&path), ["FORMAT", "LOCK", "shard-0", "shard-1", "shard-2"]);
    let format = fs::read_to_string(path.join("FORMAT")).expect("it was written");
    assert_eq!(format, "ringmq data, format 5\nshards 3\nsum 8e8b077c\n");
    assert_eq!(fs::read(path.join("LOCK")).expect("it was made"), b"");
}

// The number of shards is the directory's, else the requested one, else the default.
#[test]
fn shards_are_the_directory_s() {
    for (first, again, shards) in [
        ((None, 2), (None, 5), 2),
        ((None, 64), (Some(64), 1), 64),
        ((Some(1), 4), (None, 4), 1),
        ((Some(7), 4), (Some(7), 4), 7),
    ] {
        let scratch = Scratch::new();
        for (asked, default) in [first, again] {
            let directory = open_as(&scratch.data(), asked, default).expect("it is fine");
            assert_eq!(directory.shards(), shards, "{first:?} {again:?}");
        }
    }
}

// A directory with files of an interrupted start or of mkfs is not foreign.
#[test]
fn empty_directories() {
    for name in ["", "LOCK", "FORMAT.new", "lost+found/", "shard-0/", "shard-0/EXTENT.new"] {
        let scratch = Scratch::new();
        if name.starts_with("shard-0/") {
            fs::create_dir(scratch.0.join("shard-0")).expect("it is new");
        }
        match name.strip_suffix('/') {
            Some(name) => fs::create_dir_all(scratch.0.join(name)).expect("it is new"),
            None if name.is_empty() => {}
            None => write(&scratch.0.join(name), b"ringmq data, for"),
        }
        let directory = open(&scratch.0);
        assert_eq!(directory.shards(), 1, "{name}");
        assert_eq!(directory.shard(0).expect("it is made").fault(), None, "{name}");
        drop(directory);
        assert_eq!(open(&scratch.0).shards(), 1, "{name}, again");
        assert!(!names(&scratch.0).contains(&"FORMAT.new".to_owned()), "{name}");
    }
}

// A directory of format 1 is converted to format 5 when it is opened for writing, and not before.
// Then each shard has an `EXTENT`, even if only that was made. A missing one is reported.
#[test]
fn format_1_is_taken_over() {
    let scratch = Scratch::new();
    let format = scratch.0.join("FORMAT");
    let old = "ringmq data, format 1\nshards 1\n";
    write(&format, old.as_bytes());
    write(&scratch.0.join("VHOSTS"), b"next 2\n1 tenant\n");
    let segment = scratch.0.join("shard-0/00000000000000000003.segment");
    fs::create_dir(scratch.0.join("shard-0")).expect("it is new");
    write(&segment, &[7; 4096]);
    let fault = |directory: &Directory| directory.shard(0).expect("it can be read").fault();
    let read = Directory::open_read_only(&scratch.0).expect("it is fine");
    assert_eq!(fault(&read), None);
    assert_eq!(fs::read_to_string(&format).expect("it is there"), old);
    drop(read);
    for _ in 0..2 {
        let directory = open(&scratch.0);
        assert_eq!(fault(&directory), None);
        assert_eq!(directory.vhosts().expect("they are fine").find("tenant"), Some(1));
        let now = fs::read_to_string(&format).expect("it is there");
        assert!(now.starts_with("ringmq data, format 5\nshards 1\nsum "), "{now:?}");
    }
    fs::remove_file(scratch.0.join("shard-0/EXTENT")).expect("it is there");
    let (path, what) = fault(&open(&scratch.0)).expect("it is gone");
    assert!(path.ends_with("shard-0/EXTENT") && what.starts_with("it is missing"), "{what}");
    write(&scratch.0.join("shard-0/EXTENT"), b"start 0\n");
    let (path, what) = fault(&open(&scratch.0)).expect("it has no sum");
    assert!(path.ends_with("shard-0/EXTENT") && what.starts_with("it is damaged"), "{what}");
    fs::remove_dir_all(scratch.0.join("shard-0")).expect("it is there");
    let (path, what) = fault(&open(&scratch.0)).expect("all of it is gone");
    assert!(path.ends_with("shard-0") && what.starts_with("it is missing"), "{what}");
}

// Directories of formats 2 to 4 are converted to format 5 when they are opened for writing, and not
// before. They keep their shards, and a missing `EXTENT` is still reported.
#[test]
fn formats_2_to_4_are_taken_over() {
    (2..=4).for_each(format_is_taken_over);
}

fn format_is_taken_over(version: u32) {
    let scratch = Scratch::new();
    drop(open(&scratch.0).shard(0).expect("it can be read"));
    let format = scratch.0.join("FORMAT");
    let old = with_sum(&format!("ringmq data, format {version}\nshards 1\n"));
    write(&format, old.as_bytes());
    let read = Directory::open_read_only(&scratch.0).expect("it is fine");
    assert_eq!(read.shard(0).expect("it can be read").fault(), None);
    assert_eq!(fs::read_to_string(&format).expect("it is there"), old);
    drop(read);
    let directory = open(&scratch.0);
    assert_eq!((directory.shards(), directory.shard(0).expect("it is there").fault()), (1, None));
    let now = fs::read_to_string(&format).expect("it is there");
    assert!(now.starts_with("ringmq data, format 5\nshards 1\nsum "), "{now:?}");
    drop(directory);
    write(&format, old.as_bytes());
    fs::remove_file(scratch.0.join("shard-0/EXTENT")).expect("it is there");
    write(&scratch.0.join("shard-0/00000000000000000003.segment"), &[7; 4096]);
    let directory = open(&scratch.0);
    let (_, what) = directory.shard(0).expect("it is there").fault().expect("it is gone");
    assert!(what.starts_with("it is missing"), "{what}");
}

// A directory that cannot be used is not changed, and the message names the remedy.
#[test]
fn refused_directories_are_untouched() {
    let fine = "ringmq data, format 1\nshards 2\n";
    for (name, text, says) in [
        (
            "photo.jpg",
            "",
            "is not a ringmq data directory: it has files, and none is FORMAT; choose another",
        ),
        (".hidden", "", "is not a ringmq data directory"),
        ("shard-0", "", "is not a ringmq data directory"),
        ("shard-0/00000000000000000000.segment", "x", "is not a ringmq data directory"),
        ("FORMAT", "", "FORMAT is damaged: it must say \"ringmq data, format 1\""),
        ("FORMAT", "ringmq data, format 1\n", "FORMAT is damaged"),
        ("FORMAT", "ringmq data, format 2\nshards 1\nsum 64ea5b28\n", "FORMAT is damaged"),
        ("FORMAT", "ringmq data, format 6\nshards 1\n", "has format 6, and this ringmq knows"),
        ("FORMAT", "ringmq data, format 6\nshards 1\n", "formats up to 5; start the newer"),
        ("FORMAT", fine, "was made with --shards 2; start with --shards 2 or another --data-dir"),
    ] {
        let scratch = Scratch::new();
        let path = scratch.0.join(name);
        fs::create_dir_all(path.parent().expect("it is below")).expect("it is new");
        write(&path, text.as_bytes());
        let before = state(&scratch.0);
        let text = refusal(Directory::open(&scratch.0, Some(1), 1));
        let names_it = text.starts_with(&scratch.0.display().to_string());
        assert!(names_it && text.contains(says), "{name}: {text}");
        assert_eq!(state(&scratch.0), before, "{name}");
    }
}

// A path that is not a directory, or cannot become one, is named with the system's reason.
#[test]
fn impossible_paths() {
    let scratch = Scratch::new();
    let file = scratch.0.join("file");
    write(&file, b"");
    fs::create_dir_all(scratch.0.join("odd/FORMAT")).expect("it is new");
    for (path, says) in [
        (file.clone(), format!("{} is not a directory; choose another", file.display())),
        (file.join("data"), format!("cannot open {}/data: Not a directory", file.display())),
        (Path::new("/proc/ringmq-data").into(), "cannot create /proc/ringmq-data: ".to_owned()),
        (scratch.0.join("odd"), format!("cannot read {}/odd/FORMAT: ", scratch.0.display())),
    ] {
        let text = refusal(Directory::open(&path, None, 1));
        assert!(text.starts_with(&says), "{text}");
    }
}

// Only one process uses a directory: a second broker, a reader, and a second reader are refused.
#[test]
fn one_at_a_time() {
    let scratch = Scratch::new();
    let path = scratch.data();
    let broker = open(&path);
    let in_use = format!("{} is in use by another ringmq; stop that one or", path.display());
    assert!(refusal(Directory::open(&path, None, 1)).starts_with(&in_use));
    assert!(refusal(Directory::open_read_only(&path)).starts_with(&in_use));
    drop(broker);
    let reader = Directory::open_read_only(&path).expect("nobody has it");
    assert!(refusal(Directory::open_read_only(&path)).starts_with(&in_use));
    assert!(refusal(Directory::open(&path, None, 1)).starts_with(&in_use));
    drop(reader);
    open(&path);
}

// The directory is locked as long as its files exist.
#[test]
fn lock_outlives_the_directory() {
    let scratch = Scratch::new();
    let path = scratch.data();
    let files = open(&path).shard(0).expect("it can be read");
    assert!(refusal(Directory::open(&path, None, 1)).contains("in use"));
    drop(files);
    open(&path);
}

// A reader makes nothing: no directory, no lock, no directory of a shard.
#[test]
fn reader_makes_nothing() {
    let scratch = Scratch::new();
    let path = scratch.data();
    let text = refusal(Directory::open_read_only(&path));
    assert!(text.starts_with(&format!("there is no directory {}", path.display())), "{text}");
    let text = refusal(Directory::open_read_only(&scratch.0));
    assert!(text.ends_with("is not a ringmq data directory: it has no FORMAT"), "{text}");
    assert_eq!(names(&scratch.0), Vec::<String>::new());

    drop(open_as(&path, Some(2), 1).expect("it can be made"));
    for has_lock in [true, false] {
        if !has_lock {
            fs::remove_file(path.join("LOCK")).expect("nobody has it");
        }
        let before = state(&path);
        let directory = Directory::open_read_only(&path).expect("it is fine");
        assert_eq!(directory.shards(), 2);
        let mut files = directory.shard(1).expect("it has never run");
        assert!(files.take_found().is_empty());
        assert_eq!(state(&path), before);
    }
}
