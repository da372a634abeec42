//! Mapped files with a page that the system cannot read, as on a failing disk. The tests truncate
//! the files, which has the same effect for the process.

use std::env;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use super::Scratch;
use crate::disk::map;
use crate::disk::sigbus::page_bytes;
use crate::store::Mapping;

const PAGES: usize = 4;

/// Set in a process that reads outside of a guard.
const INSIDE: &str = "RINGMQ_TEST_READS_UNGUARDED";

/// A mapped file of ones, truncated after its first page.
fn cut_file(path: &Path) -> Box<dyn Mapping> {
    std::fs::write(path, vec![1; PAGES * page_bytes()]).expect("the place is ours");
    let file = File::options().read(true).write(true).open(path).expect("the place is ours");
    let mapping = map(&file, path).expect("there is memory");
    file.set_len(page_bytes() as u64).expect("the place is ours");
    mapping
}

// Unreadable bytes are reported and read as zeros, page by page; readable ones are unchanged.
// Threads do not affect each other.
#[test]
fn guarded() {
    let scratch = Scratch::new();
    let read = |name: &str| {
        let mapping = cut_file(&scratch.0.join(name));
        let sum = |bytes: &[u8]| bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>();
        let page = page_bytes();
        for _ in 0..2 {
            assert_eq!(mapping.look(|bytes| sum(&bytes[..page])), Ok(page));
        }
        assert_eq!(mapping.look(|bytes| bytes[2 * page]), Err(0));
        assert_eq!(mapping.look(|bytes| bytes[2 * page + 7]), Ok(0), "it is zeros from then on");
        assert_eq!(mapping.look(sum), Err(page), "the others are not read yet");
        assert_eq!(mapping.look(sum), Ok(page));
        mapping.forget();
        assert_eq!(mapping.look(sum), Ok(page));
    };
    thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            scope.spawn(move || (0..20).for_each(|_| read(name)));
        }
    });
}

// Outside of a guard, and at another mapping than the guarded one, an unreadable page ends the
// process: otherwise the reader would take the zeros for written data.
#[test]
fn unguarded() {
    let name = "disk::tests::unreadable::unguarded";
    let Some(which) = env::var_os(INSIDE) else {
        for which in ["bare", "other"] {
            let mut child = Command::new(env::current_exe().expect("it runs"));
            let status = child.args([name, "--exact"]).env(INSIDE, which).output();
            let signal = status.expect("it can be run").status.signal();
            assert_eq!(signal, Some(libc::SIGBUS), "{which}");
        }
        return;
    };
    let scratch = Scratch::new();
    let (one, other) = (cut_file(&scratch.0.join("a")), cut_file(&scratch.0.join("b")));
    let last = PAGES * page_bytes() - 1;
    let read = || std::hint::black_box(other.bytes()[last]);
    let no_core = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let limited = rustix::process::setrlimit(rustix::process::Resource::Core, no_core);
    limited.expect("a limit may be lowered");
    // The handler is set from here on.
    assert_eq!(one.look(|bytes| bytes[last]), Err(0));
    std::fs::remove_dir_all(&scratch.0).expect("it is ours, and this process will not end well");
    if which == "other" {
        let _ = one.look(|_| read());
    }
    read();
}
