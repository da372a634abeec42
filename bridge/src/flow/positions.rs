//! The positions of one session's messages. They are the same after a restart of the bridge.
//!
//! ringmq tells them (`mqtt::told`). For other brokers, and with 3.1.1, they are derived from
//! packet identifiers here: a broker that crashes and gives an identifier to another message makes
//! them wrong.
//!
//! A file keeps the session's epoch and a number near to the next one. It is written and synced
//! before the numbers exceed it by [`STEP`]. At most the window is in flight, so after a restart
//! each message is nearer to the file's number than half of the identifiers, and its identifier
//! determines its number (see `numbers`).
//!
//! Invariant: `kept <= next < kept + STEP + WINDOW_MAX`.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::message::{Position, Span};
use super::numbers;
use crate::limits::WINDOW_MAX;

/// Numbers between two writes of the file.
const STEP: u64 = 16_384;

const _: () = assert!(STEP + (WINDOW_MAX as u64) < 65_535);

/// Numbers messages.
#[derive(Debug)]
pub struct Positions {
    file: Option<PathBuf>,
    epoch: u64,
    /// The lowest number that no message has yet.
    next: u64,
    /// The number in the file.
    kept: u64,
    /// Whether packet identifiers follow the session's numbers.
    has_numbers: bool,
}

impl Positions {
    /// Positions that begin anew with the process, for targets that do not need them.
    pub fn volatile() -> Self {
        Self { file: None, epoch: random(), next: 0, kept: 0, has_numbers: true }
    }

    /// Numbers in order of receipt, which begin anew with the process: the messages of a group have
    /// no numbers in the session, and a message that comes again gets another one.
    pub fn of_receipt() -> Self {
        Self { has_numbers: false, ..Self::volatile() }
    }

    /// Positions that continue those of the file, if it exists.
    ///
    /// # Errors
    /// The file cannot be read or made, or is no file of positions.
    pub fn open(file: &Path) -> io::Result<Self> {
        let (epoch, next, is_new) = match fs::read_to_string(file) {
            Ok(text) => {
                let (epoch, next) = parse(&text).ok_or_else(|| {
                    let says = "is no file of positions; delete it: duplicates may follow, no loss";
                    io::Error::new(io::ErrorKind::InvalidData, says)
                })?;
                (epoch, next, false)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => (random(), 0, true),
            Err(error) => return Err(error),
        };
        let positions =
            Self { file: Some(file.to_owned()), epoch, next, kept: next, has_numbers: true };
        if is_new {
            positions.keep(0)?;
        }
        Ok(positions)
    }

    /// The session's epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Begins a new epoch, for a session that the broker has just created.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn start_epoch(&mut self) -> io::Result<()> {
        self.epoch = random();
        self.next = 0;
        self.kept = 0;
        self.keep(0)
    }

    /// Numbers messages in order of receipt, except those whose position the broker has told.
    ///
    /// # Errors
    /// The file cannot be written. The messages can be numbered again.
    pub(crate) fn number(&mut self, spans: &mut [Span]) -> io::Result<()> {
        let before = self.next;
        for span in spans.iter_mut().filter(|span| !span.is_told) {
            let number = match span.packet_id {
                // QoS 0 has no identifier and is never sent again.
                0 => self.next,
                _ if !self.has_numbers => self.next,
                id if span.dup => numbers::nearest(self.next, id),
                id => numbers::following(self.next, id),
            };
            if span.packet_id != 0 {
                self.next = self.next.max(number + 1);
            }
            span.position = Position { epoch: self.epoch, number };
        }
        if self.file.is_some() && self.next >= self.kept + STEP {
            if let Err(error) = self.keep(self.next) {
                self.next = before;
                return Err(error);
            }
            self.kept = self.next;
        }
        Ok(())
    }

    fn keep(&self, number: u64) -> io::Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        writeln!(file, "ringmq-bridge position {:016x} {number}", self.epoch)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        match path.parent() {
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    }
}

fn parse(text: &str) -> Option<(u64, u64)> {
    let (epoch, number) =
        text.strip_prefix("ringmq-bridge position ")?.trim_end().split_once(' ')?;
    Some((u64::from_str_radix(epoch, 16).ok()?, number.parse().ok()?))
}

/// A number that no other session has.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(ids: impl IntoIterator<Item = (u16, bool)>) -> Vec<Span> {
        let span = |(packet_id, dup)| Span { packet_id, dup, ..Span::default() };
        ids.into_iter().map(span).collect()
    }

    fn numbers(positions: &mut Positions, ids: &[(u16, bool)]) -> Vec<u64> {
        let mut spans = spans(ids.iter().copied());
        positions.number(&mut spans).expect("the file is written");
        spans.iter().map(|span| span.position.number).collect()
    }

    // Numbers continue when identifiers wrap, and across missing identifiers.
    #[test]
    fn identifiers_wrap() {
        let mut positions = Positions::volatile();
        assert_eq!(numbers(&mut positions, &[(1, false), (2, false), (0, false)]), [0, 1, 2]);
        assert_eq!(numbers(&mut positions, &[(65_535, false), (1, false)]), [65_534, 65_535]);
        assert_eq!(numbers(&mut positions, &[(65_535, true), (1, true)]), [65_534, 65_535]);
    }

    // Members of a group: no two messages have one number, whatever their identifiers are.
    #[test]
    fn receipts_are_numbered() {
        let mut positions = Positions::of_receipt();
        assert_eq!(numbers(&mut positions, &[(9, false), (2, false), (2, true)]), [0, 1, 2]);
        assert_eq!(numbers(&mut positions, &[(65_535, true), (1, false)]), [3, 4]);
    }

    // After any number of messages and a restart, messages in flight get their numbers again.
    #[test]
    fn restart_finds_numbers() {
        let directory = std::env::temp_dir().join(format!("positions-{:x}", random()));
        fs::create_dir(&directory).expect("a directory of the test's own");
        let file = directory.join("a.position");
        let id = |number: u64| u16::try_from(number % 65_535 + 1).expect("below");
        let mut epoch = None;
        let mut next = 0_u64;
        for step in [0, 1, 5, 16_383, 16_384, 20_000, 32_767, 3] {
            let mut positions = Positions::open(&file).expect("opens");
            assert_eq!(*epoch.get_or_insert(positions.epoch()), positions.epoch());
            // The window is sent again, then new messages.
            let first = next.saturating_sub(u64::from(WINDOW_MAX));
            let again: Vec<_> = (first..next).map(|number| (id(number), true)).collect();
            assert_eq!(numbers(&mut positions, &again), (first..next).collect::<Vec<_>>());
            let fresh: Vec<_> = (next..next + step).map(|number| (id(number), false)).collect();
            assert_eq!(numbers(&mut positions, &fresh), (next..next + step).collect::<Vec<_>>());
            next += step;
        }
        let mut positions = Positions::open(&file).expect("opens");
        positions.start_epoch().expect("is written");
        assert_ne!(Some(positions.epoch()), epoch);
        assert_eq!(numbers(&mut positions, &[(1, false)]), [0]);
        fs::write(&file, "else").expect("is written");
        assert!(Positions::open(&file).is_err());
        fs::remove_dir_all(&directory).expect("is ours");
    }
}
