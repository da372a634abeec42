//! A blocking client that sends exactly the given bytes and checks the answers.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, connect as connect_socket, socket_with,
};

use super::broker::{Broker, PATIENCE};
use super::packet::{
    Connect, Publish, connack, connect, puback, pubcomp, pubrec, pubrel, suback, subscribe,
    unsuback, unsubscribe,
};

/// One network connection. A drop closes it without a DISCONNECT.
pub(crate) struct Client {
    stream: TcpStream,
}

/// Connects with clean session 0; `present`: whether the broker must have a session for `id`.
#[track_caller]
pub(crate) fn resume_as(broker: &Broker, id: &str, present: bool) -> Client {
    let mut client = Client::open(broker);
    client.send(&connect(id).persistent().bytes());
    client.expect(&connack(present, 0));
    client
}

/// Ways for a connection to end while its session stays.
pub(crate) const ENDS: [&str; 4] = ["leave", "close", "reset", "takeover"];

/// Ends the connection of `id` as [`ENDS`] names it, and resumes its session.
#[track_caller]
pub(crate) fn reconnect_as(broker: &Broker, id: &str, mut client: Client, end: &str) -> Client {
    match end {
        "leave" => client.leave(),
        "close" => drop(client),
        "reset" => client.reset(),
        "takeover" => {
            let next = resume_as(broker, id, true);
            client.expect_closed();
            return next;
        }
        other => panic!("{other} is not among {ENDS:?}"),
    }
    resume_as(broker, id, true)
}

/// Connects from this loopback address: one has too few ports for tens of thousands of connections
/// that end within a minute.
pub(crate) fn socket_from(source: [u8; 4], broker: SocketAddr) -> TcpStream {
    let SocketAddr::V4(broker) = broker else { panic!("the broker listens on IPv4") };
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .expect("a descriptor is free");
    bind(&socket, &SocketAddrV4::new(source.into(), 0)).expect("a port is free");
    connect_socket(&socket, &broker).expect("the broker listens");
    TcpStream::from(socket)
}

impl Client {
    /// Opens the network connection and sends nothing.
    #[track_caller]
    pub(crate) fn open(broker: &Broker) -> Self {
        Self::over(TcpStream::connect(broker.addr()).expect("the broker listens"))
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a TCP socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("not zero");
        Self { stream }
    }

    /// Opens a connection to a broker's Unix socket and sends nothing.
    #[track_caller]
    pub(crate) fn open_unix(path: &Path) -> Self {
        let socket = UnixStream::connect(path).expect("the broker listens");
        // The test uses only operations that every stream socket has.
        let stream = TcpStream::from(OwnedFd::from(socket));
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        stream.set_write_timeout(Some(PATIENCE)).expect("not zero");
        Self { stream }
    }

    /// Connects with a clean session.
    #[track_caller]
    pub(crate) fn connect(broker: &Broker, id: &str) -> Self {
        Self::connect_with(broker, &connect(id))
    }

    /// Connects as `packet` says and expects to be accepted without a session.
    #[track_caller]
    pub(crate) fn connect_with(broker: &Broker, packet: &Connect) -> Self {
        let mut client = Self::open(broker);
        client.send(&packet.bytes());
        client.expect(&connack(false, 0));
        client
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the connection is open");
    }

    /// Sends to a broker that may be closing the connection meanwhile.
    pub(crate) fn send_to_closing(&mut self, bytes: &[u8]) {
        // A reset shows in the read that follows.
        let _ = self.stream.write_all(bytes);
    }

    /// Shuts down sending; reading is still possible.
    pub(crate) fn finish_sending(&mut self) {
        // The broker may have closed already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Ends the connection with a TCP reset.
    pub(crate) fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO))
            .expect("a TCP socket");
    }

    /// The next packet is byte for byte this.
    #[track_caller]
    pub(crate) fn expect(&mut self, packet: &[u8]) {
        let came = self.read_packet();
        assert!(came == packet, "due: {}\ncame: {}", hex(packet), hex(&came));
    }

    /// The next packet, whole.
    #[track_caller]
    pub(crate) fn read_packet(&mut self) -> Vec<u8> {
        match self.try_read_packet() {
            Some(packet) => packet,
            None => panic!("a packet was due, the broker closed the connection"),
        }
    }

    /// The next packet, or `None` if the broker closed the connection.
    #[track_caller]
    pub(crate) fn try_read_packet(&mut self) -> Option<Vec<u8>> {
        let mut packet = vec![0];
        if !self.fill(&mut packet) {
            return None;
        }
        let mut length = 0;
        for shift in [0, 7, 14, 21] {
            let mut digit = [0];
            assert!(self.fill(&mut digit), "closed inside a packet");
            packet.push(digit[0]);
            length |= usize::from(digit[0] & 0x7f) << shift;
            if digit[0] & 0x80 == 0 {
                let header = packet.len();
                packet.resize(header + length, 0);
                assert!(length == 0 || self.fill(&mut packet[header..]), "closed inside a packet");
                return Some(packet);
            }
        }
        panic!("remaining length has more than four bytes: {}", hex(&packet));
    }

    /// Reads all of `bytes`; false if the connection was closed in front of the first.
    #[track_caller]
    fn fill(&mut self, bytes: &mut [u8]) -> bool {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.stream.read(&mut bytes[filled..]) {
                Ok(0) if filled == 0 => return false,
                Ok(0) => panic!("closed inside a packet, after {}", hex(&bytes[..filled])),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset && filled == 0 => {
                    return false;
                }
                Err(error) => panic!("reading a packet: {error}"),
            }
        }
        true
    }

    /// The next packet is a PUBLISH: this one. It is not acknowledged.
    #[track_caller]
    pub(crate) fn read_publish(&mut self) -> Publish {
        Publish::parse(&self.read_packet())
    }

    /// The next packet is this PUBLISH; above QoS 0 any id is accepted, acknowledged to the end and
    /// returned. With QoS 2 its PUBREL must be next.
    #[track_caller]
    pub(crate) fn expect_publish(&mut self, expected: &Publish) -> u16 {
        let came = self.expect_unacked(expected);
        self.acknowledge(expected.qos, came);
        came
    }

    /// As [`Self::expect_publish`], for a retained message below QoS 2 that was published after the
    /// SUBACK. The search for retained messages may still be on its way to the shard that keeps it,
    /// and find it too: then that copy is first.
    #[track_caller]
    pub(crate) fn expect_live(&mut self, expected: &Publish) {
        let mut came = self.read_publish();
        self.acknowledge(came.qos, came.id);
        if came.retain {
            came = self.read_publish();
            self.acknowledge(came.qos, came.id);
        }
        let expected = Publish { id: came.id, ..expected.clone() };
        assert!(came == expected, "due: {expected:?}\ncame: {came:?}");
    }

    /// Acknowledges a PUBLISH to the end; with QoS 2 its PUBREL is next.
    #[track_caller]
    pub(crate) fn acknowledge(&mut self, qos: u8, id: u16) {
        match qos {
            0 => {}
            1 => self.send(&puback(id)),
            _ => {
                self.send(&pubrec(id));
                self.expect(&pubrel(id));
                self.send(&pubcomp(id));
            }
        }
    }

    /// The next packet is this PUBLISH; above QoS 0 any id will do and is returned.
    #[track_caller]
    pub(crate) fn expect_unacked(&mut self, expected: &Publish) -> u16 {
        let came = self.read_publish();
        let expected = Publish { id: came.id, ..expected.clone() };
        assert!(came == expected, "due: {expected:?}\ncame: {came:?}");
        assert_eq!(
            came.qos > 0,
            came.id > 0,
            "an id goes with QoS 1 and 2, and is not 0: {came:?}"
        );
        came.id
    }

    /// The broker closes the connection and says nothing more.
    #[track_caller]
    pub(crate) fn expect_closed(&mut self) {
        if let Some(packet) = self.try_read_packet() {
            panic!("closing was due, this came: {}", hex(&packet));
        }
    }

    /// No packet is on the way to this client, and the connection is open. Actions of other clients
    /// count only if they were handled before: see [`Self::expect_publish`] of a later message.
    #[track_caller]
    pub(crate) fn expect_silence(&mut self) {
        self.expect_at_most(&[]);
    }

    /// As [`Self::expect_silence`], but all or some of these packets may arrive, in this order.
    #[track_caller]
    pub(crate) fn expect_at_most(&mut self, packets: &[&[u8]]) {
        let mut rest = packets;
        for came in self.read_to_fence() {
            let at = rest.iter().position(|packet| *packet == came);
            let at = at.unwrap_or_else(|| panic!("due at most: {rest:02x?}\ncame: {}", hex(&came)));
            rest = &rest[at + 1..];
        }
    }

    /// All packets that are on the way, also those that wait for the disk or for other shards: an
    /// UNSUBSCRIBE that changes nothing is answered behind them.
    #[track_caller]
    pub(crate) fn read_to_fence(&mut self) -> Vec<Vec<u8>> {
        const ID: u16 = 0x5ab7;
        self.send(&unsubscribe(ID, &["nobody/has/this/filter"]));
        let mut came = Vec::new();
        loop {
            let packet = self.read_packet();
            if packet == unsuback(ID) {
                return came;
            }
            came.push(packet);
        }
    }

    /// Reads for this time; no byte may arrive. Only for time-outs in the standard.
    #[track_caller]
    pub(crate) fn hear_nothing_for(&mut self, time: Duration) {
        self.stream.set_read_timeout(Some(time)).expect("not zero");
        match self.stream.read(&mut [0]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            other => panic!("silence was due, this came: {other:?}"),
        }
        self.stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    }

    /// Subscribes to one filter, and is granted the QoS it asks for.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, filter: &str, qos: u8) {
        self.send(&subscribe(0x5ab5, &[(filter, qos)]));
        self.expect(&suback(0x5ab5, &[qos]));
    }

    /// The same for a session that will have no client: later messages are not sent on this
    /// connection, so they are not sent again with DUP.
    #[track_caller]
    pub(crate) fn subscribe_and_leave(mut self, filter: &str, qos: u8) {
        self.subscribe(filter, qos);
        self.leave();
    }

    #[track_caller]
    pub(crate) fn unsubscribe(&mut self, filter: &str) {
        self.send(&unsubscribe(0x5ab6, &[filter]));
        self.expect(&unsuback(0x5ab6));
    }

    /// Publishes; above QoS 0 up to the last acknowledgement.
    #[track_caller]
    pub(crate) fn publish(&mut self, message: &Publish) {
        self.send(&message.bytes());
        match message.qos {
            0 => {}
            1 => self.expect(&puback(message.id)),
            _ => {
                self.expect(&pubrec(message.id));
                self.send(&pubrel(message.id));
                self.expect(&pubcomp(message.id));
            }
        }
    }

    /// Leaves as the standard says: DISCONNECT, and the broker closes.
    #[track_caller]
    pub(crate) fn leave(mut self) {
        self.send(super::packet::DISCONNECT);
        self.expect_closed();
    }
}

/// The bytes for a failure message, long ones cut.
fn hex(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(80)];
    format!("{} bytes {shown:02x?} {:?}", bytes.len(), String::from_utf8_lossy(shown))
}
