//! A subscriber: receives, counts, has order checked, measures latency and acknowledges in batches.
//!
//! Owned by a thread's load. Members of one group share a checker: the broker gives the messages of
//! a publisher and topic to one of them at a time, so there is one order of all that they receive.

use crate::belt;
use crate::checker::Checker;
use crate::client::{Client, Fault, Inbox};
use crate::stats::{Clock, Stats};
use crate::wire::{self, Packet};

/// One subscribing connection.
#[derive(Debug)]
pub(crate) struct Subscriber {
    client: Client,
    /// The number of its checker.
    checker: usize,
    /// Messages stamped earlier belong to another run.
    run_began_ns: u64,
}

impl Subscriber {
    /// A subscriber whose client subscribes during the handshake.
    pub(crate) fn new(client: Client, checker: usize, run_began_ns: u64) -> Subscriber {
        Subscriber { client, checker, run_began_ns }
    }

    /// The connection.
    pub(crate) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The number of its checker.
    pub(crate) fn checker(&self) -> usize {
        self.checker
    }

    /// Reads once and handles the packets; returns the bytes received.
    pub(crate) fn receive(
        &mut self,
        inbox: &mut Inbox,
        checker: &mut Checker,
        clock: &Clock,
        stats: &mut Stats,
    ) -> Result<usize, Fault> {
        let received = self.client.receive(inbox)?;
        if received == 0 {
            return Ok(0);
        }
        let now_ns = clock.now_ns();
        let (bytes, version) = (inbox.bytes(), self.client.version());
        let (mut at, mut delivered) = (0, 0);
        // Consecutive messages often share a stamp: they are recorded together.
        let (mut run_ns, mut run_length) = (0, 0);
        while let Some((packet, size)) = wire::split(&bytes[at..], version)? {
            at += size;
            let Packet::Publish { packet_id, payload } = packet else {
                self.client.handle_control(&packet)?;
                continue;
            };
            delivered += 1;
            if let Some(packet_id) = packet_id {
                wire::push_puback(self.client.outbox(), packet_id);
            }
            let Some(origin) = belt::origin(payload) else {
                stats.tally.unknown += 1;
                continue;
            };
            if origin.intended_ns != run_ns {
                stats.delivery.note(run_ns, now_ns, run_length);
                stats.outages.note(origin.intended_ns, now_ns);
                (run_ns, run_length) = (origin.intended_ns, 0);
            }
            run_length += 1;
            if origin.intended_ns < self.run_began_ns {
                stats.tally.earlier += 1;
            } else if !checker.note(origin.place) {
                stats.tally.unknown += 1;
            }
        }
        stats.delivery.note(run_ns, now_ns, run_length);
        stats.tally.delivered += delivered;
        if delivered > 0 {
            stats.delivered_ns = now_ns;
        }
        self.client.carry_over(inbox, at);
        self.client.flush()?;
        Ok(received)
    }
}
