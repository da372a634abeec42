//! Reading mapped memory that the disk may not be able to read.
//!
//! A page of a mapped file that cannot be read, because the disk fails there or another program has
//! truncated the file, ends the process with SIGBUS. The exception is a read within [`guard`]: the
//! page is replaced with zeros, and the reader is told afterwards.
//!
//! ```text
//!  guard ─ range ─► read ──SIGBUS──► handler: zeros in place of the page ─► read goes on ─► told
//!                                        │ elsewhere
//!                                        └─► the handler of before, which ends the process
//! ```
//!
//! Obligations of the `unsafe` here:
//!
//! - *The handler is safe in a signal.* It reads cells of its own thread, which have no destructor
//!   and are there from the thread's start, and makes one system call; it takes no lock, allocates
//!   nothing and changes `errno` only when the process is about to end.
//! - *The handler replaces no memory but that of a mapping.* The range that [`guard`] is given is
//!   one, and it is there until [`guard`] returns.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ops::Range;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{Ordering, compiler_fence};

use libc::{c_int, c_void, siginfo_t};

/// The range that a thread reads, for the handler.
struct Guarded {
    /// First address, and one past the last; no address is guarded if they are the same.
    start: Cell<usize>,
    end: Cell<usize>,
    /// The first address that could not be read.
    unreadable: Cell<Option<usize>>,
}

thread_local! {
    static GUARDED: Guarded = const {
        Guarded {
            start: Cell::new(0),
            end: Cell::new(0),
            unreadable: Cell::new(None),
        }
    };
}

/// State that the handler needs.
struct Setting {
    /// The previous handler of SIGBUS: usually Rust's own, which ends the process.
    before: libc::sigaction,
    page_bytes: usize,
}

static SETTING: OnceLock<Setting> = OnceLock::new();

/// Sets the handler, if it is not set. To be called before [`guard`].
pub(super) fn prepare() {
    SETTING.get_or_init(|| Setting { before: install(), page_bytes: page_bytes() });
}

/// The size of a page. The C library was told it when the process started. Others read
/// `/proc/self/auxv` for it, which is closed to a process that has changed its user.
pub(super) fn page_bytes() -> usize {
    // SAFETY: it takes a number and gives one.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).expect("every system has a page size")
}

/// Calls `read`, which may read at `addresses`, all of one mapping: pages that the disk cannot read
/// are zeros there from then on, until the mapping is gone. The first address that `read` found
/// unreadable, if there was one. Not to be called within itself. It costs a few nanoseconds: each
/// record that is read pays for it.
#[inline]
pub(super) fn guard(addresses: Range<usize>, read: &mut dyn FnMut()) -> Option<usize> {
    GUARDED.with(|guarded| {
        assert_eq!(guarded.end.get(), 0, "one mapping is read at a time");
        guarded.start.set(addresses.start);
        guarded.end.set(addresses.end);
        // The handler must see these stores, whatever the compiler knows of `read`.
        compiler_fence(Ordering::SeqCst);
        read();
        compiler_fence(Ordering::SeqCst);
        guarded.end.set(0);
        guarded.start.set(0);
        guarded.unreadable.take()
    })
}

/// Sets the handler; tells what there was before.
fn install() -> libc::sigaction {
    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = handle;
    // SAFETY: zeros are a valid value of this structure of numbers.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: both point to structures of ours, and the handler is safe in a signal, as the head of
    // this file shows.
    let set = unsafe { libc::sigaction(libc::SIGBUS, &raw const action, &raw mut before) };
    assert_eq!(set, 0, "SIGBUS is a signal that may be handled");
    before
}

extern "C" fn handle(_signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    // SAFETY: with SA_SIGINFO the kernel gives a structure, for the time of the handler.
    let info = unsafe { &*info };
    // SAFETY: at SIGBUS it has an address.
    let address = unsafe { info.si_addr() } as usize;
    if !GUARDED.with(|guarded| guarded.replace_page(address)) {
        give_up();
    }
}

impl Guarded {
    /// Puts zeros in place of the page of `address`, if that is read within [`guard`].
    fn replace_page(&self, address: usize) -> bool {
        if !(self.start.get()..self.end.get()).contains(&address) {
            return false;
        }
        let Some(Setting { page_bytes, .. }) = SETTING.get() else { return false };
        let page = ptr::with_exposed_provenance_mut(address & !(page_bytes - 1));
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        // SAFETY: the page is one of the mapping that is guarded, which may only be read.
        let zeros = unsafe { libc::mmap(page, *page_bytes, libc::PROT_READ, flags, -1, 0) };
        if zeros == libc::MAP_FAILED {
            return false;
        }
        self.unreadable.set(self.unreadable.get().or(Some(address)));
        true
    }
}

/// Lets the previous handler end the process: the faulting instruction is retried and raises the
/// signal again.
fn give_up() {
    // SAFETY: zeros are a valid value of this structure of numbers; they mean the system's default.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    let before = SETTING.get().map_or(&default, |setting| &setting.before);
    // SAFETY: it points to a structure that was the signal's before, or is the default.
    unsafe { libc::sigaction(libc::SIGBUS, before, ptr::null_mut()) };
}
