//! Clients' answers to messages in flight (3.4 to 3.7).
//!
//! Invariant: an answer changes the message with its identifier, or nothing.

use super::{Answer, Entry, Queue, QueueLog};

impl Queue {
    /// PUBACK: ends the QoS 1 message with this packet identifier.
    #[inline]
    pub fn acknowledge(&mut self, packet_id: u16, log: &mut impl QueueLog) -> Answer {
        let Some((front, at)) = self.in_flight(packet_id, log) else { return Answer::Known };
        if front.flight[at].terms().exactly_once {
            return Answer::Wrong;
        }
        self.end_at(at, log);
        Answer::Done
    }

    /// PUBACKs of `count` messages, from the one with this packet identifier on: ends those that
    /// are the oldest in flight, in order; returns how many. Any other PUBACK is for
    /// [`Queue::acknowledge`].
    pub fn acknowledge_run(&mut self, packet_id: u16, count: u16, log: &mut impl QueueLog) -> u16 {
        let Some(front) = self.front.as_deref_mut() else { return 0 };
        if Self::packet_id(front.first) != packet_id {
            return 0;
        }
        let (mut ended, mut bytes) = (0, 0);
        let entries = std::iter::from_fn(|| {
            let entry = if ended < count { front.end_oldest() } else { None }?;
            ended += 1;
            bytes += u64::from(entry.bytes());
            Some(entry)
        });
        log.release_each(entries.filter_map(Entry::position));
        self.stored_bytes -= bytes;
        front.trim();
        self.unload(log);
        ended
    }

    /// PUBREC: the client has the QoS 2 message; its identifier stays in use until PUBCOMP.
    pub fn release(&mut self, packet_id: u16, log: &mut impl QueueLog) -> Answer {
        let Some((front, at)) = self.in_flight(packet_id, log) else { return Answer::Known };
        let entry = front.flight[at];
        if !entry.terms().exactly_once {
            return Answer::Wrong;
        }
        if entry == Entry::RELEASED {
            return Answer::Known;
        }
        front.release(at);
        self.let_go(entry, log);
        Answer::Done
    }

    /// PUBREC with a reason code of 0x80 or more: ends the QoS 2 message with this packet
    /// identifier [MQTT-4.4.0-2]. A released message cannot be refused any more.
    pub fn refuse(&mut self, packet_id: u16, log: &mut impl QueueLog) -> Answer {
        let Some((front, at)) = self.in_flight(packet_id, log) else { return Answer::Known };
        let entry = front.flight[at];
        if !entry.terms().exactly_once {
            return Answer::Wrong;
        }
        if entry == Entry::RELEASED {
            return Answer::Known;
        }
        self.end_at(at, log);
        Answer::Done
    }

    /// PUBCOMP: ends the QoS 2 message with this packet identifier, if it was released. It is
    /// ignored if the message must be sent again: it may answer a packet that this side has lost.
    pub fn complete(&mut self, packet_id: u16, log: &mut impl QueueLog) -> Answer {
        let Some((front, at)) = self.in_flight(packet_id, log) else { return Answer::Known };
        if front.flight[at] == Entry::RELEASED {
            self.end_at(at, log);
            return Answer::Done;
        }
        let is_due_again = front.first + at as u64 >= front.next_number();
        if is_due_again { Answer::Known } else { Answer::Wrong }
    }
}
