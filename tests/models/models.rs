//! The mesh alone, with loom under it: its models need nothing else of ringmq, so a package of
//! their own spares compiling the rest once more with `--cfg loom`.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release --package ringmq-models`

#![allow(dead_code, unused_imports, reason = "models use a part of what the broker uses")]

#[path = "../../src/limits/mod.rs"]
mod limits;
#[path = "../../src/mesh/mod.rs"]
mod mesh;
