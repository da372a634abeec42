//! The bytes of a queue.
