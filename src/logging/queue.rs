//! The queue between the threads that log and the thread that writes.
//!
//! Invariant: a line is written whole and in queue order, or counted as lost. The count is logged
//! after the lines that were queued before the loss.

use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::limits::{LOG_BATCH_BYTES, LOG_QUEUE_LINES};

use super::recent::Recent;

/// The time between two tries to queue a flush.
const FLUSH_PAUSE: Duration = Duration::from_millis(1);

/// The sender for the thread that writes.
pub(super) struct Queue {
    entries: SyncSender<Entry>,
    /// Lines that found no room and are not reported yet. The atomic is only a count: no other data
    /// depends on it.
    lost: Arc<AtomicU64>,
    /// All lines for which there was no room. Only a count too.
    lost_total: Arc<AtomicU64>,
}

enum Entry {
    Line(String),
    /// A flush: answered when every line before it is written.
    Flush(SyncSender<()>),
}

impl Queue {
    /// Starts the thread that writes to standard error. `loss` formats the line that reports how
    /// many lines were lost.
    pub(super) fn start(
        recent: Recent,
        loss: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        Self::start_with(StandardError, recent, loss)
    }

    fn start_with(
        out: impl Write + Send + 'static,
        recent: Recent,
        loss: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let (entries, queued) = sync_channel(LOG_QUEUE_LINES);
        let queue = Self { entries, lost: Arc::default(), lost_total: Arc::default() };
        let (lost, lost_total) = (queue.lost.clone(), queue.lost_total.clone());
        let writer =
            Writer { queued, lost, lost_total, out, recent, loss, batch: Vec::new(), unsaid: 0 };
        thread::Builder::new().name("log".to_owned()).spawn(|| writer.run())?;
        Ok(queue)
    }

    /// Queues a line, or counts it as lost. It never waits.
    pub(super) fn push(&self, line: String) {
        if self.entries.try_send(Entry::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
            self.lost_total.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines that were lost since the start.
    pub(super) fn lost_lines(&self) -> u64 {
        self.lost_total.load(Ordering::Relaxed)
    }

    /// Whether a loss is not reported yet, which means that standard error is not read.
    pub(super) fn is_losing(&self) -> bool {
        self.lost.load(Ordering::Relaxed) > 0
    }

    /// Waits until the lines that were queued before are written; at most `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let (done, written) = sync_channel(1);
        let mut entry = Entry::Flush(done);
        while let Err(refused) = self.entries.try_send(entry) {
            let TrySendError::Full(again) = refused else { return };
            if Instant::now() >= deadline {
                return;
            }
            entry = again;
            thread::sleep(FLUSH_PAUSE);
        }
        // A timeout is ignored: the caller has waited as long as it may.
        let _ = written.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

/// The state of the writing thread.
struct Writer<W, F> {
    queued: Receiver<Entry>,
    lost: Arc<AtomicU64>,
    lost_total: Arc<AtomicU64>,
    out: W,
    recent: Recent,
    loss: F,
    /// Lines of the next write.
    batch: Vec<u8>,
    /// Lines written since the last check for lost lines.
    unsaid: usize,
}

impl<W: Write, F: Fn(u64) -> String> Writer<W, F> {
    fn run(mut self) {
        let mut flushes = Vec::new();
        while let Ok(first) = self.queued.recv() {
            let mut lines = 0;
            let mut next = Some(first);
            while let Some(entry) = next {
                match entry {
                    Entry::Line(line) => {
                        lines += 1;
                        self.recent.add(&line);
                        self.batch.extend_from_slice(line.as_bytes());
                    }
                    Entry::Flush(done) => flushes.push(done),
                }
                let full = self.batch.len() >= LOG_BATCH_BYTES;
                next = if full { None } else { self.queued.try_recv().ok() };
            }
            self.unsaid += lines;
            // When this many lines are written, every line that was queued before the loss is out.
            if self.batch.len() < LOG_BATCH_BYTES || self.unsaid >= LOG_QUEUE_LINES {
                self.unsaid = 0;
                self.say_lost();
            }
            if self.out.write_all(&self.batch).is_err() {
                self.lost.fetch_add(lines as u64, Ordering::Relaxed);
                self.lost_total.fetch_add(lines as u64, Ordering::Relaxed);
            }
            self.batch.clear();
            for done in flushes.drain(..) {
                // The waiter may have timed out.
                let _ = done.try_send(());
            }
        }
    }

    fn say_lost(&mut self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let line = (self.loss)(lost);
            self.recent.add(&line);
            self.batch.extend_from_slice(line.as_bytes());
        }
    }
}

/// Standard error. If it is non-blocking, this waits until it is writable.
struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        loop {
            match stderr.lock().write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut fds = [PollFd::from_borrowed_fd(stderr.as_fd(), PollFlags::OUT)];
                    poll(&mut fds, None)?;
                }
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// A writer that waits for permission before each write.
    struct Gated {
        /// Receives a message for each write that begins.
        begun: Sender<()>,
        permits: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.begun.send(());
            // If the test has dropped its end, writes are permitted.
            let _ = self.permits.recv();
            self.written.send(bytes.to_vec()).expect("the test listens");
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    // While standard error accepts nothing, lines are queued up to the bound and then counted;
    // pushing and flushing still return. Afterwards all queued lines are written in order, followed
    // by the number of lost lines.
    #[test]
    fn loss_is_counted_and_said() {
        let (permit, permits) = channel();
        let (written, came) = channel();
        let (begun, begins) = channel();
        let out = Gated { begun, permits, written };
        let queue = Queue::start_with(out, Recent::default(), |lost| format!("{lost} lost\n"))
            .expect("a thread");
        let pushed = 3 * LOG_QUEUE_LINES;
        queue.push("0\n".to_owned());
        // From here on the thread takes nothing from the queue.
        begins.recv().expect("the first line is about to be written");
        (1..pushed).for_each(|n| queue.push(format!("{n}\n")));
        assert!(queue.is_losing());
        assert_eq!(queue.lost_lines(), (pushed - LOG_QUEUE_LINES - 1) as u64);
        queue.flush(Duration::ZERO);
        drop(permit);
        queue.flush(Duration::from_secs(60));
        assert!(!queue.is_losing());
        drop(queue);
        let text: Vec<u8> = came.iter().flatten().collect();
        let text = String::from_utf8(text).expect("text went in");
        let (mut expected, mut lost) = (0, 0);
        for line in text.lines() {
            match line.strip_suffix(" lost") {
                Some(count) => lost += count.parse::<usize>().expect("a count"),
                None => {
                    let number: usize = line.parse().expect("a number");
                    assert!(number >= expected, "{number} behind {expected}");
                    expected = number + 1;
                }
            }
        }
        let lines = text.lines().filter(|line| !line.ends_with("lost")).count();
        assert!(lines >= LOG_QUEUE_LINES, "{lines}");
        assert_eq!(lines + lost, pushed);
        assert!(text.ends_with(" lost\n"), "what was lost came last");
    }
}
