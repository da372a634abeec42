//! The channels of the control thread and of the admin thread to the shards.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::mesh::{Bell, Sender};
use crate::reactor::{ControlMessage, ShardMessage};
use crate::ring::{Socket, Wake, Waker};

/// The time between two tries to send to a shard that is busy.
const CONTROL_PAUSE: Duration = Duration::from_millis(1);

/// One thread's channel to one shard.
pub(super) struct Control {
    pub(super) sender: Sender<ShardMessage<Socket>>,
    pub(super) bell: Arc<Bell>,
    pub(super) waker: Waker,
}

impl Control {
    pub(super) fn send(&mut self, message: ControlMessage) {
        let mut message = ShardMessage::Control(message);
        // The shard is busy: it has not yet received earlier messages, but it will.
        while let Err(refused) = self.sender.push_object(message) {
            message = refused;
            thread::sleep(CONTROL_PAUSE);
        }
        self.wake();
    }

    /// Sends a message if there is room.
    ///
    /// # Errors
    /// Returns the message if there is no room.
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
