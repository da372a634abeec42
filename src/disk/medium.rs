//! The medium of one shard: sends the store's requests to the helper, and receives its answers.
//!
//! Every `Supply` has one answer, in order. The queues between store and helper are bounded: the
//! store asks for few files at a time, and the helper reports the space at most once per look.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use super::error::DirectoryError;
use super::files::segment_path;
use super::supply::Message;
use crate::store::{FileId, Medium, MediumAnswer, Request};

/// See the module. Made by [`super::Helper::medium`].
pub struct FileMedium {
    pub(super) slot: usize,
    pub(super) folder: PathBuf,
    pub(super) messages: Sender<Message>,
    pub(super) answers: Receiver<MediumAnswer<Arc<OwnedFd>>>,
    /// Its existence tells the helper that the medium still wants files.
    pub(super) _waits: Arc<()>,
}

impl FileMedium {
    /// Opens a found file for writing. This may wait for the disk, so it is called at the start
    /// only.
    ///
    /// # Errors
    /// Names the file.
    pub fn file(&self, id: FileId) -> Result<Arc<OwnedFd>, DirectoryError> {
        let path = segment_path(&self.folder, id);
        let file = File::options().write(true).open(&path);
        Ok(Arc::new(file.map_err(DirectoryError::system("open", &path))?.into()))
    }
}

impl Medium for FileMedium {
    type File = Arc<OwnedFd>;

    fn ask(&mut self, request: Request) {
        let message = Message::Ask(self.slot, request);
        self.messages.send(message).expect("the helper runs as long as there is a medium");
    }

    fn next_answer(&mut self) -> Option<MediumAnswer<Self::File>> {
        self.answers.try_recv().ok()
    }
}
