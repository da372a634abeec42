//! The start or end of a trace on a shard.

use super::super::trace::TraceSpec;

/// See the file.
#[derive(Debug)]
pub struct TraceOrder {
    /// The trace's number, unique among those that run, below
    /// [`TRACES_MAX`](crate::limits::TRACES_MAX).
    pub number: usize,
    /// The id by which events name it; not 0.
    pub id: u64,
    /// Its selection and its time limit in milliseconds; none: the trace ends.
    pub begins: Option<(Box<TraceSpec>, u64)>,
    /// Whether the shard has begun or ended it and is updating its connections.
    pub(crate) is_set: bool,
    /// The first slot of a connection that is not updated yet.
    pub(crate) from: usize,
}

impl TraceOrder {
    /// Begins a trace of at most `ms` milliseconds.
    pub fn begin(number: usize, id: u64, spec: TraceSpec, ms: u64) -> Self {
        Self { number, id, begins: Some((Box::new(spec), ms)), is_set: false, from: 0 }
    }

    /// Ends a trace.
    pub fn end(number: usize, id: u64) -> Self {
        Self { number, id, begins: None, is_set: false, from: 0 }
    }
}
