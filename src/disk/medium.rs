//! One shard's medium: it sends the store's requests to the helper, and takes its answers.
//!
//! Every `Supply` is answered once, in order. The queues between the two are bounded by the store,
//! which asks for few files at a time, and by how often a second the helper looks at the space.

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
    /// Tells the helper whether a file is still wanted.
    pub(super) _waits: Arc<()>,
}

impl FileMedium {
    /// Opens a file for writing that was found when the directory was opened. This may wait for the
    /// disk: it is meant for the start.
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
