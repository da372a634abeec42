//! The control thread's ways to the shards, and the admin thread's.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::mesh::{Bell, Sender};
use crate::reactor::{ControlMessage, ShardMessage};
use crate::ring::{Socket, Wake, Waker};

/// The time between two tries to send to a shard that is busy.
const CONTROL_PAUSE: Duration = Duration::from_millis(1);

/// A thread's own way to one shard.
pub(super) struct Control {
    pub(super) sender: Sender<ShardMessage<Socket>>,
    pub(super) bell: Arc<Bell>,
    pub(super) waker: Waker,
}

impl Control {
    pub(super) fn send(&mut self, message: ControlMessage) {
        let mut message = ShardMessage::Control(message);
        // A shard that does not come to take what it was sent before is busy, and will.
        while let Err(refused) = self.sender.push_object(message) {
            message = refused;
            thread::sleep(CONTROL_PAUSE);
        }
        self.wake();
    }

    /// Sends a message if there is room for it.
    ///
    /// # Errors
    /// The message, if there is none.
    pub(super) fn try_send(
        &mut self,
        message: ShardMessage<Socket>,
    ) -> Result<(), ShardMessage<Socket>> {
        let sent = self.sender.push_object(message);
        self.wake();
        sent
    }

    fn wake(&mut self) {
        self.sender.publish();
        if self.bell.must_ring() {
            self.waker.wake();
        }
    }
}
