//! A running trace, and its events for readers.
//!
//! Invariant: the last events are kept, in at most [`TRACE_KEPT_BYTES_MAX`] bytes; entries are
//! numbered from 0, and `first` is the number of the first kept one.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::broker::inspect::TraceEvent;
use crate::limits::TRACE_KEPT_BYTES_MAX;

use super::asked::Asked;

/// An event, or a gap.
#[derive(Clone, Debug)]
pub(in crate::admin) enum Entry {
    /// An event on this shard.
    Event(u16, Rc<TraceEvent>),
    /// The number of events that were left out.
    Skipped(u64),
}

#[derive(Default)]
struct Kept {
    entries: VecDeque<Entry>,
    bytes: usize,
    first: u64,
}

/// See the module.
pub(in crate::admin) struct Running {
    pub(in crate::admin) id: u64,
    /// The trace's number on the shards.
    pub(in crate::admin) number: usize,
    pub(in crate::admin) asked: Asked,
    pub(in crate::admin) ends: Instant,
    by: String,
    kept: RefCell<Kept>,
    events: Cell<u64>,
    skipped: Cell<u64>,
    /// Whether every shard has started the trace.
    is_begun: Cell<bool>,
    is_ending: Cell<bool>,
    ended: Cell<Option<&'static str>>,
    /// The name of its file.
    file: OnceCell<String>,
    /// Notified when there may be more to read.
    grown: watch::Sender<()>,
}

impl Running {
    pub(in crate::admin) fn new(id: u64, number: usize, asked: Asked, by: &str) -> Self {
        Self {
            id,
            number,
            ends: Instant::now() + Duration::from_secs(asked.seconds.into()),
            asked,
            by: by.to_owned(),
            kept: RefCell::default(),
            events: Cell::new(0),
            skipped: Cell::new(0),
            is_begun: Cell::new(false),
            is_ending: Cell::new(false),
            ended: Cell::new(None),
            file: OnceCell::new(),
            grown: watch::Sender::new(()),
        }
    }

    /// Keeps an event.
    pub(in crate::admin) fn keep(&self, shard: u16, event: Rc<TraceEvent>) {
        self.events.set(self.events.get() + 1);
        self.push(Entry::Event(shard, event));
    }

    fn push(&self, entry: Entry) {
        let kept = &mut *self.kept.borrow_mut();
        kept.bytes += bytes_of(&entry);
        kept.entries.push_back(entry);
        while kept.bytes > TRACE_KEPT_BYTES_MAX
            && let Some(oldest) = kept.entries.pop_front()
        {
            kept.first += 1;
            kept.bytes -= bytes_of(&oldest);
        }
    }

    /// Notes that events were left out.
    pub(in crate::admin) fn note_skipped(&self, count: u64) {
        self.skipped.set(self.skipped.get() + count);
        self.push(Entry::Skipped(count));
    }

    /// Notifies readers.
    pub(in crate::admin) fn tell(&self) {
        self.grown.send_replace(());
    }

    /// A receiver of these notifications.
    pub(in crate::admin) fn watch(&self) -> watch::Receiver<()> {
        self.grown.subscribe()
    }

    /// The entry with this number; or the gap before the first kept entry, if the number is lower.
    pub(in crate::admin) fn next(&self, number: &mut u64) -> Option<Entry> {
        let kept = self.kept.borrow();
        if *number < kept.first {
            let missed = kept.first - *number;
            *number = kept.first;
            return Some(Entry::Skipped(missed));
        }
        let at = usize::try_from(*number - kept.first).ok()?;
        let entry = kept.entries.get(at)?.clone();
        *number += 1;
        Some(entry)
    }

    /// Notes that every shard has started the trace.
    pub(in crate::admin) fn note_begun(&self) {
        self.is_begun.set(true);
    }

    /// Whether every shard has.
    pub(in crate::admin) fn is_begun(&self) -> bool {
        self.is_begun.get()
    }

    /// Notes that the trace is about to end; returns false if that was noted before.
    pub(in crate::admin) fn begin_end(&self) -> bool {
        !self.is_ending.replace(true)
    }

    /// Whether it is about to end, or has ended.
    pub(in crate::admin) fn is_ending(&self) -> bool {
        self.is_ending.get()
    }

    /// Ends the trace: no event follows.
    pub(in crate::admin) fn end(&self, why: &'static str) {
        self.ended.set(Some(why));
        self.tell();
    }

    /// Notes the name of its file.
    pub(in crate::admin) fn note_file(&self, name: &str) {
        self.file.get_or_init(|| name.to_owned());
    }

    /// The file that it is written into.
    pub(in crate::admin) fn file(&self) -> Option<&str> {
        self.file.get().map(String::as_str)
    }

    /// The reason for its end.
    pub(in crate::admin) fn ended(&self) -> Option<&'static str> {
        self.ended.get()
    }

    /// Its JSON object.
    pub(in crate::admin) fn told(&self) -> Value {
        let left = self.ends.saturating_duration_since(Instant::now());
        let mut told = self.asked.fields();
        for (name, value) in [
            ("trace", Value::from(self.id.to_string())),
            ("payload", self.asked.spec.payload_bytes.into()),
            ("seconds", self.asked.seconds.into()),
            ("seconds_left", left.as_secs().into()),
            ("by", (&*self.by).into()),
            ("events", self.events.get().into()),
            ("skipped", self.skipped.get().into()),
        ] {
            told.insert(name.to_owned(), value);
        }
        if let Some(file) = self.file() {
            told.insert("file".to_owned(), file.into());
        }
        Value::Object(told)
    }
}

fn bytes_of(entry: &Entry) -> usize {
    size_of::<Entry>()
        + match entry {
            Entry::Event(_, event) => event.bytes(),
            Entry::Skipped(_) => 0,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::ClientAddress;
    use crate::broker::inspect::{Decision, Happening, TraceKind, TraceSet, TraceSpec};

    fn event(text: usize) -> Rc<TraceEvent> {
        Rc::new(TraceEvent {
            traces: TraceSet::of(0),
            time_us: 0,
            client: "c".into(),
            vhost: 0,
            address: ClientAddress::default(),
            kind: TraceKind::Close,
            what: Happening::Decision(Decision::Closed { why: "x".repeat(text).into() }),
        })
    }

    // The last events are kept within their bounds; a reader that missed events is told so once and
    // continues.
    #[test]
    fn what_is_kept_is_bounded() {
        let asked = Asked::of(TraceSpec::default(), 60);
        let running = Running::new(1, 0, asked, "ann");
        let mut next = 0;
        running.keep(0, event(10));
        assert!(matches!(running.next(&mut next), Some(Entry::Event(0, _))));
        assert!(running.next(&mut next).is_none());
        let count = 3 * TRACE_KEPT_BYTES_MAX as u64 / 1000;
        (0..count).for_each(|_| running.keep(0, event(1000)));
        running.note_skipped(7);
        let kept = running.kept.borrow().entries.len() as u64;
        assert!(kept * 1000 <= TRACE_KEPT_BYTES_MAX as u64, "{kept}");
        let Some(Entry::Skipped(missed)) = running.next(&mut next) else { panic!("it was told") };
        assert_eq!(missed + kept, count + 1);
        let mut events = 0;
        while let Some(Entry::Event(..)) = running.next(&mut next) {
            events += 1;
        }
        assert_eq!(events, kept - 1, "the last entry says what shards have skipped");
        assert!(running.next(&mut next).is_none());
        let told = running.told();
        assert_eq!((&told["events"], &told["skipped"]), (&(count + 1).into(), &7.into()));
    }

    // A trace ends once.
    #[test]
    fn ends_once() {
        let running = Running::new(1, 0, Asked::of(TraceSpec::default(), 60), "ann");
        assert!(running.begin_end() && !running.begin_end() && running.ended().is_none());
        running.end("it was ended");
        assert_eq!(running.ended(), Some("it was ended"));
    }
}
