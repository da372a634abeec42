//! Requests to delete sessions.

use std::fs;

use super::Scratch;
use crate::disk::{Deletion, DirectoryError};
use crate::limits::CLIENT_ID_BYTES_MAX;

fn deletion(vhost: &str, client_id: &str) -> Deletion {
    Deletion { vhost: vhost.into(), client_id: client_id.into() }
}

// Requests are taken once, in order, with any names.
#[test]
fn are_taken_once() {
    let scratch = Scratch::new();
    assert_eq!(Deletion::take_all(&scratch.0).expect("there are none"), []);
    let long = "ü".repeat(CLIENT_ID_BYTES_MAX / 2);
    let wanted = [("/", "a"), ("tenant b", "a b\n%41"), ("ä", &long), ("/", "a"), ("/", "/#+$")];
    let wanted = wanted.map(|(vhost, client_id)| deletion(vhost, client_id));
    wanted.iter().for_each(|wanted| wanted.request(&scratch.0).expect("it is written"));
    assert_eq!(Deletion::take_all(&scratch.0).expect("they are fine"), wanted);
    assert_eq!(Deletion::take_all(&scratch.0).expect("there are none"), []);
    wanted[1].request(&scratch.0).expect("it is written");
    assert_eq!(Deletion::take_all(&scratch.0).expect("it is fine"), wanted[1..2]);
}

// A malformed file is named and not changed. Concurrent requests do not disturb each other.
#[test]
fn what_is_no_request_is_named() {
    let scratch = Scratch::new();
    let path = scratch.0.join("DELETIONS");
    for text in ["a\n", "/ \n", "\n", "/ a\n/ %4\n", "/ %ff\n"] {
        fs::write(&path, text).expect("it is writable");
        let error = Deletion::take_all(&scratch.0).expect_err(text);
        assert!(matches!(error, DirectoryError::MalformedDeletions(_)), "{text:?}: {error}");
        assert!(error.to_string().contains("DELETIONS"), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), text);
    }
    fs::remove_file(&path).expect("it is there");
    std::thread::scope(|scope| {
        for asker in 0..4 {
            let directory = &scratch.0;
            scope.spawn(move || {
                for n in 0..25 {
                    deletion("/", &format!("{asker}-{n}"))
                        .request(directory)
                        .expect("it is written");
                }
            });
        }
    });
    assert_eq!(Deletion::take_all(&scratch.0).expect("they are fine").len(), 100);
}
