//! Peers that behave oddly or badly: one byte at a time, everything at once, resets, farewells
//! with something behind them.

use crate::common::{
    Client, DISCONNECT, PINGREQ, PINGRESP, connack, connect, on_shards, puback, publish, resume_as,
    suback, subscribe, unsuback, unsubscribe, until,
};

/// A conversation: the bytes to send, and the sorted answers behind the CONNACK. Packets that cross
/// shards may come a little later than others (3.8.4 allows PUBLISH before SUBACK).
fn conversation() -> (Vec<u8>, Vec<Vec<u8>>) {
    let sent = [
        connect("talker").username("user").password("secret").bytes(),
        subscribe(1, &[("a/+", 0)]),
        publish("a/b", "zero").bytes(),
        publish("x", vec![1; 300]).qos1(2).bytes(),
        unsubscribe(3, &["a/+"]),
        publish("a/b", "unheard").bytes(),
        PINGREQ.to_vec(),
    ];
    let mut answers = vec![
        suback(1, &[0]),
        publish("a/b", "zero").bytes(),
        puback(2),
        unsuback(3),
        PINGRESP.to_vec(),
    ];
    answers.sort();
    (sent.concat(), answers)
}

/// Reads the answers of the conversation, and checks that nothing more comes.
#[track_caller]
fn expect_answers(client: &mut Client, answers: &[Vec<u8>]) {
    client.expect(&connack(false, 0));
    let mut came: Vec<_> = answers.iter().map(|_| client.read_packet()).collect();
    came.sort();
    assert_eq!(came, answers);
    client.expect_silence();
}

/// A client may send one byte at a time.
#[test]
fn one_byte_at_a_time() {
    on_shards(&[1, 2, 4], |broker| {
        let (sent, answers) = conversation();
        let mut client = Client::open(broker);
        for byte in &sent {
            client.send(&[*byte]);
        }
        expect_answers(&mut client, &answers);
    });
}

/// A client may send everything at once, or cut anywhere.
#[test]
fn cut_anywhere() {
    on_shards(&[1, 2], |broker| {
        let (sent, answers) = conversation();
        for cut in 0..=sent.len() {
            let mut client = Client::open(broker);
            let (first, second) = sent.split_at(cut);
            client.send(first);
            client.send(second);
            expect_answers(&mut client, &answers);
            client.leave();
        }
    });
}

/// A reset inside a packet ends the connection: no message of it, and the will.
#[test]
fn reset_inside_a_packet() {
    on_shards(&[1, 2], |broker| {
        let mut witness = Client::connect(broker, "witness");
        witness.subscribe("#", 0);
        let will = publish("will", "x");
        let packet = publish("cut", [b'x'; 100]).bytes();
        for cut in [1, 2, 3, 4, 6, 50, packet.len() - 1] {
            for is_reset in [true, false] {
                let mut client = Client::connect_with(broker, &connect("cut").will(&will));
                client.send(&packet[..cut]);
                if is_reset {
                    client.reset();
                } else {
                    drop(client);
                }
                witness.expect_publish(&will);
            }
        }
        witness.expect_silence();
    });
}

/// Complete packets before a reset are handled.
#[test]
fn what_came_before_the_close_counts() {
    on_shards(&[1, 2], |broker| {
        let mut witness = Client::connect(broker, "witness");
        witness.subscribe("#", 0);
        for _ in 0..20 {
            let mut client = Client::connect(broker, "hasty");
            client.send(&publish("hasty", "x").bytes());
            drop(client);
            witness.expect_publish(&publish("hasty", "x"));
        }
    });
}

/// Packets after a DISCONNECT are not read.
#[test]
fn nothing_after_disconnect() {
    on_shards(&[1, 2], |broker| {
        let mut witness = Client::connect(broker, "witness");
        witness.subscribe("#", 0);
        let after = publish("after", "x").bytes();
        let mut client = Client::connect(broker, "late");
        client.send(&[DISCONNECT, &after, PINGREQ].concat());
        client.expect_closed();
        let mut client = Client::connect(broker, "late");
        client.publish(&publish("end", "x"));
        witness.expect_publish(&publish("end", "x"));
    });
}

/// A client that disconnects before its CONNACK disturbs nobody.
#[test]
fn gone_before_connack() {
    on_shards(&[1, 2, 4], |broker| {
        for number in 0..200 {
            let mut client = Client::open(broker);
            client.send(&connect(format!("gone-{}", number % 10)).persistent().bytes());
            if number % 2 == 0 { client.reset() } else { drop(client) }
        }
        for number in 0..10 {
            // The broker may handle an earlier connection after this one. That connection then
            // takes over from it before the end of the old session is on disk, but not for ever.
            until("it is let in", || {
                let mut client = Client::open(broker);
                client.send_to_closing(&connect(format!("gone-{number}")).bytes());
                let answer = client.try_read_packet();
                assert!(answer.as_ref().is_none_or(|packet| *packet == connack(false, 0)));
                answer.is_some()
            });
        }
    });
}

/// Many takeovers of one id at once leave one connection, and it works.
#[test]
fn storm_of_takeovers() {
    on_shards(&[1, 2, 4], |broker| {
        for _ in 0..5 {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..25 {
                            let mut client = Client::open(broker);
                            client.send(&connect("prize").persistent().bytes());
                            // CONNACK, or taken over in front of it.
                            let _ = client.try_read_packet();
                        }
                    });
                }
            });
            let mut last = resume_as(broker, "prize", true);
            last.subscribe("prize", 1);
            last.send(&publish("prize", "x").bytes());
            last.expect_publish(&publish("prize", "x"));
            last.expect_silence();
        }
    });
}

/// A half-open peer, which is silent and reads nothing though messages come for it, is closed by
/// its keep alive, and its will is published.
#[test]
fn half_open_peer() {
    on_shards(&[1, 2], |broker| {
        let mut witness = Client::connect(broker, "witness");
        witness.subscribe("will", 0);
        let packet = connect("half-open").will(&publish("will", "x")).keep_alive(1);
        let mut half_open = Client::open(broker);
        // In one write: a pause between two packets might be too long for the keep alive.
        half_open.send(&[packet.bytes(), subscribe(1, &[("flood", 0)])].concat());
        half_open.expect(&connack(false, 0));
        half_open.expect(&suback(1, &[0]));
        for _ in 0..256 {
            witness.send(&publish("flood", [0; 65_536]).bytes());
        }
        witness.expect_publish(&publish("will", "x"));
        witness.expect_silence();
    });
}
