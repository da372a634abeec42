//! Accepting links, and receiving their bytes.

use std::fmt;
use std::io;

use log::{debug, warn};

use crate::advice;
use crate::broker::{
    ClientAddress, CloseReason, Flow, Shard, ShardId, Stats, TlsInfo, TransportKind,
};
use crate::limits::PENDING_LINKS_MAX;
use crate::mqtt::{DecodeError, Foreign};
use crate::ring::{Buffer, Key, Received, RecvMode, Ring};
use crate::store::Medium;
use crate::transport::{Beginning, Closing as ClosingCode, Opened, Then, Tls, Transport};

use super::cutter::{Cut, Cutter};
use super::link_transfer::LinkTransfer;
use super::links::{Closing, Link, Receiving, Waiting, conn_of};
use super::listener::{ACCEPT_PAUSE_MS, ListenerKind};
use super::outboxes::ShardMessage;
use super::turn::{Clock, Reactor};
use super::unread::UnreadBytes;

impl<R: Ring, C: Clock, M: Medium<File = R::File>> Reactor<R, C, M> {
    pub(super) fn on_accepted(&mut self, listener: u32, result: io::Result<R::Socket>, more: bool) {
        match result {
            // Dropping the socket closes it. Its client tries another broker, or tries later.
            Ok(_) if !self.is_running() || !self.admits => {}
            Ok(socket) if self.links.len() < self.broker.clients() + PENDING_LINKS_MAX => {
                self.start_link(self.listeners.kind(listener), socket);
            }
            // Dropping the socket closes it.
            Ok(_) => self.accept_filter.note_crowded(self.broker.stats_mut(), self.now_ms),
            Err(error) if !self.is_running() => debug!("listener {listener} closed: {error}"),
            Err(error) => {
                if self.listeners.pause(listener, self.now_ms) {
                    let advice = advice::of(&error);
                    warn!(
                        "accepting failed, trying again each {ACCEPT_PAUSE_MS} ms: {error}{advice}"
                    );
                }
                return;
            }
        }
        if !more && self.is_running() {
            self.ring.submit_accept(listener);
        }
    }

    /// Starts a link for an accepted socket.
    fn start_link(&mut self, kind: ListenerKind, socket: R::Socket) {
        let peer = self.ring.peer(&socket);
        let address = peer.map(|peer| peer.ip().to_canonical());
        // Dropping the socket closes it.
        let judged = self.accept_filter.check(kind, address, self.broker.stats_mut(), self.now_ms);
        let Ok(permit) = judged else { return };
        let tls = if kind.tls {
            let setup = self.tls.as_deref().expect("a listener with TLS comes with a setup");
            match Tls::new(setup) {
                Ok(tls) => Some(tls),
                // Dropping the socket closes it.
                Err(error) => return warn!("connection refused: TLS cannot begin: {error}"),
            }
        } else {
            None
        };
        let (accepts, is_local) = (kind.accepts, kind.is_local());
        let beginning = Beginning { accepts, is_local, setup: self.websocket.clone() };
        let transport = Transport::new(tls, beginning);
        let port = peer.map_or(0, |peer| peer.port());
        let (local, listener, unread) = (kind.is_local(), kind.number, UnreadBytes::default());
        let client_address = ClientAddress { address, port, local, listener };
        let load = &mut self.broker.meters_mut().load;
        load.accepted += 1;
        load.listener_mut(listener).accepted += 1;
        let key = self.adopt(LinkTransfer { socket, transport, client_address, permit, unread });
        debug!("link {}: accepted from {client_address}", key.slot);
        self.await_header(key, kind);
        self.arm(key);
    }

    /// Accepts again at listeners whose pause is over.
    pub(super) fn accept_again(&mut self) {
        while self.is_running()
            && let Some(listener) = self.listeners.next_due(self.now_ms)
        {
            self.ring.submit_accept(listener);
        }
    }

    /// Adopts a socket that was accepted or came from another shard.
    pub(super) fn adopt(&mut self, transfer: LinkTransfer<R::Socket>) -> Key {
        let client_address = transfer.client_address;
        let unread_bytes = transfer.unread.as_slice().len();
        let key = self.links.insert(transfer);
        self.broker.open(conn_of(key), client_address, self.now_ms);
        // The bytes came on another shard, which has forgotten the connection.
        let unread_bytes = u32::try_from(unread_bytes).unwrap_or(u32::MAX);
        self.broker.count_received(conn_of(key), unread_bytes);
        if let Some(link) = self.links.get_mut(key) {
            certify(&mut self.broker, key, &link.transport);
        }
        self.follow_timer(key);
        key
    }

    pub(super) fn on_received(&mut self, key: Key, received: Received, more: bool) {
        let Some(link) = self.links.get_mut(key) else {
            unreachable!("a link outlives its operations")
        };
        if !more {
            link.receiving = Receiving::Off;
        }
        let open = link.closing == Closing::No;
        if let Received::Data(buffer) = &received {
            self.broker.meters_mut().load.received_bytes += u64::from(buffer.filled());
            self.broker.count_received(conn_of(key), buffer.filled());
            self.gathering.note_received(link.note_received(self.now_ms));
        }
        let was_fed = std::mem::replace(&mut link.was_fed, matches!(received, Received::Data(_)));
        match received {
            Received::Data(buffer) if open && link.awaits_header => {
                self.on_header_data(key, buffer);
            }
            Received::Data(buffer) if open => self.on_data(key, Some(buffer), 0),
            Received::Data(buffer) => self.ring.recycle(buffer),
            Received::NoBuffers if open => {
                self.broker.meters_mut().load.starved += 1;
                self.starve(key, was_fed);
            }
            Received::End if open => {
                link.ended = true;
                self.end_if_read(key);
            }
            Received::Failed(error) if open => self.end(key, CloseReason::Failed(error.kind())),
            Received::NoBuffers | Received::End | Received::Failed(_) | Received::Cancelled => {}
        }
        if !more {
            self.after_last_completion(key);
        }
    }

    /// Handles the waiting packets of a link, and receives again.
    pub(super) fn resume(&mut self, key: Key) {
        if self.flow(key) != Flow::Continue || !self.is_running() {
            return;
        }
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        let mut unread = std::mem::take(&mut link.unread);
        let (used, cut) = self.cut(key, unread.as_slice());
        unread.consume(used);
        if let Some(link) = self.links.get_mut(key) {
            link.unread = unread;
        }
        self.after_cut(key, &cut);
    }

    /// Arms a receive, unless one is armed or there is a reason not to.
    pub(super) fn arm(&mut self, key: Key) {
        if self.flow(key) != Flow::Continue || !self.is_running() {
            return;
        }
        let greeting = self.broker.is_connecting(conn_of(key));
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        let may = link.closing == Closing::No && link.waiting == Waiting::No && !link.ended;
        if link.receiving == Receiving::Off && may {
            // One receive at a time until the home shard is known: then none is in flight when the
            // link moves.
            let mode = if greeting { RecvMode::Once } else { link.recv_mode() };
            link.receiving = Receiving::Armed(mode);
            self.ring.submit_recv(key, &link.socket, mode);
        }
    }

    /// Arms a receive, behind the links that wait for buffers. Of streams, those that find no
    /// buffer may be known only after the others were handled, so none arms before the end of the
    /// turn.
    pub(super) fn arm_in_order(&mut self, key: Key) {
        if self.links.get_mut(key).is_none_or(|link| link.receiving != Receiving::Off) {
            return;
        }
        if !self.starved.is_empty() || self.ring.rearm().are_streams {
            self.starve(key, true);
        } else {
            self.arm(key);
        }
    }

    /// Puts a link on the list of those that wait for buffers, unless it is there.
    fn starve(&mut self, key: Key, was_fed: bool) {
        if let Some(link) = self.links.get_mut(key)
            && !std::mem::replace(&mut link.is_starved, true)
        {
            self.starved.push(key, was_fed);
        }
    }

    /// Takes postponed steps of handshakes, as many as this turn allows.
    pub(super) fn go_on_with_handshakes(&mut self) {
        while let Some(key) = self.handshakes.next_waiting() {
            if let Some(link) = self.links.get_mut(key)
                && link.waiting == Waiting::Turn
            {
                link.waiting = Waiting::No;
                if link.closing == Closing::No {
                    self.on_data(key, None, 0);
                }
            }
        }
    }

    /// Handles received bytes, except for the first `skip`; without a buffer, those that the
    /// transport has kept.
    pub(super) fn on_data(&mut self, key: Key, buffer: Option<Buffer>, skip: usize) {
        let flow = self.flow(key);
        let stopping = !self.is_running();
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        let wire = match &buffer {
            Some(buffer) => &mut self.ring.bytes_mut(buffer)[skip..],
            None => &mut [],
        };
        if link.transport.is_handshaking() && !self.handshakes.take_step() {
            link.transport.keep(wire);
            link.waiting = Waiting::Turn;
            self.handshakes.put_off(key);
            return self.recycle(buffer);
        }
        let is_handshaking = link.transport.is_handshaking();
        let foreign = if is_handshaking { Foreign::before_tls(wire) } else { None };
        let Opened { bytes, then } = link.transport.open(wire, &mut self.room);
        if is_handshaking {
            count_handshake(self.broker.stats_mut(), &link.transport, &then);
        }
        match &then {
            Then::Fault(fault) => {
                let fault = (fault as &dyn fmt::Display, fault.is_certificate());
                self.broker.log_tls_fault(link.client_address, fault, foreign, self.now_ms);
            }
            Then::Refused(refusal) => {
                self.broker.log_refused_request(link.client_address, refusal, self.now_ms);
            }
            Then::More | Then::End | Then::WebSocket(_) => {}
        }
        link.ended |= matches!(then, Then::End);
        certify(&mut self.broker, key, &link.transport);
        if flow != Flow::Continue || stopping {
            // The link waits for other shards: received data is kept.
            link.unread.extend(bytes);
            self.recycle(buffer);
            self.pause(key);
            return self.after_open(key, &then, None);
        }
        let mut unread = std::mem::take(&mut link.unread);
        let mut cutter = Cutter {
            broker: &mut self.broker,
            outboxes: &mut self.outboxes,
            now_ms: self.now_ms,
            shard: self.shard,
            packet_bytes_max: self.packet_bytes_max,
            fault: None,
        };
        let cut = if unread.is_empty() {
            let (used, cut) = cutter.cut(conn_of(key), bytes);
            if used < bytes.len() {
                unread.extend(&bytes[used..]);
            }
            cut
        } else {
            unread.extend(bytes);
            let (used, cut) = cutter.cut(conn_of(key), unread.as_slice());
            unread.consume(used);
            cut
        };
        if let Some(fault) = cutter.fault {
            link.transport.note_closing(closing_code(fault));
        }
        link.unread = unread;
        self.recycle(buffer);
        self.after_open(key, &then, Some(&cut));
    }

    fn recycle(&mut self, buffer: Option<Buffer>) {
        if let Some(buffer) = buffer {
            self.ring.recycle(buffer);
        }
    }

    /// Does what follows from received bytes. The transport's part comes first, so that a link
    /// moves with its transport's output.
    fn after_open(&mut self, key: Key, then: &Then, cut: Option<&Cut>) {
        let reason = match then {
            Then::More | Then::End => None,
            Then::Fault(_) => Some(CloseReason::TlsFault),
            Then::Refused(_) => Some(CloseReason::Http),
            Then::WebSocket(fault) => Some(CloseReason::WebSocket(fault.as_str())),
        };
        if let Some(reason) = reason {
            self.with_broker(|broker, context| broker.close(conn_of(key), reason, context));
        } else if let Some(cut) = cut {
            self.after_cut(key, cut);
        }
        self.note_output(key);
    }

    /// Sends a transport's own output at the end of the turn.
    pub(super) fn note_output(&mut self, key: Key) {
        if self.links.get_mut(key).is_some_and(|link| link.transport.has_output()) {
            self.unsent.push(key);
        }
    }

    fn cut(&mut self, key: Key, bytes: &[u8]) -> (usize, Cut) {
        let mut cutter = Cutter {
            broker: &mut self.broker,
            outboxes: &mut self.outboxes,
            now_ms: self.now_ms,
            shard: self.shard,
            packet_bytes_max: self.packet_bytes_max,
            fault: None,
        };
        let cut = cutter.cut(conn_of(key), bytes);
        if let (Some(fault), Some(link)) = (cutter.fault, self.links.get_mut(key)) {
            link.transport.note_closing(closing_code(fault));
        }
        cut
    }

    fn after_cut(&mut self, key: Key, cut: &Cut) {
        match *cut {
            Cut::Partial => {
                if let Some(link) = self.links.get_mut(key) {
                    link.calm = link.calm.saturating_add(1);
                }
                self.follow_timer(key);
                self.arm_in_order(key);
                self.end_if_read(key);
            }
            Cut::Pause => {
                self.follow_timer(key);
                self.pause(key);
            }
            Cut::Yield => {
                self.follow_timer(key);
                self.yield_turn(key);
            }
            Cut::Stop => {}
            Cut::Move(home) => self.send_home(key, home),
        }
    }

    /// Ends a link whose peer has closed, after all earlier data was handled: a publisher that had
    /// to wait may have sent DISCONNECT meanwhile. The peer may have closed only its own direction
    /// and still read, so the remaining output is sent first.
    fn end_if_read(&mut self, key: Key) {
        if self.flow(key) == Flow::Pause {
            return;
        }
        if self.links.get_mut(key).is_some_and(|link| link.ended) {
            self.with_broker(|broker, context| {
                broker.close(conn_of(key), CloseReason::PeerClosed, context);
            });
        }
    }

    /// Continues a link in the next turn, or when the rings to other shards have room.
    fn yield_turn(&mut self, key: Key) {
        if let Some(link) = self.links.get_mut(key)
            && !std::mem::replace(&mut link.yielded, true)
        {
            self.yielded.push(key);
            if self.outboxes.is_full() {
                self.broker.meters_mut().load.mesh_waits += 1;
            }
        }
        self.pause(key);
    }

    /// Stops receiving; data that has arrived must still be kept.
    fn pause(&mut self, key: Key) {
        let Some(link) = self.links.get_mut(key) else { return };
        link.calm = 0;
        if link.receiving == Receiving::Armed(RecvMode::Multishot) {
            self.stop_receiving(key);
        }
    }

    pub(super) fn stop_receiving(&mut self, key: Key) {
        if let Some(link) = self.links.get_mut(key)
            && matches!(link.receiving, Receiving::Armed(_))
        {
            link.receiving = Receiving::Ending;
            self.ring.cancel_recv(key);
        }
    }

    fn send_home(&mut self, key: Key, home: ShardId) {
        if let Some(link) = self.links.get_mut(key)
            && link.sending
        {
            // Its packet waits in the link, and is later found to be for another shard again.
            link.waiting = Waiting::Send;
            self.ring.await_send(key);
            return;
        }
        let Link { socket, transport, client_address, permit, unread, .. } = self.links.remove(key);
        self.ring.release(key, &socket);
        self.broker.remove(conn_of(key));
        self.reclaim.note_left(self.links.len(), self.now_ms);
        let transfer = LinkTransfer { socket, transport, client_address, permit, unread };
        self.outboxes.send_message(home, ShardMessage::Link(Box::new(transfer)));
    }

    /// Sets the timer that the broker wants for a link.
    fn follow_timer(&mut self, key: Key) {
        let Some(link) = self.links.get_mut(key) else {
            return;
        };
        let Some(due_ms) = self.broker.timer_ms(conn_of(key)) else {
            return;
        };
        // A timer that fires early is set again; one that would fire late must be replaced.
        if link.timer_ms == 0 || due_ms < link.timer_ms {
            self.set_timer(key, due_ms);
        }
    }
}

/// Counts a TLS handshake that has ended.
fn count_handshake(stats: &mut Stats, transport: &Transport, then: &Then) {
    match then {
        Then::Fault(_) => stats.tls_handshakes_failed += 1,
        _ if transport.is_handshaking() => {}
        _ if transport.is_resumed() => stats.tls_handshakes_resumed += 1,
        _ => stats.tls_handshakes_full += 1,
    }
}

/// The answer to a client whose bytes are not a packet.
fn closing_code(fault: DecodeError) -> ClosingCode {
    match fault {
        DecodeError::TooLarge { .. } => ClosingCode::TooBig,
        _ => ClosingCode::ProtocolError,
    }
}

/// Tells the broker the transport of a link and its TLS parameters, while it wants to know them.
fn certify(broker: &mut Shard, key: Key, transport: &Transport) {
    if matches!(transport, Transport::Plain) || !broker.is_connecting(conn_of(key)) {
        return;
    }
    let kind = match (transport.is_sealed(), transport.is_websocket()) {
        (false, false) => TransportKind::Tcp,
        (true, false) => TransportKind::Tls,
        (false, true) => TransportKind::Ws,
        (true, true) => TransportKind::Wss,
    };
    broker.note_transport(conn_of(key), kind);
    if let Some(version) = transport.version()
        && broker.wants_tls_info(conn_of(key))
    {
        let certificate = transport.subject().map(Into::into);
        broker.note_tls_info(conn_of(key), TlsInfo { version, certificate });
    }
    if transport.is_certified() && broker.is_connecting(conn_of(key)) {
        broker.certify(conn_of(key), transport.certified_name());
    }
}
