//! Packets in frames: over several, several in one, between shards, and how a connection ends.

use crate::common::websocket::{
    BINARY, CLOSE, PING, PONG, WebSocket, frame_of_client, frame_of_server,
};
use crate::common::{
    Broker, Client, DISCONNECT, PINGREQ, PINGRESP, connack, connect, on_shards, puback, publish,
    resume_as, suback, subscribe,
};

// Packets need not be aligned with frames [MQTT-6.0.0-2]: a session in one frame, in frames of each
// size, and in fragments of a message, over one shard and with a link that moves to its home.
#[test]
fn packets_and_frames_are_apart() {
    on_shards(&[1, 2], |broker| {
        for (number, piece) in [1, 2, 3, 7, 30, 1000].into_iter().enumerate() {
            for fragments in [false, true] {
                let id = format!("client-{number}-{fragments}");
                let packets = [
                    connect(&id).bytes(),
                    subscribe(1, &[(&id, 0)]),
                    publish(&id, vec![b'x'; 200]).qos1(7).bytes(),
                    PINGREQ.to_vec(),
                ]
                .concat();
                let mut wire = Vec::new();
                let last = packets.len().div_ceil(piece) - 1;
                for (at, part) in packets.chunks(piece).enumerate() {
                    let first = match (fragments, at) {
                        (false, _) => BINARY,
                        (true, 0) => 0x02 | if last == 0 { 0x80 } else { 0 },
                        (true, at) => {
                            if at == last {
                                0x80
                            } else {
                                0
                            }
                        }
                    };
                    wire.extend(frame_of_client(first, part));
                }
                let mut client = WebSocket::open(broker);
                client.send_raw(&wire);
                client.expect(&connack(false, 0));
                let message = publish(&id, vec![b'x'; 200]).bytes();
                let due = [suback(1, &[0]), message, puback(7), PINGRESP.to_vec()];
                // SUBACK and PUBACK may have to wait for other shards and the disk.
                let came = client.read_bytes(due.concat().len());
                let has = |part: &Vec<u8>| came.windows(part.len()).any(|it| it == part);
                assert!(due.iter().all(has), "{came:02x?}");
                client.send(DISCONNECT);
                client.expect_close(1000);
            }
        }
    });
}

// Messages of all sizes, also larger than any buffer, pass between WebSocket and TCP clients of
// several shards; messages that gather for a client share a frame.
#[test]
fn messages_pass() {
    on_shards(&[1, 2], |broker| {
        let mut sub = WebSocket::connect(broker, "ws-sub");
        sub.send(&subscribe(1, &[("t/#", 1)]));
        sub.expect(&suback(1, &[1]));
        let mut publisher = Client::connect(broker, "tcp-pub");
        for size in [0, 1, 64, 125, 126, 1000, 65_535, 65_536, 300_000] {
            publisher.publish(&publish("t/a", vec![7; size]).qos1(1));
            let due = publish("t/a", vec![7; size]).qos1(1).bytes();
            let came = sub.read_bytes(due.len());
            assert!(came.ends_with(&vec![7; size]));
            let id = came.len() - size - 2;
            sub.send(&puback(u16::from_be_bytes([came[id], came[id + 1]])));
        }
        let mut tcp_sub = Client::connect(broker, "tcp-sub");
        tcp_sub.subscribe("u/#", 0);
        let mut ws_pub = WebSocket::connect(broker, "ws-pub");
        for size in [0, 64, 126, 70_000, 1_000_000] {
            ws_pub.send(&publish("u/a", vec![9; size]).qos1(2).bytes());
            tcp_sub.expect_publish(&publish("u/a", vec![9; size]));
            ws_pub.expect(&puback(2));
        }
    });
}

// A ping is answered with its payload, before CONNECT and after it; pongs and empty frames are
// ignored. They are no MQTT packets, so they do not count for the keep alive.
#[test]
fn pings() {
    let broker = Broker::start(1);
    let mut client = WebSocket::open(&broker);
    client.send_raw(&frame_of_client(PING, b"before"));
    client.expect_frame(PONG, b"before");
    client.send(&connect("pinging").keep_alive(1).bytes());
    client.expect(&connack(false, 0));
    client.send_raw(&[frame_of_client(PONG, b"x"), frame_of_client(BINARY, b"")].concat());
    client.send_raw(&frame_of_client(PING, &[b'p'; 125]));
    client.expect_frame(PONG, &[b'p'; 125]);
    client.send_raw(&frame_of_client(PING, b""));
    client.expect_frame(PONG, b"");
    client.expect_close(1000);
    broker.wait_for_line("keep alive of 1 s ran out");
}

// Each end of a connection has its close code, and all but DISCONNECT publish the will.
#[test]
fn ends() {
    let broker = Broker::start_with(1, &["--max-packet-size", "1000"]);
    let mut witness = Client::connect(&broker, "witness");
    witness.subscribe("will", 0);
    for (name, bytes, code) in [
        ("their close", frame_of_client(CLOSE, b""), 1000),
        ("their close", frame_of_client(CLOSE, &1001_u16.to_be_bytes()), 1001),
        ("unmasked", frame_of_server(BINARY, PINGREQ), 1002),
        ("text", frame_of_client(0x81, PINGREQ), 1003),
        (
            "no UTF-8",
            frame_of_client(CLOSE, &[&1000_u16.to_be_bytes()[..], b"\xff"].concat()),
            1007,
        ),
        ("no MQTT", frame_of_client(BINARY, b"\xff\xff"), 1002),
        ("too big", frame_of_client(BINARY, &publish("a", vec![0; 2000]).bytes()), 1009),
        ("too big", frame_of_client(0x02, &publish("a", vec![0; 2000]).bytes()[..9]), 1009),
    ] {
        let mut client = WebSocket::open(&broker);
        client.send(&connect("ending").will(&publish("will", name)).bytes());
        client.expect(&connack(false, 0));
        client.send_raw(&bytes);
        client.expect_close(code);
        witness.expect_publish(&publish("will", name));
    }
    let mut client = WebSocket::open(&broker);
    client.send(&connect("leaving").will(&publish("will", "not sent")).bytes());
    client.expect(&connack(false, 0));
    client.send(DISCONNECT);
    client.expect_close(1000);
    // A client that stays until the broker stops.
    let mut last = WebSocket::connect(&broker, "last");
    witness.expect_silence();
    let stopping = std::thread::spawn(move || broker.stop());
    last.expect_close(1001);
    stopping.join().expect("it stops");
}

// A session moves from a WebSocket to TCP and back, with the messages that it missed.
#[test]
fn sessions_go_from_one_to_the_other() {
    on_shards(&[1, 2], |broker| {
        let mut client = WebSocket::open(broker);
        client.send(&[connect("both").persistent().bytes(), subscribe(1, &[("b", 1)])].concat());
        client.expect(&[connack(false, 0), suback(1, &[1])].concat());
        let mut tcp = resume_as(broker, "both", true);
        assert_eq!(client.read_frame(), Some((CLOSE, 1000_u16.to_be_bytes().to_vec())));
        tcp.send(DISCONNECT);
        tcp.expect_closed();
        Client::connect(broker, "other").publish(&publish("b", "missed").qos1(1));
        let mut client = WebSocket::open(broker);
        client.send(&connect("both").persistent().bytes());
        client.expect(&connack(true, 0));
        client.expect(&publish("b", "missed").qos1(1).bytes());
        client.send(&puback(1));
        client.close();
    });
}
