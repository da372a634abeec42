//! Reads of mapped memory that survive a read error of the disk.
//!
//! If a page of a mapped file cannot be read (because the disk fails there, or another program has
//! truncated the file), the access ends the process with SIGBUS. Within [`guard`] it does not: the
//! page is replaced with zeros, and the reader learns of it afterwards.
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
//!   and exist from the thread's start, and makes one system call. It takes no lock, allocates no
//!   memory, and changes `errno` only when the process is about to end.
//! - *The handler replaces only memory of a mapping.* The range that [`guard`] receives belongs to
//!   one mapping, which exists until [`guard`] returns.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ops::Range;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{Ordering, compiler_fence};

use libc::{c_int, c_void, siginfo_t};

/// The range that a thread reads, for the handler.
struct Guarded {
    /// The first address, and the address after the last one. Equal: no address is guarded.
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

/// The state that the handler needs.
struct Setting {
    /// The previous handler of SIGBUS: usually Rust's own, which ends the process.
    before: libc::sigaction,
    page_bytes: usize,
}

static SETTING: OnceLock<Setting> = OnceLock::new();

/// Sets the handler, if it is not set. Must be called before [`guard`].
pub(super) fn prepare() {
    SETTING.get_or_init(|| Setting { before: install(), page_bytes: page_bytes() });
}

/// The size of a page, from the C library, which learned it when the process started. Other ways
/// read `/proc/self/auxv`, which a process that has changed its user may not read.
pub(super) fn page_bytes() -> usize {
    // SAFETY: the call takes a number and returns one.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).expect("every system has a page size")
}

/// Calls `read`, which may read at `addresses`, all of one mapping. Pages that the disk cannot read
/// become zeros until the mapping is gone. Returns the first address that could not be read. Must
/// not be called within itself. The cost of a few nanoseconds is paid for each record that is read.
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

/// Sets the handler; returns the previous one.
fn install() -> libc::sigaction {
    let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = handle;
    // SAFETY: zeros are a valid value of this structure of numbers.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: both point to local structures, and the handler is safe in a signal, as the head of
    // this file shows.
    let set = unsafe { libc::sigaction(libc::SIGBUS, &raw const action, &raw mut before) };
    assert_eq!(set, 0, "SIGBUS is a signal that may be handled");
    before
}

extern "C" fn handle(_signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a structure that lives as long as the handler runs.
    let info = unsafe { &*info };
    // SAFETY: a SIGBUS has an address.
    let address = unsafe { info.si_addr() } as usize;
    if !GUARDED.with(|guarded| guarded.replace_page(address)) {
        give_up();
    }
}

impl Guarded {
    /// Replaces the page of `address` with zeros if [`guard`] covers it; returns whether it did.
    fn replace_page(&self, address: usize) -> bool {
        if !(self.start.get()..self.end.get()).contains(&address) {
            return false;
        }
        let Some(Setting { page_bytes, .. }) = SETTING.get() else { return false };
        let page = ptr::with_exposed_provenance_mut(address & !(page_bytes - 1));
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        // SAFETY: the page belongs to the guarded mapping, which is only read.
        let zeros = unsafe { libc::mmap(page, *page_bytes, libc::PROT_READ, flags, -1, 0) };
        if zeros == libc::MAP_FAILED {
            return false;
        }
        self.unreadable.set(self.unreadable.get().or(Some(address)));
        true
    }
}

/// Restores the previous handler, which ends the process: the faulting instruction is retried and
/// raises the signal again.
fn give_up() {
    // SAFETY: zeros are a valid value of this structure of numbers; they mean the system's default.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    let before = SETTING.get().map_or(&default, |setting| &setting.before);
    // SAFETY: it points to the previous handler's structure, or to the default.
    unsafe { libc::sigaction(libc::SIGBUS, before, ptr::null_mut()) };
}
