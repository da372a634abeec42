//! The helper thread: makes, clears and renames segment files for all shards of the process.
//!
//! There is only one thread, because the disk is the bottleneck. The thread ends when its
//! [`Helper`] and every [`FileMedium`] are dropped. It handles earlier requests first, but makes no
//! file for a dropped medium.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::clocks::Clocks;
use super::files::ShardFiles;
use super::medium::FileMedium;
use super::supply::{Answer, FileSupply, Message};
use crate::limits::SPACE_LOOK_MS;
use crate::store::Request;

/// The control thread's handle of the helper.
pub struct Helper {
    messages: Sender<Message>,
    thread: thread::JoinHandle<()>,
    mediums: usize,
}

impl Helper {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn start() -> io::Result<Self> {
        let (messages, received) = mpsc::channel();
        let thread = thread::Builder::new().name("ringmq-disk".to_owned());
        let thread = thread.spawn(move || run(&received))?;
        Ok(Self { messages, thread, mediums: 0 })
    }

    /// Makes the medium of a shard from its files. `wake` is called after each answer, on the
    /// helper's thread. The first answer comes without a request: it reports the free space.
    ///
    /// # Panics
    /// If the directory was opened for reading only.
    pub fn medium(&mut self, files: ShardFiles, wake: impl Fn() + Send + 'static) -> FileMedium {
        let path = files.path.clone();
        let (answer, answers) = mpsc::channel();
        let waits = Arc::new(());
        let supply = FileSupply::new(files, answer, Box::new(wake), Arc::downgrade(&waits));
        let messages = self.messages.clone();
        messages.send(Message::Join(Box::new(supply))).expect("the helper runs as long as we do");
        let slot = self.mediums;
        self.mediums += 1;
        FileMedium { slot, folder: path, messages, answers, _waits: waits }
    }

    /// Waits until every medium is dropped and all requests are handled. The directory's lock is
    /// free then, if its [`super::Directory`] is dropped too.
    ///
    /// # Panics
    /// If the helper has panicked.
    pub fn finish(self) {
        drop(self.messages);
        self.thread.join().expect("the helper does not panic");
    }
}

fn run(messages: &Receiver<Message>) {
    let interval = Duration::from_millis(SPACE_LOOK_MS);
    let mut supplies: Vec<FileSupply> = Vec::new();
    let mut clocks = Clocks::new();
    let mut due = Instant::now() + interval;
    loop {
        match messages.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(Message::Join(mut supply)) => {
                supply.look_at_space();
                supplies.push(*supply);
            }
            Ok(Message::Ask(slot, Request::Clocks)) => {
                supplies[slot].say(Answer::Clocks(clocks.look()));
            }
            Ok(Message::Ask(slot, request)) => supplies[slot].handle(request),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if Instant::now() >= due {
            supplies.iter_mut().for_each(FileSupply::look_at_space);
            due = Instant::now() + interval;
        }
    }
}
