//! The primitives of the mesh: std's, or loom's when its models run (`--cfg loom`).

#[cfg(loom)]
pub(super) use ::loom::sync::Arc;
#[cfg(loom)]
pub(super) use ::loom::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
#[cfg(not(loom))]
pub(super) use std::sync::Arc;
#[cfg(not(loom))]
pub(super) use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

/// A value alone on its cache lines. Two lines of 64 bytes, because the CPU prefetches the adjacent
/// one.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Line<T>(pub(super) T);

/// Tells loom of every access to plain memory, so that a model fails on a data race. Ranges are
/// bytes from the start of the memory; a cell stands for 8 of them. It has no effect without loom.
pub(super) struct RaceCheck {
    #[cfg(loom)]
    cells: Vec<::loom::cell::UnsafeCell<()>>,
}

#[cfg(not(loom))]
impl RaceCheck {
    pub(super) fn new(_bytes: usize) -> Self {
        Self {}
    }

    pub(super) fn read(&self, _offset: usize, _len: usize) {}

    pub(super) fn write(&self, _offset: usize, _len: usize) {}
}

#[cfg(loom)]
impl RaceCheck {
    pub(super) fn new(bytes: usize) -> Self {
        let cells = (0..bytes / 8).map(|_| ::loom::cell::UnsafeCell::new(()));
        Self { cells: cells.collect() }
    }

    pub(super) fn read(&self, offset: usize, len: usize) {
        self.cells(offset, len).iter().for_each(|cell| cell.with(|_| ()));
    }

    pub(super) fn write(&self, offset: usize, len: usize) {
        self.cells(offset, len).iter().for_each(|cell| cell.with_mut(|_| ()));
    }

    fn cells(&self, offset: usize, len: usize) -> &[::loom::cell::UnsafeCell<()>] {
        &self.cells[offset / 8..(offset + len).div_ceil(8)]
    }
}
