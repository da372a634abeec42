//! Streams that were valid before a seed changed them: none may hurt the broker.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::common::scram::Scram;
use crate::common::v5::{self, Props, id, props};
use crate::common::{
    Broker, Client, DISCONNECT, PATIENCE, PINGREQ, Random, connack, connect, frame, puback,
    pubcomp, publish, pubrec, pubrel, resume_as, socket_from, string, subscribe, unsubscribe,
    until,
};

/// Streams of MQTT 3.1 and 3.1.1.
const STREAMS: usize = 100_000;

/// Streams of MQTT 5, unless `RINGMQ_TEST_MUTANTS` says how many: 100,000 take minutes.
const STREAMS_V5: usize = 20_000;
const THREADS: usize = 4;

/// The most that the broker may have grown by at the end: sessions that mutants left (a changed
/// flag makes them persistent), their messages, and memory that the allocator keeps.
const GROWN_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Valid streams to change.
fn originals() -> Vec<Vec<u8>> {
    let will = publish("will/topic", "gone").retained();
    let hello = connect("mutant").bytes();
    let rich = connect("mutant").will(&will).username("user").password("secret").keep_alive(60);
    vec![
        [rich.bytes(), PINGREQ.to_vec(), DISCONNECT.to_vec()].concat(),
        [
            hello.clone(),
            subscribe(1, &[("a/+/c", 1), ("#", 0), ("$x/y", 2)]),
            publish("a/b/c", "payload").bytes(),
            publish("a/b/c", "payload").qos1(2).bytes(),
            puback(1),
            unsubscribe(3, &["a/+/c", "#"]),
        ]
        .concat(),
        [
            hello.clone(),
            publish("r/1", "x").retained().bytes(),
            publish("r/1", "").qos1(1).retained().bytes(),
            publish("t", vec![b'x'; 300]).bytes(),
            DISCONNECT.to_vec(),
        ]
        .concat(),
        [connect("old").v31().bytes(), subscribe(9, &[("old", 1)]), PINGREQ.to_vec()].concat(),
        [
            hello.clone(),
            publish("q", "2").qos2(5).bytes(),
            frame(0x62, &[0, 5]),
            frame(0x50, &[0, 6]),
            frame(0x70, &[0, 6]),
        ]
        .concat(),
        [
            hello.clone(),
            subscribe(1, &[("own/+", 2)]),
            publish("own/a", "x").qos2(1).bytes(),
            publish("own/a", "x").qos2(2).again().bytes(),
            [pubrel(1), pubrel(2)].concat(),
            [pubrec(1), pubrec(2), pubcomp(1)].concat(),
        ]
        .concat(),
        [
            hello.clone(),
            frame(0x30, &string("topic/\u{1f980}/\u{e9}")),
            frame(0x82, &[&[0, 1][..], &string("f/\u{feff}"), &[1]].concat()),
        ]
        .concat(),
        [hello, connack(false, 0), vec![0xf0, 0]].concat(),
    ]
}

/// The same for MQTT 5: sessions that stay for a second, properties of all kinds, aliases,
/// subscription identifiers, delayed wills, positions, and a SCRAM exchange.
fn originals_v5() -> Vec<Vec<u8>> {
    let user = |props: Props| props.user("name", "value").user("", "");
    let said = |props: Props| {
        let props = props.byte(id::PAYLOAD_FORMAT, 1).four(id::MESSAGE_EXPIRY, 1);
        user(props.text(id::CONTENT_TYPE, "t").text(id::RESPONSE_TOPIC, "r"))
            .binary(id::CORRELATION_DATA, [0, 0xff])
    };
    let will = v5::publish("will/topic", "gone").with(said);
    let will = will.with(|props| props.four(id::WILL_DELAY, 1));
    let hello = v5::connect("mutant").durable(1).with(|props| {
        let props = props.two(id::RECEIVE_MAXIMUM, 2).two(id::TOPIC_ALIAS_MAXIMUM, 3);
        props.four(id::MAXIMUM_PACKET_SIZE, 5_000).user("ringmq-position", "1")
    });
    let numbered = props().varint(id::SUBSCRIPTION_ID, 300);
    let alias =
        |message: v5::Publish, alias| message.with(|props| props.two(id::TOPIC_ALIAS, alias));
    let ann = Scram { method: "SCRAM-SHA-256", user: "ann", password: "secret" };
    let message = |props: Props, message: &str| {
        props.text(id::AUTH_METHOD, ann.method).binary(id::AUTH_DATA, message)
    };
    let introduced = v5::connect("ann").with(|props| message(props, &ann.first()));
    vec![
        [hello.clone().will(&will).bytes(), PINGREQ.to_vec(), v5::disconnect(4, &props())].concat(),
        [
            hello.bytes(),
            v5::subscribe(1, &numbered, &[("a/+", 0x2e), ("a/#", 0x15), ("$share/g/a/b", 1)]),
            alias(v5::publish("a/b", "payload").with(said), 1).bytes(),
            alias(v5::publish("", "payload").qos1(2).with(said), 1).bytes(),
            alias(v5::publish("a/c", "payload").qos2(3), 64).bytes(),
            v5::ack(0x40, 1, 0x80, &props().text(id::REASON_STRING, "why")),
            v5::ack(0x50, 2, 0x97, &user(props())),
            v5::unsubscribe(4, &user(props()), &["a/+", "none"]),
        ]
        .concat(),
        [
            hello.bytes(),
            v5::publish("r/1", "x").with(said).retained().bytes(),
            v5::publish("r/1", "").qos1(1).retained().bytes(),
            v5::publish("t", vec![b'x'; 300]).with(user).bytes(),
            v5::disconnect(0, &props().four(id::SESSION_EXPIRY, 2)),
        ]
        .concat(),
        [
            hello.bytes(),
            v5::subscribe(1, &props(), &[("own/+", 2)]),
            v5::publish("own/a", "x").qos2(1).bytes(),
            v5::publish("own/a", "x").qos2(1).again().bytes(),
            [pubrel(1), pubrec(1), pubcomp(1)].concat(),
            v5::ack(0x62, 9, 0x92, &props()),
        ]
        .concat(),
        [introduced.bytes(), v5::auth(0x18, &message(props(), "c=biws,r=x,p=AAAA"))].concat(),
        [hello.bytes(), v5::auth(0x19, &message(props(), &ann.first()))].concat(),
    ]
}

/// Bytes of the CONNECT that a stream begins with.
fn connect_bytes(stream: &[u8]) -> usize {
    match stream[1] {
        short @ ..0x80 => 2 + usize::from(short),
        low => 3 + usize::from(low & 0x7f) + (usize::from(stream[2]) << 7),
    }
}

/// One to four changes of an original.
fn mutant(originals: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut stream = originals[random.below(originals.len())].clone();
    // Half of them get past their CONNECT.
    let start = if random.below(2) == 0 { 0 } else { connect_bytes(&stream) };
    for _ in 0..=random.below(4) {
        if stream.len() <= start {
            break;
        }
        let at = start + random.below(stream.len() - start);
        match random.below(8) {
            0 => stream[at] ^= 1 << random.below(8),
            1 => stream[at] = random.byte(),
            2 => stream[at] = [0, 0xff, 0x7f, 0x80][random.below(4)],
            3 => stream.truncate(at),
            4 => drop(stream.remove(at)),
            5 => stream.insert(at, random.byte()),
            6 => {
                let end = at + random.below(stream.len() - at);
                let piece = stream[at..end].to_vec();
                stream.splice(at..at, piece);
            }
            _ => {
                let other = &originals[random.below(originals.len())];
                stream.truncate(at);
                stream.extend_from_slice(&other[random.below(other.len())..]);
            }
        }
    }
    stream
}

/// Sends `stream`. Most peers reset the connection at once; every fourth stops sending and waits
/// until the broker closes, as it must.
fn play(source: u8, broker: SocketAddr, stream: &[u8], stays: bool) -> Result<(), String> {
    let mut socket = socket_from([127, 0, 1, source], broker);
    // The broker may close before it has read everything.
    let _ = socket.write_all(stream);
    if !stays {
        set_socket_linger(&socket, Some(Duration::ZERO)).expect("a TCP socket");
        return Ok(());
    }
    socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
    let _ = socket.shutdown(std::net::Shutdown::Write);
    let mut answers = [0; 4_096];
    loop {
        match socket.read(&mut answers) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(format!("not closed ({error}) after {stream:02x?}")),
        }
    }
}

/// The broker closes malformed connections, serves the others, and works afterwards.
#[test]
fn mutated_streams_hurt_nobody() {
    hurt_nobody(Broker::start(2), &originals(), STREAMS, Random::seed(0x5eed_0003));
}

/// The same with MQTT 5, where the broker checks payloads and knows authentication methods.
#[test]
fn mutated_streams_of_v5_hurt_nobody() {
    let keys = Scram { method: "SCRAM-SHA-256", user: "ann", password: "secret" }.keys();
    let path = std::env::temp_dir().join(format!("ringmq-mutants-{}", std::process::id()));
    fs::write(&path, format!("ann:{keys}\n")).expect("the temporary directory is writable");
    let passwords = path.to_str().expect("it is made of text");
    let flags = ["--passwords", passwords, "--allow-anonymous", "--check-payload-format=on"];
    let broker = Broker::start_with(2, &flags);
    fs::remove_file(&path).expect("it was written");
    let streams = std::env::var("RINGMQ_TEST_MUTANTS").ok();
    let streams = streams.map_or(STREAMS_V5, |count| count.parse().expect("a number of streams"));
    hurt_nobody(broker, &originals_v5(), streams, Random::seed(0x5eed_0005));
}

fn hurt_nobody(broker: Broker, originals: &[Vec<u8>], streams: usize, seed: u64) {
    let addr = broker.addr();
    let mut bystander = Client::connect(&broker, "bystander");
    bystander.subscribe("bystander/of/mutants", 1);
    let before = broker.resources();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= streams {
                        return;
                    }
                    // Each stream has its own seed, so that one alone can be played again.
                    let own_seed = seed ^ u64::try_from(number).expect("small");
                    let stream = mutant(originals, &mut Random::new(own_seed));
                    let source = u8::try_from(1 + number % 100).expect("at most 100");
                    if let Err(text) = play(source, addr, &stream, number.is_multiple_of(4)) {
                        next.store(streams, Ordering::Relaxed);
                        panic!("stream {number} of seed {seed}: {text}");
                    }
                }
            });
        }
    });
    bystander.expect_silence();
    let mut fresh = resume_as(&broker, "fresh", false);
    fresh.publish(&publish("bystander/of/mutants", "x").qos1(1));
    bystander.expect_publish(&publish("bystander/of/mutants", "x").qos1(0));
    // The last resets may still be on their way, and memory is given back step by step.
    let most = before.rss_bytes + GROWN_BYTES_MAX;
    until("descriptors and memory are given back", || {
        bystander.expect_silence();
        let after = broker.resources();
        after.fds <= before.fds + 1 && after.rss_bytes < most
    });
    drop((bystander, fresh));
    broker.stop();
}
