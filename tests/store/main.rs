//! A shard's store on a disk that loses data, compared with a simple model of what it must keep.
//!
//! | file | noun |
//! |---|---|
//! | `disk` | a disk in memory: what was written, what is durable, and what a crash leaves |
//! | `model` | what a store must keep, as maps |
//! | `world`, `traffic` | one run: store, disk and model; what clients and the broker do |
//! | `verify` | whether a store equals a model |
//! | `texts`, `seeds` | messages by number; seeds from the environment |
//! | `random_runs`, `crashes` | random traffic; crashes at every moment, and on a disk that fails |
//! | `contents`, `damage` | the contents of a store, to be compared; flipped bytes in any record |
//! | `small` | every byte, edge and file of a small log |
//! | `golden` | files of a scripted run, against known ones |
//! | `own_identifiers` | subscription identifiers of one session's copy |
//! | `space` | the space that a store takes on the disk |
//!
//! `RINGMQ_STORE_SEED=n` runs one seed of each random test; a run that fails names its seed.

mod contents;
mod crashes;
mod damage;
mod disk;
mod expiry;
mod golden;
mod model;
mod own_identifiers;
#[path = "../common/random.rs"]
#[allow(dead_code, reason = "each test target uses its own part")]
mod random;
mod random_runs;
mod seeds;
mod small;
mod space;
mod texts;
mod traffic;
mod verify;
mod world;
