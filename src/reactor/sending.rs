//! Sending, with one send in flight for each link, and closing links.
//!
//! A link that closes first sends its output and the promised replies, within [`FLUSH_MS_MAX`].
//! Then both directions are shut down. The link is removed when the kernel has no operation on it
//! (invariant 2).

use std::io::{self, ErrorKind};

use crate::broker::CloseReason;
use crate::chunk::Batch;
use crate::limits::{FLUSH_MS_MAX, QUIET_SEND_BYTES_MAX};
use crate::ring::{Key, Ring};
use crate::store::Medium;
use crate::transport::Closing as ClosingCode;

use super::links::{Closing, Receiving, Waiting, conn_of};
use super::turn::{Clock, Reactor};

impl<R: Ring, C: Clock, M: Medium<File = R::File>> Reactor<R, C, M> {
    /// Sends a connection's output. While a send is in flight, output gathers instead.
    pub(super) fn start_send(&mut self, key: Key) {
        let spare = self.spare_batch();
        let Some(link) = self.links.get_mut(key) else {
            return self.keep_batch(spare);
        };
        if link.sending || link.closing == Closing::Shut {
            // The gathered output is sent when that send has ended.
            self.ring.await_send(key);
            return self.keep_batch(spare);
        }
        let full = link.transport.is_full();
        let plain = if full { spare } else { self.broker.take_output(conn_of(key), spare) };
        let says_more = self.broker.has_output(conn_of(key)) || self.broker.is_owed(conn_of(key));
        let last = link.closing == Closing::Flushing && !says_more;
        let batch = link.transport.seal(plain, last, &mut self.room, self.broker.pool());
        if batch.is_empty() {
            return self.keep_batch(batch);
        }
        link.sending = true;
        let is_awaited = says_more
            || link.closing != Closing::No
            || link.transport.has_output()
            || batch.bytes() > QUIET_SEND_BYTES_MAX
            || self.broker.awaits_sent(conn_of(key));
        if is_awaited {
            self.ring.submit_send(key, &link.socket, batch);
        } else {
            self.ring.submit_quiet_send(key, &link.socket, batch);
        }
    }

    pub(super) fn on_sent(&mut self, key: Key, result: io::Result<usize>, mut batch: Batch) {
        let Some(link) = self.links.get_mut(key) else {
            unreachable!("a link outlives its operations")
        };
        link.sending = false;
        // A cancelled send may still report a part that was sent.
        let fault = result.as_ref().map_or_else(io::Error::kind, |_| ErrorKind::BrokenPipe);
        let sent = result.ok().filter(|bytes| *bytes > 0 && link.closing != Closing::Shut);
        match sent {
            Some(bytes) => {
                self.broker.meters_mut().load.sent_bytes += bytes as u64;
                batch.advance(bytes, self.broker.pool());
                let plain_bytes = link.transport.on_sent(bytes);
                if plain_bytes > 0 {
                    self.with_broker(|broker, context| {
                        broker.on_sent(conn_of(key), plain_bytes, context);
                    });
                }
                if batch.is_empty() {
                    self.keep_batch(batch);
                    self.go_on_sending(key);
                } else {
                    self.send_rest(key, batch);
                }
            }
            None => {
                batch.clear(self.broker.pool());
                self.keep_batch(batch);
                self.end(key, CloseReason::Failed(fault));
            }
        }
        self.after_last_completion(key);
    }

    /// Handles the end of a send: starts the next, unless the link waited for it to move.
    fn go_on_sending(&mut self, key: Key) {
        match self.links.get_mut(key) {
            Some(link) if link.waiting == Waiting::Send => {
                link.waiting = Waiting::No;
                self.resume(key);
            }
            _ => self.start_send(key),
        }
    }

    fn send_rest(&mut self, key: Key, batch: Batch) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        link.sending = true;
        self.ring.submit_send(key, &link.socket, batch);
    }

    /// Ends a link because the network failed: no more bytes can be sent.
    pub(super) fn end(&mut self, key: Key, reason: CloseReason) {
        self.shut(key);
        self.with_broker(|broker, context| broker.close(conn_of(key), reason, context));
    }

    /// Closes the link of a connection that the broker has ended, after its remaining output.
    pub(super) fn close_link(&mut self, key: Key) {
        let is_stopping = !self.is_running();
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        if link.closing == Closing::No {
            link.closing = Closing::Flushing;
            if is_stopping {
                link.transport.note_closing(ClosingCode::GoingAway);
            }
            self.set_timer(key, self.now_ms + FLUSH_MS_MAX);
        }
        self.start_send(key);
        self.stop_receiving(key);
        self.after_last_completion(key);
    }

    /// Ends the time for a closing link's remaining output; returns whether it was closing.
    pub(super) fn on_closing_timer(&mut self, key: Key) -> bool {
        let Some(link) = self.links.get_mut(key) else {
            return true;
        };
        let closing = link.closing;
        if closing == Closing::Flushing {
            self.shut(key);
            self.after_last_completion(key);
        }
        closing != Closing::No
    }

    /// Shuts down both directions of a link; its operations complete.
    pub(super) fn shut(&mut self, key: Key) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        if link.closing == Closing::Shut {
            return;
        }
        link.closing = Closing::Shut;
        self.ring.shutdown(&link.socket);
        if link.sending {
            self.ring.await_send(key);
            self.ring.cancel_send(key);
        }
        if matches!(link.receiving, Receiving::Armed(_)) {
            link.receiving = Receiving::Ending;
            self.ring.cancel_recv(key);
        }
    }

    /// Takes the next step of closing a link, or arms it again, after an operation on it has ended.
    pub(super) fn after_last_completion(&mut self, key: Key) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        if link.closing == Closing::Flushing
            && !link.sending
            && !self.broker.has_output(conn_of(key))
            && !self.broker.is_owed(conn_of(key))
            && !link.transport.has_output()
        {
            self.shut(key);
        }
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        match link.closing {
            Closing::Shut if !link.is_busy() => {
                // The broker has closed the connection, or closes it when it handles the event.
                self.with_broker(|broker, context| {
                    let reason = CloseReason::Failed(ErrorKind::ConnectionAborted);
                    broker.close(conn_of(key), reason, context);
                    broker.remove(conn_of(key));
                });
                let link = self.links.remove(key);
                let load = &mut self.broker.meters_mut().load;
                load.listener_mut(link.client_address.listener).ended += 1;
                self.ring.release(key, &link.socket);
                self.reclaim.note_left(self.links.len(), self.now_ms);
            }
            Closing::No if link.receiving == Receiving::Off => self.arm_in_order(key),
            Closing::No | Closing::Flushing | Closing::Shut => {}
        }
    }
}
