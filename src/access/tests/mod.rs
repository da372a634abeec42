//! Tests of the room's public interface, with files of their own.

mod acl;
mod admit;
mod directory;
mod files;
mod mutation;
mod reach;
mod scram;
mod secret;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::{LoadError, Policy, Sources};
use crate::mqtt::{TopicFilter, TopicName};

/// A user `u` with the password `p`, with a fast hash.
const USER: &str = "u:$6$c2FsdA==$\
    A6Yqo1io+ha+ANUiF8e7J96JPgeEuuEwa6nYUw2F/CksLOQqGus6x5g3nhYMXMZMrqn2Fzj64qEzA5cDzlrrtA==\n";

/// A directory of the test, which is removed at its end.
struct Scene(PathBuf);

impl Scene {
    fn new(name: &str) -> Self {
        let id = std::process::id();
        let path = std::env::temp_dir().join(format!("ringmq-access-{id}-{name}"));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, and creates its directories.
    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A xorshift generator; it prints its seed.
struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    fn new(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from((self.state >> 16) % end as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    /// One to three of `levels`, joined with slashes.
    fn join_levels(&mut self, levels: &[&str]) -> String {
        let picked: Vec<&str> = (0..=self.below(3)).map(|_| self.pick(levels)).collect();
        picked.join("/")
    }
}

impl fmt::Display for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {:#x}", self.seed)
    }
}

/// Loads a policy; vhosts are numbered from 1.
fn load(sources: &Sources) -> Result<Policy, LoadError> {
    let mut last = 0;
    Policy::load(sources, &mut |_| {
        last += 1;
        Ok(last)
    })
}

fn topic(text: &str) -> TopicName<'_> {
    TopicName::parse(text).unwrap()
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).unwrap()
}
