//! One rule of a queue after the other.
