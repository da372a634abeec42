//! A client that publishes and subscribes, with ringmq's codec, one call at a time.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use ringmq::mqtt::{
    Ack, AckKind, Connect, ConnectProperties, Packet, PacketId, Properties, Publish,
    PublishProperties, QoS, Subscribe, TopicName, Version, decode, peek_frame,
};

use super::process::PATIENCE;

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A message that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) retain: bool,
    pub(crate) user: Vec<(String, String)>,
}

/// A connection.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    input: Vec<u8>,
    waiting: VecDeque<Received>,
}

impl Client {
    /// Connects over a Unix socket. `durable`: its session stays.
    pub(crate) fn unix(socket: &Path, id: &str, durable: bool) -> Self {
        let stream = UnixStream::connect(socket).expect("the broker listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("is set");
        Self::greet(Box::new(stream), id, durable)
    }

    /// Connects over TCP.
    pub(crate) fn tcp(port: u16, id: &str, durable: bool) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("is set");
        // Else a packet waits for the acknowledgement of the one before, which comes late.
        stream.set_nodelay(true).expect("is set");
        Self::greet(Box::new(stream), id, durable)
    }

    /// Connects over TCP to a program that does not say when it listens.
    pub(crate) fn tcp_when_up(port: u16, id: &str, durable: bool) -> Self {
        Self::at_when_up("127.0.0.1", port, id, durable)
    }

    /// The same at another address.
    pub(crate) fn at_when_up(address: &str, port: u16, id: &str, durable: bool) -> Self {
        let deadline = Instant::now() + PATIENCE;
        let stream = loop {
            match TcpStream::connect((address, port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "port {port}: {error}"),
            }
        };
        stream.set_read_timeout(Some(PATIENCE)).expect("is set");
        // Else a packet waits for the acknowledgement of the one before, which comes late.
        stream.set_nodelay(true).expect("is set");
        Self::greet(Box::new(stream), id, durable)
    }

    fn greet(stream: Box<dyn Stream>, id: &str, durable: bool) -> Self {
        let mut client = Self { stream, input: Vec::new(), waiting: VecDeque::new() };
        let session_expiry_s = if durable { ringmq::mqtt::SESSION_NEVER_EXPIRES } else { 0 };
        let wanted = ConnectProperties { session_expiry_s, ..ConnectProperties::default() };
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        let connect = Connect {
            version: Version::V5,
            clean_session: !durable,
            keep_alive_s: 0,
            client_id: id,
            will: None,
            username: None,
            password: None,
            properties: wanted.lay_out(&[], &mut scratch),
        };
        connect.encode(Version::V5, &mut out);
        client.stream.write_all(&out).expect("the broker reads");
        client.wait_for(|packet| match packet {
            Packet::Connack(connack) => {
                assert_eq!(connack.reason, 0, "accepted");
                Some(())
            }
            _ => None,
        });
        client
    }

    /// Returns with the SUBACK.
    pub(crate) fn subscribe(&mut self, filter: &str) {
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        let id = PacketId::new(1).expect("is not 0");
        let subscribe = Subscribe::new(id, &[(filter, QoS::AtLeastOnce)], &mut scratch);
        subscribe.encode(Version::V5, &mut out);
        self.stream.write_all(&out).expect("the broker reads");
        self.wait_for(|packet| match packet {
            Packet::Suback(suback) => {
                assert!(suback.codes[0] < 0x80, "granted");
                Some(())
            }
            _ => None,
        });
    }

    /// Publishes at QoS 1, and returns with the PUBACK of the last.
    pub(crate) fn publish_all<'a>(
        &mut self,
        messages: impl Iterator<Item = (&'a str, String)>,
        retain: bool,
    ) {
        let messages: Vec<(&str, String)> = messages.collect();
        for window in messages.chunks(200) {
            let mut out = Vec::new();
            for (at, (topic, payload)) in window.iter().enumerate() {
                let id = u16::try_from(at + 1).expect("a small window");
                let publish = Publish {
                    dup: false,
                    qos: QoS::AtLeastOnce,
                    retain,
                    topic: Some(TopicName::parse(topic).expect("is a topic")),
                    packet_id: PacketId::new(id),
                    properties: PublishProperties::EMPTY,
                    payload: payload.as_bytes(),
                };
                publish.encode(Version::V5, &mut out);
            }
            self.stream.write_all(&out).expect("the broker reads");
            for _ in window {
                self.wait_for(|packet| matches!(packet, Packet::Puback(_)).then_some(()));
            }
        }
    }

    /// Publishes one message, and returns with its PUBACK.
    pub(crate) fn publish(&mut self, topic: &str, payload: &str) {
        self.publish_all(std::iter::once((topic, payload.to_owned())), false);
    }

    /// The next message.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Received {
        loop {
            if let Some(received) = self.waiting.pop_front() {
                return received;
            }
            self.wait_for(|packet| matches!(packet, Packet::Publish(_)).then_some(()));
        }
    }

    /// The next message of a topic; others stay.
    #[track_caller]
    pub(crate) fn receive_on(&mut self, topic: &str) -> Received {
        loop {
            let found = self.waiting.iter().position(|received| received.topic == topic);
            if let Some(found) = found {
                return self.waiting.remove(found).expect("was found");
            }
            let before = self.waiting.len();
            while self.waiting.len() == before {
                self.wait_for(|packet| matches!(packet, Packet::Publish(_)).then_some(()));
            }
        }
    }

    /// Reads packets until `wanted` has one; messages are kept and acknowledged meanwhile.
    #[track_caller]
    fn wait_for<T>(&mut self, wanted: impl Fn(&Packet<'_>) -> Option<T>) -> T {
        loop {
            let frame = peek_frame(Version::V5, &self.input, usize::MAX).expect("is MQTT");
            let whole = frame.filter(|frame| frame.total_bytes <= self.input.len());
            let Some(frame) = whole else {
                let mut bytes = [0; 65_536];
                let count = match self.stream.read(&mut bytes) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    read => read.expect("something comes"),
                };
                assert!(count > 0, "the broker has closed the connection");
                self.input.extend_from_slice(&bytes[..count]);
                continue;
            };
            let rest = self.input.split_off(frame.total_bytes);
            let bytes = std::mem::replace(&mut self.input, rest);
            let packet = decode(Version::V5, frame, &bytes).expect("is MQTT");
            if let Packet::Publish(publish) = &packet {
                self.keep(publish);
            }
            if let Some(found) = wanted(&packet) {
                return found;
            }
        }
    }

    fn keep(&mut self, publish: &Publish<'_>) {
        let properties: Properties<'_> = publish.properties.list();
        let user = properties.user_properties();
        self.waiting.push_back(Received {
            topic: publish.topic.expect("no alias was asked for").as_str().to_owned(),
            payload: String::from_utf8_lossy(publish.payload).into_owned(),
            retain: publish.retain,
            user: user.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        });
        if let Some(id) = publish.packet_id {
            let ack = Ack::bytes_v3(AckKind::Puback, id);
            self.stream.write_all(&ack).expect("the broker reads");
        }
    }
}
