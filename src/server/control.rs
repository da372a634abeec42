//! The channels of the control thread and of the admin thread to the shards.

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use log::warn;

use crate::mesh::{Bell, Sender};
use crate::reactor::{ControlMessage, ShardMessage};
use crate::ring::{Socket, Wake, Waker};

/// The time between two tries to send to a shard that is busy.
const CONTROL_PAUSE: Duration = Duration::from_millis(1);

/// Time that shards have to answer the control thread.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(2);

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

/// Waits until every shard has handled its messages, so that the change is in effect on every shard
/// when it is reported. The wait for a shard that does not answer is limited.
pub(super) fn confirm(controls: &mut [Control]) {
    let (sender, answers) = mpsc::channel();
    for control in controls.iter_mut() {
        control.send(ControlMessage::Confirm(sender.clone()));
    }
    drop(sender);
    let deadline = Instant::now() + ANSWER_LIMIT;
    let left = || deadline.saturating_duration_since(Instant::now());
    let confirmed = controls.iter().take_while(|_| answers.recv_timeout(left()).is_ok()).count();
    let silent = controls.len() - confirmed;
    if silent > 0 {
        let (limit, of) = (ANSWER_LIMIT.as_secs(), controls.len());
        warn!("{silent} of {of} shards have not taken this within {limit} s: they do so later");
    }
}
