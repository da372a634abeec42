//! 100,000 streams that were valid before a seed changed them: none may hurt the broker.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::common::{
    Broker, Client, DISCONNECT, PATIENCE, PINGREQ, Random, connack, connect, frame, puback,
    pubcomp, publish, pubrec, pubrel, resume_as, socket_from, string, subscribe, unsubscribe,
    until,
};

const STREAMS: usize = 100_000;
const THREADS: usize = 4;

/// What the broker may have grown by in the end: sessions that mutants left (a changed flag makes
/// them persistent), their messages, and what the allocator keeps.
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

/// One to four changes of an original.
fn mutant(originals: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut stream = originals[random.below(originals.len())].clone();
    // Half of them get past their CONNECT, whose length is the second byte.
    let start = if random.below(2) == 0 { 0 } else { 2 + usize::from(stream[1]) };
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

/// Sends `stream`. Most peers go with a reset at once; every fourth stays until the broker closes,
/// which it must once they send no more.
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

/// The broker closes what is malformed, serves what is not, and is well afterwards.
#[test]
fn mutated_streams_hurt_nobody() {
    let seed = Random::seed(0x5eed_0003);
    let broker = Broker::start(2);
    let addr = broker.addr();
    let originals = originals();
    let mut bystander = Client::connect(&broker, "bystander");
    bystander.subscribe("bystander/of/mutants", 1);
    let before = broker.resources();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= STREAMS {
                        return;
                    }
                    // Each stream has its own seed, so that one alone can be played again.
                    let own_seed = seed ^ u64::try_from(number).expect("small");
                    let stream = mutant(&originals, &mut Random::new(own_seed));
                    let source = u8::try_from(1 + number % 100).expect("at most 100");
                    if let Err(text) = play(source, addr, &stream, number.is_multiple_of(4)) {
                        next.store(STREAMS, Ordering::Relaxed);
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
