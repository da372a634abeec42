//! Numbers of vhosts.

use std::fs;

use super::Scratch;
use crate::disk::vhosts::Vhosts;
use crate::limits::VHOST_NAME_BYTES_MAX;

// A name keeps its number over restarts; the number of a deleted vhost is not assigned again.
#[test]
fn numbers_stay() {
    let scratch = Scratch::new();
    let names = ["tenant", "tenant b", "ä/ö", "%41", "a\nb", ":"];
    for _ in 0..2 {
        let mut vhosts = Vhosts::read(&scratch.0).expect("it is fine");
        assert_eq!(vhosts.number_of("/"), Ok(0));
        for (name, number) in names.into_iter().zip(1..) {
            assert_eq!(vhosts.number_of(name), Ok(number), "{name:?}");
        }
    }
    let mut vhosts = Vhosts::read(&scratch.0).expect("it is fine");
    assert!(vhosts.delete(":").expect("it is written"));
    assert!(!vhosts.delete(":").expect("nothing is to be written"));
    assert!(!vhosts.delete("/").expect("nothing is to be written"));
    let mut vhosts = Vhosts::read(&scratch.0).expect("it is fine");
    assert_eq!(vhosts.find(":"), None);
    assert_eq!(vhosts.number_of(":"), Ok(7), "a new one");
    let all: Vec<u16> = vhosts.iter().map(|(number, _)| number).collect();
    assert_eq!(all, [0, 1, 2, 3, 4, 5, 7]);
    for name in [String::new(), "n".repeat(VHOST_NAME_BYTES_MAX + 1)] {
        vhosts.number_of(&name).expect_err("it is no name");
    }
}

// Invalid content of the file is an error that names it.
#[test]
fn malformed() {
    let scratch = Scratch::new();
    for text in [
        "",
        "next 2",
        "next 0\n",
        "next 1\n1 a\n",
        "next 3\n1 a\n1 b\n",
        "next 3\n1 a\n2 a\n",
        "next 2\n0 a\n",
        "next 2\n1 /\n",
        "next 2\n1 \n",
        "next 2\n1\n",
        "next 2\n1 %4\n",
        "next 2\n1 %zz\n",
        "next 2\n1 %ff\n",
        "next 65536\n",
        "next 2\n1 a\nsum 00000000\n",
    ] {
        fs::write(scratch.0.join("VHOSTS"), text).expect("it is written");
        let error = Vhosts::read(&scratch.0).expect_err(text).to_string();
        assert!(error.contains("VHOSTS is damaged"), "{text:?}: {error}");
    }
}
