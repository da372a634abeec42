//! The parameters, read from the environment that `scripts/crash-test` sets.

use std::fmt::Debug;
use std::str::FromStr;

use crate::common::Random;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Times the broker is killed.
    pub(crate) rounds: usize,
    /// Its flags.
    pub(crate) durability: String,
    pub(crate) shards: usize,
    pub(crate) seed: u64,
}

impl Plan {
    pub(crate) fn from_env() -> Self {
        Self {
            rounds: value("RINGMQ_CRASH_ROUNDS", 4),
            durability: value("RINGMQ_CRASH_DURABILITY", "disk".to_owned()),
            shards: value("RINGMQ_CRASH_SHARDS", 2),
            seed: Random::seed(1),
        }
    }
}

fn value<T: FromStr>(name: &str, default: T) -> T
where
    T::Err: Debug,
{
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text}: not understood")),
        Err(_) => default,
    }
}
