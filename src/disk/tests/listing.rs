//! The files that are found in a shard's directory.

use std::fs;
use std::path::Path;

use super::{Directory, Scratch, log_files, open, open_as, write};
use crate::disk::ShardFiles;
use crate::store::{FileId, Found};

/// Number and bytes of the files found.
fn found(files: &mut ShardFiles) -> Vec<(u64, Vec<u8>)> {
    let of = |found: Found| (found.id.0, found.mapping.bytes().to_vec());
    files.take_found().into_iter().map(of).collect()
}

fn segment(folder: &Path, number: u64, bytes: &[u8]) {
    write(&folder.join(format!("{number:020}.segment")), bytes);
}

// A shard's directory is made; it is empty, and the first number is 0.
#[test]
fn fresh_shards() {
    let scratch = Scratch::new();
    let directory = open_as(&scratch.data(), Some(2), 1).expect("it can be made");
    for shard in [1, 0] {
        let mut files = directory.shard(shard).expect("it can be made");
        assert!(files.take_found().is_empty());
        assert_eq!(files.next_id(), FileId(0));
        let path = scratch.data().join(format!("shard-{shard}/00000000000000000007.segment"));
        assert_eq!(files.path(FileId(7)), path);
    }
    assert_eq!(log_files(&scratch.data()), ["FORMAT", "LOCK", "shard-0", "shard-1"]);
}

// Files are found in the order of their numbers, whatever their length, except free ones, which
// begin with a header of zeros.
#[test]
fn files_in_order() {
    let scratch = Scratch::new();
    let directory = open(&scratch.data());
    let folder = scratch.data().join("shard-0");
    let mut late = vec![0; 100];
    late[63] = 1;
    segment(&folder, 100, &late);
    segment(&folder, 9, b"");
    segment(&folder, 20, &[0; 63]);
    segment(&folder, 3, &[0; 64]);
    segment(&folder, 4, &[[0; 64], [1; 64]].concat());
    segment(&folder, 5, &[7; 5000]);
    let mut files = directory.shard(0).expect("it can be read");
    let expected = [(5, vec![7; 5000]), (9, vec![]), (20, vec![0; 63]), (100, late)];
    assert_eq!(found(&mut files), expected);
    assert!(files.take_found().is_empty(), "they are given once");
    assert_eq!(files.next_id(), FileId(101));
}

// A new number is above every number found, including those of files set aside or of a foreign
// owner. A file with a foreign name is ignored and stays.
#[test]
fn numbers_and_strangers() {
    let scratch = Scratch::new();
    let directory = open(&scratch.data());
    let folder = scratch.data().join("shard-0");
    segment(&folder, 1, &[1; 64]);
    for (name, next) in [
        ("00000000000000000001.segment", 2),
        ("00000000000000000004.segment.damaged", 5),
        ("00000000000000000006.segment.damaged.12", 7),
        ("00000000000000000099.segment.bak", 7),
        ("18446744073709551616.segment", 7),
        ("notes.txt", 7),
    ] {
        write(&folder.join(name), &[1; 64]);
        let mut files = directory.shard(0).expect("it can be read");
        assert_eq!(found(&mut files), [(1, vec![1; 64])], "{name}");
        assert_eq!(files.next_id(), FileId(next), "{name}");
    }
    fs::create_dir(folder.join("00000000000000000008.segment")).expect("it is new");
    let mut files = directory.shard(0).expect("it can be read");
    assert_eq!((found(&mut files).len(), files.next_id()), (1, FileId(9)), "a directory");
    assert_eq!(log_files(&folder).len(), 7, "all are still there");
}

// Files that an earlier start began are removed, but not by a reader.
#[test]
fn begun_files() {
    let scratch = Scratch::new();
    drop(open(&scratch.data()));
    let folder = scratch.data().join("shard-0");
    write(&folder.join("00000000000000000002.segment.new"), &[0; 100]);
    segment(&folder, 1, &[1; 64]);
    segment(&folder, 3, &[0; 64]);
    let directory = Directory::open_read_only(&scratch.data()).expect("it is fine");
    let mut files = directory.shard(0).expect("it can be read");
    assert_eq!(found(&mut files), [(1, vec![1; 64])]);
    assert_eq!(log_files(&folder).len(), 3);
    drop((directory, files));
    let mut files = open(&scratch.data()).shard(0).expect("it can be read");
    assert_eq!(found(&mut files), [(1, vec![1; 64])]);
    let left = ["00000000000000000001.segment", "00000000000000000003.segment"];
    assert_eq!(log_files(&folder), left);
}
