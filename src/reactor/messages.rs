//! Messages from other shards and from the control thread, and the steps of stopping.

use log::{debug, info};

use crate::broker::inspect::{self, Reply};
use crate::broker::{Context, ShardId};
use crate::limits::INBOX_RECORDS_MAX;
use crate::mesh::Record;
use crate::ring::Ring;
use crate::store::Medium;

use super::asks::Allowance;
use super::link_transfer::LinkTransfer;
use super::outboxes::{ControlMessage, ShardMessage};
use super::report::Report;
use super::settings::Settings;
use super::stopping::Step;
use super::subscription_sync::SubscriptionSync;
use super::turn::{Clock, Reactor};

impl<R: Ring, C: Clock, M: Medium<File = R::File>> Reactor<R, C, M> {
    /// Applies an operator's settings.
    fn set(&mut self, settings: Settings) {
        let Settings {
            broker,
            retained,
            clients_max,
            packet_bytes_max,
            gather_max,
            addresses,
            trusted,
            websocket,
        } = settings;
        self.websocket = websocket;
        self.outboxes.set_clients_max(clients_max);
        self.packet_bytes_max = packet_bytes_max;
        self.gathering.set_longest(gather_max);
        self.accept_filter.set(addresses, trusted);
        self.with_broker(|shard, context| shard.set_options(&broker, retained, context));
    }

    /// Sends the other shards the subscriptions of this shard's sessions. Accepting begins when all
    /// of them have sent theirs.
    pub(super) fn send_subscriptions(&mut self) {
        self.with_broker(|broker, context| broker.restore_bindings(context));
        let others = self.outboxes.others();
        self.subscription_sync = SubscriptionSync::of(others);
        self.broker.hold_deadlines(true);
        for shard in others.iter() {
            self.outboxes.send_message(shard, ShardMessage::SubscriptionsSent);
        }
        self.start_accepting();
    }

    fn start_accepting(&mut self) {
        if !self.subscription_sync.is_complete() || !self.is_running() {
            return;
        }
        self.broker.hold_deadlines(false);
        for listener in self.listeners.numbers() {
            self.ring.submit_accept(listener);
        }
        for transfer in self.subscription_sync.take_early() {
            self.take_link(transfer);
        }
    }

    /// Handles messages of other shards, a bounded number from each.
    pub(super) fn handle_inboxes(&mut self) {
        for at in 0..self.inboxes.len() {
            let mut awaited = false;
            for _ in 0..INBOX_RECORDS_MAX {
                let Some((from, record)) = self.inboxes.next(at) else { break };
                let message = match record {
                    Record::Bytes(record) => {
                        let from = from.expect("the control thread sends objects");
                        let mut context =
                            Context { now_ms: self.now_ms, peers: &mut self.outboxes };
                        awaited |= self.broker.handle_peer(from, record, &mut context);
                        continue;
                    }
                    Record::Object(message) => message,
                };
                awaited |= self.handle_message(from, message);
            }
            let refused = self.broker.take_refused();
            if refused > 0 {
                self.inboxes.note_refused(at, refused);
            }
            // Other records of the messages are appended at the turn's end: acknowledgements, for
            // which no other shard waits.
            let (log, _) = self.broker.log_marks();
            self.inboxes.note_handled(at, log, awaited);
            self.tell_settled();
        }
    }

    /// Reports to other shards which of their messages are settled.
    pub(super) fn tell_settled(&mut self) {
        let (_, settled) = self.broker.log_marks();
        self.inboxes.tell_settled(settled, |from| self.outboxes.ring(from));
    }

    fn handle_message(&mut self, from: Option<ShardId>, message: ShardMessage<R::Socket>) -> bool {
        match (message, from) {
            (ShardMessage::Link(transfer), _) if !self.subscription_sync.is_complete() => {
                self.subscription_sync.keep(*transfer);
            }
            (ShardMessage::Link(transfer), _) => self.take_link(*transfer),
            (ShardMessage::SubscriptionsSent, Some(from)) => {
                self.subscription_sync.note(from);
                self.start_accepting();
            }
            (ShardMessage::Large(record), Some(from)) => {
                return self
                    .with_broker(|broker, context| broker.handle_peer(from, &record, context));
            }
            (ShardMessage::Control(message), _) => self.handle_control(message),
            (ShardMessage::Ask(ask), _) => self.asks.take(ask),
            (ShardMessage::Drained, Some(from)) => {
                // The sender may have been told to stop before this shard.
                self.begin_stopping();
                self.stopping.note_drained(from);
            }
            (
                ShardMessage::Large(_) | ShardMessage::SubscriptionsSent | ShardMessage::Drained,
                None,
            ) => {
                unreachable!("the control thread has no messages")
            }
        }
        false
    }

    fn handle_control(&mut self, message: ControlMessage) {
        match message {
            ControlMessage::Settings(settings) => self.set(*settings),
            ControlMessage::Policy(policy) => {
                self.with_broker(|broker, context| broker.set_policy(policy, context));
            }
            ControlMessage::Tls(setup) => self.tls = Some(setup),
            ControlMessage::Admit(admits) => self.admits = admits,
            ControlMessage::Delete(names) => {
                self.with_broker(|broker, context| broker.delete_sessions(&names, context));
            }
            // The control thread may have stopped waiting, here and below.
            ControlMessage::Confirm(answer) => drop(answer.send(())),
            ControlMessage::Report(answer) => drop(answer.send(self.report())),
            ControlMessage::Drain => self.begin_stopping(),
        }
    }

    /// Adopts a link that another shard has sent, and handles its unread bytes.
    fn take_link(&mut self, transfer: LinkTransfer<R::Socket>) {
        // While stopping, the socket is dropped, which closes it.
        if self.is_running() {
            let key = self.adopt(transfer);
            self.note_output(key);
            self.resume(key);
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.stopping.is_running()
    }

    /// Whether the shard was told to stop, has closed all links, and its log is committed or the
    /// time for that is over.
    pub fn is_stopped(&self) -> bool {
        self.links.is_empty() && self.stopping.is_over(self.broker.is_committed(), self.now_ms)
    }

    fn begin_stopping(&mut self) {
        if !self.is_running() {
            return;
        }
        info!("stopping, {} connections open", self.links.len());
        let others = self.outboxes.others();
        self.stopping.begin(others, self.now_ms);
        self.listeners.stop();
        for listener in self.listeners.numbers() {
            self.ring.cancel_accept(listener);
        }
        for key in self.links.keys() {
            self.stop_receiving(key);
        }
        self.with_broker(|broker, context| broker.publish_wills(context));
        for shard in others.iter() {
            self.outboxes.send_message(shard, ShardMessage::Drained);
        }
    }

    pub(super) fn advance_stopping(&mut self) {
        if self.is_running() {
            return;
        }
        let has_promises = self.broker.has_promises();
        match self.stopping.next_step(has_promises, self.now_ms) {
            None => {}
            Some(Step::Close) => {
                self.with_broker(|broker, context| broker.close_all(context));
            }
            Some(Step::CutOff) => {
                debug!("{} links are cut off", self.links.len());
                for key in self.links.keys() {
                    self.shut(key);
                    self.after_last_completion(key);
                }
            }
        }
    }

    /// See [`Report`]. Its cost depends only on the number of vhosts.
    fn report(&self) -> Report {
        let own = [
            ("links", self.links.len() as u64),
            ("links_yielded", self.yielded.len() as u64),
            ("links_starved", self.starved.len() as u64),
            ("handshakes_waiting", self.handshakes.waiting() as u64),
            ("shards_behind", u64::from(self.outboxes.is_full())),
        ];
        Report {
            shard: self.shard,
            stats: self.stats(),
            vhosts: self.broker.vhost_reports(),
            figures: self.broker.figures().into_iter().chain(own).collect(),
        }
    }

    /// Whether a waiting ask can be answered.
    pub(super) fn has_news(&mut self) -> bool {
        self.asks.waiting().iter().any(|ask| self.broker.may_answer(ask, &self.outboxes))
    }

    /// Takes a step of each open ask, and more steps of those that only read while time is left.
    pub(super) fn advance_asks(&mut self) {
        if self.has_news() {
            self.asks.open_waiting(|ask| self.broker.may_answer(ask, &self.outboxes));
        }
        if self.asks.is_open() {
            let mut allowance = Allowance::new(self.clock.now_us());
            let (mut round, mut rest) = (self.asks.take_open(), Vec::new());
            while !round.is_empty() {
                let mut again = Vec::new();
                for ask in round {
                    if allowance.is_spent() && ask.question.may_repeat() {
                        // It comes before those that have taken a step now.
                        self.asks.keep(ask);
                        continue;
                    }
                    let kept = self.advance_ask(ask);
                    let took_us = allowance.note_step(self.clock.now_us());
                    self.broker.meters_mut().latency.ask.record_n(took_us, 1);
                    let Some(ask) = kept else { continue };
                    let goes_on = ask.question.may_repeat() && !allowance.is_spent();
                    if goes_on { &mut again } else { &mut rest }.push(ask);
                }
                round = again;
            }
            rest.into_iter().for_each(|ask| self.asks.keep(ask));
        }
        self.asks.end_turn();
    }

    /// Takes a step of an ask; returns it if it needs another.
    fn advance_ask(&mut self, mut ask: Box<inspect::Ask>) -> Option<Box<inspect::Ask>> {
        // Handling an ask never blocks on a full ring or a stopping broker.
        let refuses = !self.is_running() || self.outboxes.is_full();
        if refuses && ask.question.is_new_message() {
            ask.reply = Reply::None;
            self.asks.give_back(ask);
            return None;
        }
        match self.with_broker(|broker, context| broker.answer(&mut ask, context)) {
            inspect::Step::More => return Some(ask),
            inspect::Step::Wait => self.asks.wait(ask),
            inspect::Step::Done => {
                if let Reply::Figures(snapshot) = &mut ask.reply {
                    let load = &mut snapshot.load;
                    load.links = self.links.len() as u64;
                    load.handshakes_waiting = self.handshakes.waiting() as u64;
                    load.starving = self.starved.len() as u64;
                    let is_full = self.outboxes.is_full();
                    load.mesh_waiting = if is_full { self.yielded.len() as u64 } else { 0 };
                }
                self.asks.give_back(ask);
            }
        }
        None
    }
}
