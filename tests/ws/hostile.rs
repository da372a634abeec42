//! Peers that break WebSocket, drip, flood, or do not read.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;

use crate::common::websocket::{
    BINARY, PING, PONG, WebSocket, frame_of_client, prepare, request, socket,
};
use crate::common::{
    Broker, Client, PINGREQ, PINGRESP, Random, connect, publish, socket_from, subscribe, until,
};

const STREAMS: usize = 20_000;
const THREADS: usize = 2;

/// The most that the broker may have grown by at the end: memory that the allocator keeps, and
/// sessions that a mutant made persistent.
const GROWN_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Counts the bytes until the broker closes.
fn drain(socket: &mut impl Read) -> Result<usize, ErrorKind> {
    let (mut room, mut count) = ([0; 4096], 0);
    loop {
        match socket.read(&mut room) {
            Ok(0) => return Ok(count),
            Ok(bytes) => count += bytes,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(count),
            Err(error) => return Err(error.kind()),
        }
    }
}

// Mutated streams do not disturb other clients, and their memory is released.
#[test]
fn mutated_streams() {
    let seed = Random::seed(0x5eed_6455);
    let broker = Broker::start_with(2, &["--log-connections", "off"]);
    let originals: Vec<Vec<u8>> = {
        let hello = frame_of_client(BINARY, &connect("mutant").bytes());
        let data = [subscribe(1, &[("a", 0)]), publish("a", vec![b'x'; 200]).bytes()].concat();
        let opening = request("/mqtt", "Origin: http://localhost\r\n").into_bytes();
        let frames = [&hello[..], &frame_of_client(BINARY, &data), &frame_of_client(PING, b"p")];
        let pieces: Vec<u8> = data.chunks(50).flat_map(|it| frame_of_client(BINARY, it)).collect();
        vec![
            opening.clone(),
            [&opening[..], &frames.concat(), &frame_of_client(0x88, b"\x03\xe8bye")].concat(),
            [
                &opening[..],
                &hello,
                &frame_of_client(0x02, &data),
                &frame_of_client(0x80, b"\xe0\0"),
            ]
            .concat(),
            [&opening[..], &hello, &pieces].concat(),
        ]
    };
    let mut bystander = Client::connect(&broker, "bystander");
    let before = broker.resources();
    let addr = broker.addr();
    thread::scope(|scope| {
        for part in 0..THREADS {
            let originals = &originals;
            scope.spawn(move || {
                for number in (part..STREAMS).step_by(THREADS) {
                    let random = &mut Random::new(seed ^ u64::try_from(number).expect("small"));
                    let mut stream = originals[random.below(originals.len())].clone();
                    let opening = originals[0].len();
                    // Most get past their request.
                    let from = if random.below(4) == 0 { 0 } else { opening };
                    for _ in 0..=random.below(3) {
                        if stream.len() > from {
                            let at = from + random.below(stream.len() - from);
                            match random.below(4) {
                                0 => stream[at] ^= 1 << random.below(8),
                                1 => stream[at] = random.byte(),
                                2 => drop(stream.remove(at)),
                                _ => stream.insert(at, random.byte()),
                            }
                        }
                    }
                    let source = u8::try_from(1 + number % 100).expect("at most 100");
                    let mut socket = socket_from([127, 0, 2, source], addr);
                    prepare(&socket);
                    // The broker may close before it has read everything.
                    let _ = socket.write_all(&stream);
                    let _ = socket.shutdown(Shutdown::Write);
                    let ended = drain(&mut socket);
                    assert!(ended.is_ok(), "stream {number} of seed {seed}: {ended:?}");
                }
            });
        }
    });
    bystander.expect_silence();
    let most = before.rss_bytes + GROWN_BYTES_MAX;
    until("descriptors and memory are given back", || {
        bystander.expect_silence();
        let after = broker.resources();
        after.fds <= before.fds && after.rss_bytes < most
    });
    broker.stop();
}

// A flood of pings from a client that does not read takes no memory and disturbs nobody. When the
// client reads again, one answer stands for those that came meanwhile.
#[test]
fn ping_floods() {
    let broker = Broker::start(1);
    let mut flooding = WebSocket::connect(&broker, "flooding");
    let before = broker.resources();
    let flood: Vec<u8> = (0..2000).flat_map(|_| frame_of_client(PING, &[b'x'; 125])).collect();
    for _ in 0..200 {
        flooding.send_raw(&flood);
    }
    flooding.send_raw(&frame_of_client(PING, b"last"));
    let mut pongs = 0;
    loop {
        let (first, payload) = flooding.read_frame().expect("it is open");
        assert_eq!(first, PONG);
        pongs += 1;
        if payload == b"last" {
            break;
        }
    }
    assert!(pongs <= 400_001, "{pongs}");
    flooding.send(PINGREQ);
    flooding.expect(PINGRESP);
    let grown = broker.resources().rss_bytes.saturating_sub(before.rss_bytes);
    assert!(grown < 8 * 1024 * 1024, "{grown} bytes for 50 MB of pings");
}

// A request that comes byte by byte or never ends is limited by the time for a CONNECT; so is a
// WebSocket without a CONNECT, even if it pings.
#[test]
fn slow_requests_are_ended() {
    let broker = Broker::start(2);
    let mut silent = socket(&broker);
    silent.write_all(b"G").expect("it is open");
    let mut half = socket(&broker);
    half.write_all(&request("/", "").as_bytes()[..50]).expect("it is open");
    let mut opened = WebSocket::open(&broker);
    opened.send_raw(&frame_of_client(PING, b"still here"));
    opened.expect_frame(PONG, b"still here");
    let mut dripping = socket(&broker);
    let drip = thread::spawn(move || {
        dripping.set_read_timeout(Some(std::time::Duration::from_millis(50))).expect("not zero");
        for byte in request("/", &format!("X: {}\r\n", "x".repeat(4000))).bytes() {
            if dripping.write_all(&[byte]).is_err() {
                return true;
            }
            match dripping.read(&mut [0; 100]) {
                Ok(0) => return true,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return true,
                _ => {}
            }
        }
        false
    });
    assert_eq!(drain(&mut silent), Ok(0));
    assert_eq!(drain(&mut half), Ok(0));
    opened.expect_close(1000);
    assert!(drip.join().expect("it ends"), "a request that drips in is ended");
}

// The output for a client that does not read is limited as over TCP, and others are served.
#[test]
fn slow_readers() {
    let broker = Broker::start_with(1, &["--max-outgoing-bytes", "64KiB"]);
    let mut slow = WebSocket::connect(&broker, "slow");
    slow.send(&subscribe(1, &[("flood", 0)]));
    slow.expect(&crate::common::suback(1, &[0]));
    let mut publisher = Client::connect(&broker, "publisher");
    let before = broker.resources();
    for _ in 0..2000 {
        publisher.send(&publish("flood", vec![b'x'; 10_000]).bytes());
    }
    publisher.send(PINGREQ);
    publisher.expect(PINGRESP);
    let grown = broker.resources().rss_bytes.saturating_sub(before.rss_bytes);
    assert!(grown < 16 * 1024 * 1024, "{grown} bytes for one that does not read");
    // Messages that were not dropped arrive whole.
    let message = publish("flood", vec![b'x'; 10_000]).bytes();
    slow.send(PINGREQ);
    let mut came = Vec::new();
    while !came.ends_with(PINGRESP) {
        let (first, payload) = slow.read_frame().expect("it is open");
        assert_eq!(first, BINARY);
        came.extend(payload);
    }
    came.truncate(came.len() - PINGRESP.len());
    assert_eq!(came.len() % message.len(), 0);
    assert!(came.chunks(message.len()).all(|it| it == message));
}
