//! The MQTT 5 part of [`Client`].

use super::broker::Broker;
use super::client::Client;
use super::packet::{puback, pubcomp, pubrec, pubrel};
use super::v5::{Answer, Connect, Packet, Props, Publish, props, subscribe, unsubscribe};

impl Client {
    /// Connects with clean start, and expects to be accepted.
    #[track_caller]
    pub(crate) fn connect_v5(broker: &Broker, id: &str) -> Self {
        Self::connect_v5_with(broker, &super::v5::connect(id)).0
    }

    /// Connects with `packet` and expects to be accepted; returns the CONNACK.
    #[track_caller]
    pub(crate) fn connect_v5_with(broker: &Broker, packet: &Connect) -> (Self, Answer) {
        let mut client = Self::open(broker);
        client.send(&packet.bytes());
        let connack = client.expect_connack(0);
        (client, connack)
    }

    /// Connects as `packet` says and expects a session, or none.
    #[track_caller]
    pub(crate) fn resume_v5(broker: &Broker, packet: &Connect, present: bool) -> Self {
        let (client, connack) = Self::connect_v5_with(broker, packet);
        assert_eq!(connack.flags, u8::from(present), "session present: {connack:?}");
        client
    }

    /// The next packet, of MQTT 5.
    #[track_caller]
    pub(crate) fn read_v5(&mut self) -> Packet {
        Packet::parse(&self.read_packet())
    }

    /// The next packet is not PUBLISH, and has this first byte.
    #[track_caller]
    pub(crate) fn expect_answer(&mut self, first: u8) -> Answer {
        match self.read_v5() {
            Packet::Answer(answer) if answer.first == first => answer,
            other => panic!("{first:#04x} was due, this came: {other:?}"),
        }
    }

    /// The next packet is a CONNACK with this code.
    #[track_caller]
    pub(crate) fn expect_connack(&mut self, code: u8) -> Answer {
        let connack = self.expect_answer(0x20);
        assert_eq!(connack.codes, [code], "{connack:02x?}");
        assert!(code == 0 || connack.flags == 0, "refused with a session: {connack:?}");
        connack
    }

    /// The next packet is an acknowledgement with this first byte, identifier and code.
    #[track_caller]
    pub(crate) fn expect_ack(&mut self, first: u8, id: u16, code: u8) -> Props {
        let ack = self.expect_answer(first);
        assert_eq!((ack.id, &*ack.codes), (id, &[code][..]), "{ack:02x?}");
        ack.props
    }

    /// The broker sends a DISCONNECT with this code, and closes.
    #[track_caller]
    pub(crate) fn expect_disconnect(&mut self, code: u8) -> Props {
        let disconnect = self.expect_answer(0xe0);
        assert_eq!(disconnect.codes, [code], "{disconnect:02x?}");
        self.expect_closed();
        disconnect.props
    }

    /// As [`Self::expect_disconnect`], after any packets on the way.
    #[track_caller]
    pub(crate) fn expect_disconnect_later(&mut self, code: u8) -> Props {
        loop {
            match self.read_v5() {
                Packet::Answer(answer) if answer.first == 0xe0 => {
                    assert_eq!(answer.codes, [code], "{answer:02x?}");
                    self.expect_closed();
                    return answer.props;
                }
                _ => {}
            }
        }
    }

    /// The next packet is a PUBLISH: this one. It is not acknowledged.
    #[track_caller]
    pub(crate) fn read_publish_v5(&mut self) -> Publish {
        match self.read_v5() {
            Packet::Publish(publish) => publish,
            other => panic!("a PUBLISH was due, this came: {other:?}"),
        }
    }

    /// The next packet is this PUBLISH, properties included and in their order; above QoS 0 any id
    /// will do, is acknowledged to the end and returned.
    #[track_caller]
    pub(crate) fn expect_publish_v5(&mut self, expected: &Publish) -> u16 {
        let came = self.expect_unacked_v5(expected);
        self.acknowledge(expected.qos, came);
        came
    }

    /// As [`Self::expect_publish_v5`], without an acknowledgement.
    #[track_caller]
    pub(crate) fn expect_unacked_v5(&mut self, expected: &Publish) -> u16 {
        let came = self.read_publish_v5();
        let expected = Publish { id: came.id, ..expected.clone() };
        assert!(came == expected, "due: {expected:?}\ncame: {came:?}");
        came.id
    }

    /// Subscribes to one filter, and is granted the QoS of these options.
    #[track_caller]
    pub(crate) fn subscribe_v5(&mut self, filter: &str, options: u8) {
        self.subscribe_v5_with(filter, options, &props());
    }

    /// As [`Self::subscribe_v5`], with properties.
    #[track_caller]
    pub(crate) fn subscribe_v5_with(&mut self, filter: &str, options: u8, props: &Props) {
        self.send(&subscribe(0x5ab5, props, &[(filter, options)]));
        let suback = self.expect_answer(0x90);
        assert_eq!((suback.id, &*suback.codes), (0x5ab5, &[options & 3][..]), "{suback:02x?}");
    }

    /// Unsubscribes from one filter; returns the code.
    #[track_caller]
    pub(crate) fn unsubscribe_v5(&mut self, filter: &str) -> u8 {
        self.send(&unsubscribe(0x5ab6, &props(), &[filter]));
        let unsuback = self.expect_answer(0xb0);
        assert_eq!((unsuback.id, unsuback.codes.len()), (0x5ab6, 1), "{unsuback:02x?}");
        unsuback.codes[0]
    }

    /// Publishes; above QoS 0 up to the last acknowledgement. Tells the code of the first one.
    #[track_caller]
    pub(crate) fn publish_v5(&mut self, message: &Publish) -> u8 {
        self.send(&message.bytes());
        let first = match message.qos {
            0 => return 0,
            1 => puback(message.id)[0],
            _ => pubrec(message.id)[0],
        };
        let ack = self.expect_answer(first);
        assert_eq!(ack.id, message.id, "{ack:02x?}");
        if message.qos == 2 && ack.codes[0] < 0x80 {
            self.send(&pubrel(message.id));
            self.expect(&pubcomp(message.id));
        }
        ack.codes[0]
    }

    /// All packets that are on the way, also those that wait for the disk or for other shards: an
    /// UNSUBSCRIBE that changes nothing is answered behind them.
    #[track_caller]
    pub(crate) fn read_to_fence_v5(&mut self) -> Vec<Packet> {
        const ID: u16 = 0x5ab7;
        self.send(&unsubscribe(ID, &props(), &["nobody/has/this/filter"]));
        let mut came = Vec::new();
        loop {
            match self.read_v5() {
                Packet::Answer(answer) if (answer.first, answer.id) == (0xb0, ID) => {
                    assert_eq!(answer.codes, [0x11], "nobody has this filter: {answer:02x?}");
                    return came;
                }
                packet => came.push(packet),
            }
        }
    }

    /// Nothing is on the way to this client, and the connection is open.
    #[track_caller]
    pub(crate) fn expect_silence_v5(&mut self) {
        let came = self.read_to_fence_v5();
        assert!(came.is_empty(), "silence was due, this came: {came:?}");
    }

    /// Leaves with DISCONNECT, and the broker closes without one.
    #[track_caller]
    pub(crate) fn leave_v5(mut self) {
        self.send(&super::v5::disconnect(0, &props()));
        self.expect_closed_later();
    }

    /// The broker closes after the packets on the way, without a DISCONNECT.
    #[track_caller]
    pub(crate) fn expect_closed_later(&mut self) {
        while let Some(packet) = self.try_read_packet() {
            assert_ne!(packet[0], 0xe0, "no DISCONNECT is due: {packet:02x?}");
        }
    }
}
