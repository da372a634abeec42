//! QoS 2 while publisher and subscriber disconnect and reconnect at any step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::common::{
    Broker, Client, DISCONNECT, Publish, Random, connack, connect, pubcomp, publish, pubrec,
    pubrel, resume_as,
};

/// The identifiers of the publisher: the most messages that may be open at a time.
const PUBLISHER_IDS: u16 = 6;

/// Messages of one run.
const MESSAGES: u16 = 250;

/// A session whose client disconnects and reconnects.
struct Peer<'a> {
    broker: &'a Broker,
    name: &'static str,
    client: Client,
}

impl<'a> Peer<'a> {
    fn new(broker: &'a Broker, name: &'static str) -> Self {
        Client::connect(broker, name).leave();
        Self { broker, name, client: resume_as(broker, name, false) }
    }

    /// Ends the connection, perhaps inside of `packet`, and reconnects.
    fn reconnect(&mut self, packet: &[u8], random: &mut Random) {
        let cut = random.below(packet.len());
        self.client.send(&packet[..cut]);
        let mut next = Client::open(self.broker);
        let hello = connect(self.name).persistent().bytes();
        match random.below(4) {
            0 => {
                next.send(&hello);
                std::mem::swap(&mut self.client, &mut next);
            }
            1 => {
                if cut == 0 {
                    self.client.send(DISCONNECT);
                }
                self.client.finish_sending();
                std::mem::swap(&mut self.client, &mut next);
                self.client.send(&hello);
            }
            2 => {
                drop(std::mem::replace(&mut self.client, next));
                self.client.send(&hello);
            }
            _ => {
                std::mem::replace(&mut self.client, next).reset();
                self.client.send(&hello);
            }
        }
        self.client.expect(&connack(true, 0));
    }
}

/// Sends numbered messages as 4.3.3 says.
struct Publisher<'a> {
    peer: Peer<'a>,
    next: u16,
    /// Number and whether it is released, in order.
    open: VecDeque<(u16, bool)>,
    /// Answers that this connection owes us, PUBRECs and PUBCOMPs, each in their order.
    due: [VecDeque<Vec<u8>>; 2],
    /// PUBRELs that we did not send yet.
    pubrels: VecDeque<u16>,
    completed: u16,
}

fn id_of(number: u16) -> u16 {
    number % PUBLISHER_IDS + 1
}

fn message(number: u16) -> Publish {
    publish("exactly/once", number.to_string()).qos2(id_of(number))
}

impl Publisher<'_> {
    fn send_publish(&mut self, number: u16, again: bool) {
        let message = if again { message(number).again() } else { message(number) };
        self.peer.client.send(&message.bytes());
        self.due[0].push_back(pubrec(message.id));
    }

    fn send_pubrel(&mut self, id: u16) {
        self.peer.client.send(&pubrel(id));
        self.due[1].push_back(pubcomp(id));
    }

    fn can_publish(&self) -> bool {
        self.next < MESSAGES && self.open.len() < usize::from(PUBLISHER_IDS)
    }

    fn publish(&mut self) {
        self.open.push_back((self.next, false));
        self.send_publish(self.next, false);
        self.next += 1;
    }

    fn release(&mut self) {
        let id = self.pubrels.pop_front().expect("the caller looked");
        self.send_pubrel(id);
    }

    fn is_owed(&self) -> bool {
        self.due.iter().any(|due| !due.is_empty())
    }

    fn read(&mut self) {
        let packet = self.peer.client.read_packet();
        let due = &mut self.due[usize::from(packet[0] == 0x70)];
        assert_eq!(due.pop_front(), Some(packet.clone()), "came: {packet:02x?}");
        let id = u16::from_be_bytes([packet[2], packet[3]]);
        if packet[0] == 0x50 {
            let open = self.open.iter_mut().find(|open| id_of(open.0) == id).expect("is open");
            open.1 = true;
            self.pubrels.push_back(id);
        } else {
            let (number, _) = self.open.pop_front().expect("is open");
            assert_eq!(id_of(number), id);
            self.completed += 1;
        }
    }

    /// [MQTT-4.4.0-1]: open messages are sent again, unchanged and in their order.
    fn reconnect(&mut self, random: &mut Random) {
        self.peer.reconnect(&message(self.next).bytes(), random);
        self.due.iter_mut().for_each(VecDeque::clear);
        self.pubrels.clear();
        for (number, is_released) in self.open.clone() {
            match is_released {
                true => self.send_pubrel(id_of(number)),
                false => self.send_publish(number, true),
            }
        }
    }
}

/// The state of an identifier at the subscriber between PUBLISH and PUBREL.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Received {
    /// Known from an earlier connection: PUBLISH or PUBREL must come again.
    Earlier,
    /// Our PUBREC is not sent yet.
    Here,
    /// PUBREL is due.
    Answered,
}

/// Receives as 4.3.3's method B says: it remembers identifiers until their PUBREL.
struct Subscriber<'a> {
    peer: Peer<'a>,
    /// Number and state of the messages that are received and not released.
    ids: BTreeMap<u16, (u16, Received)>,
    /// PUBRECs and PUBCOMPs that are not sent yet.
    answers: VecDeque<Vec<u8>>,
    received: u16,
    inflight_max: usize,
}

impl Subscriber<'_> {
    /// Whether a packet must come without a further action.
    fn is_owed(&self, completed: u16) -> bool {
        let has_room = self.ids.len() + self.answers.len() < self.inflight_max;
        completed > self.received && has_room
            || self.ids.values().any(|(_, state)| *state != Received::Here)
    }

    fn read(&mut self) {
        let packet = self.peer.client.read_packet();
        if packet[0] == 0x62 {
            let id = u16::from_be_bytes([packet[2], packet[3]]);
            // The identifier may be unknown: then our PUBCOMP was lost.
            self.ids.remove(&id);
            self.answers.push_back(pubcomp(id));
            return;
        }
        let came = Publish::parse(&packet);
        let number: u16 =
            String::from_utf8(came.payload.clone()).expect("digits").parse().expect("digits");
        assert_eq!((came.qos, came.retain), (2, false), "{came:?}");
        if let Some((known, state)) = self.ids.get_mut(&came.id) {
            assert!(came.dup && *known == number, "{came:?} while {known} has its identifier");
            assert_eq!(*state, Received::Earlier, "{came:?} twice on one connection");
            *state = Received::Here;
        } else {
            assert_eq!(number, self.received, "each once and in order: {came:?}");
            self.received += 1;
            self.ids.insert(came.id, (number, Received::Here));
        }
        self.answers.push_back(pubrec(came.id));
    }

    fn answer(&mut self) {
        let packet = self.answers.pop_front().expect("the caller looked");
        self.peer.client.send(&packet);
        if packet[0] == 0x50 {
            let id = u16::from_be_bytes([packet[2], packet[3]]);
            if let Some((_, state)) = self.ids.get_mut(&id) {
                *state = Received::Answered;
            }
        }
    }

    fn reconnect(&mut self, random: &mut Random) {
        let next = self.answers.front().cloned().unwrap_or_else(|| pubrec(1));
        self.peer.reconnect(&next, random);
        self.answers.clear();
        self.ids.values_mut().for_each(|(_, state)| *state = Received::Earlier);
    }

    fn is_done(&self) -> bool {
        self.received == MESSAGES && self.ids.is_empty() && self.answers.is_empty()
    }
}

/// One run: steps in random order until every message is through.
fn run(broker: &Broker, names: [&'static str; 2], inflight_max: usize, random: &mut Random) {
    let mut publisher = Publisher {
        peer: Peer::new(broker, names[0]),
        next: 0,
        open: VecDeque::new(),
        due: Default::default(),
        pubrels: VecDeque::new(),
        completed: 0,
    };
    let mut subscriber = Subscriber {
        peer: Peer::new(broker, names[1]),
        ids: BTreeMap::new(),
        answers: VecDeque::new(),
        received: 0,
        inflight_max,
    };
    subscriber.peer.client.subscribe("exactly/once", 2);
    let mut steps = 0;
    while publisher.completed < MESSAGES || !subscriber.is_done() {
        match random.below(32) {
            0 => publisher.reconnect(random),
            1 => subscriber.reconnect(random),
            2..8 if publisher.can_publish() => publisher.publish(),
            8..14 if publisher.is_owed() => publisher.read(),
            14..20 if !publisher.pubrels.is_empty() => publisher.release(),
            20..26 if subscriber.is_owed(publisher.completed) => subscriber.read(),
            26..32 if !subscriber.answers.is_empty() => subscriber.answer(),
            _ => continue,
        }
        steps += 1;
    }
    println!("{names:?}: {steps} steps");
    publisher.peer.client.expect_silence();
    subscriber.reconnect(random);
    complete_and_leave(subscriber.peer.client);
    resume_as(broker, names[1], true).expect_silence();
}

/// Completes the released messages; nothing else may come.
fn complete_and_leave(mut client: Client) {
    for packet in client.read_to_fence() {
        assert_eq!(packet[..2], [0x62, 2], "PUBREL alone may be due: {packet:02x?}");
        client.send(&pubcomp(u16::from_be_bytes([packet[2], packet[3]])));
    }
    client.expect_silence();
    client.leave();
}

/// Every message arrives once and in order, at whatever step the connections of publisher and
/// subscriber end; also with a small output buffer, and with a narrow window.
#[test]
fn each_message_arrives_exactly_once() {
    let seed = Random::seed(0x5eed_0004);
    let mut random = Random::new(seed);
    let settings: [(&[&str], usize); 3] = [
        (&[], usize::from(u16::MAX)),
        (&["--max-outgoing-bytes", "512"], usize::from(u16::MAX)),
        (&["--max-inflight", "3"], 3),
    ];
    for (flags, inflight_max) in settings {
        for shards in [1, 2] {
            println!("{shards} shards, {flags:?}");
            let broker = Broker::start_with(shards, flags);
            for names in [["ant", "bee"], ["cat", "dog"], ["elk", "fox"]] {
                run(&broker, names, inflight_max, &mut random);
            }
        }
    }
}

/// [MQTT-4.3.3-1] After a PUBREL its PUBLISH is not sent again. If a client answers on a new
/// connection what it received on the old one, before it is resent, nothing comes twice.
#[test]
fn no_publish_follows_its_pubrel() {
    const COUNT: u16 = 60;
    for shards in [1, 2] {
        // Only some of the resent messages are on their way when the answers come.
        let broker = Broker::start_with(shards, &["--max-outgoing-bytes", "512"]);
        let mut client = resume_as(&broker, "client", false);
        client.subscribe("late", 2);
        let mut publisher = Client::connect(&broker, "publisher");
        let message = publish("late", [b'x'; 100]);
        let mut ids: BTreeSet<u16> = (0..COUNT)
            .map(|_| {
                publisher.publish(&message.clone().qos2(1));
                client.expect_unacked(&message.clone().at(2))
            })
            .collect();
        client.leave();
        let mut client = Client::open(&broker);
        let answers: Vec<_> = ids.iter().flat_map(|id| pubrec(*id)).collect();
        client.send(&[connect("client").persistent().bytes(), answers].concat());
        client.expect(&connack(true, 0));
        while !ids.is_empty() {
            let packet = client.read_packet();
            if packet[0] == 0x62 {
                let id = u16::from_be_bytes([packet[2], packet[3]]);
                ids.remove(&id);
                client.send(&pubcomp(id));
            } else {
                let id = client_receives_again(&packet, &ids);
                client.send(&pubrec(id));
            }
        }
        complete_and_leave(client);
        resume_as(&broker, "client", true).expect_silence();
    }
}

/// Checks that a PUBLISH that is sent again is one that is received and not released.
fn client_receives_again(packet: &[u8], ids: &BTreeSet<u16>) -> u16 {
    let came = Publish::parse(packet);
    assert!(came.dup, "{} is sent as new", came.id);
    assert!(ids.contains(&came.id), "PUBLISH {} follows its PUBREL: received twice", came.id);
    came.id
}
