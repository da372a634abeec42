//! The begin or the end of a trace on a shard.

use super::super::trace::TraceSpec;

/// See the module.
#[derive(Debug)]
pub struct TraceOrder {
    /// The trace's number, below [`TRACES_MAX`](crate::limits::TRACES_MAX), which no other has.
    pub number: usize,
    /// What events name it by; not 0.
    pub id: u64,
    /// What it is of, and how many milliseconds it takes at most; none: it ends.
    pub begins: Option<(Box<TraceSpec>, u64)>,
    /// The shard has begun or ended it, and tells its connections.
    pub(crate) is_set: bool,
    /// The first slot of a connection that was not told.
    pub(crate) from: usize,
}

impl TraceOrder {
    /// Has a trace begin that takes so many milliseconds at most.
    pub fn begin(number: usize, id: u64, spec: TraceSpec, ms: u64) -> Self {
        Self { number, id, begins: Some((Box::new(spec), ms)), is_set: false, from: 0 }
    }

    /// Has it end.
    pub fn end(number: usize, id: u64) -> Self {
        Self { number, id, begins: None, is_set: false, from: 0 }
    }
}
