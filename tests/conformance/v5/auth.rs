//! Enhanced authentication (4.12), AUTH (3.15).

use std::fs;
use std::path::PathBuf;

use super::IDS;
use crate::common::scram::{Last, Scram};
use crate::common::v5::{
    Answer, Connect, Props, Value, auth, connect, disconnect, id, props, publish, subscribe,
};
use crate::common::{Broker, Client, DISCONNECT, PINGREQ, PINGRESP};

const ANN: Scram = Scram { method: "SCRAM-SHA-256", user: "ann", password: "ann's password" };
const BOB: Scram = Scram { method: "SCRAM-SHA-512", user: "b,o=b", password: "pässword" };
const NOBODY: Scram = Scram { user: "nobody", ..ANN };

/// A broker whose users are [`ANN`] and [`BOB`].
struct Scene {
    broker: Broker,
    passwords: PathBuf,
}

impl Scene {
    fn new(shards: usize, name: &str) -> Self {
        let passwords = std::env::temp_dir()
            .join(format!("ringmq-auth-{}-{name}-{shards}", std::process::id()));
        let lines = [ANN, BOB].map(|user| format!("{}:{}\n", user.user, user.keys()));
        fs::write(&passwords, lines.concat()).expect("the temporary directory is writable");
        let flags = ["--passwords", passwords.to_str().expect("it is made of text")];
        Self { broker: Broker::start_with(shards, &flags), passwords }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // A test that has failed says so itself.
        let _ = fs::remove_file(&self.passwords);
    }
}

/// CONNECT with the first message.
fn introduction(client_id: &str, scram: Scram) -> Connect {
    connect(client_id).with(|props| with_message(props, scram, &scram.first()))
}

fn with_message(props: Props, scram: Scram, message: &str) -> Props {
    props.text(id::AUTH_METHOD, scram.method).binary(id::AUTH_DATA, message)
}

/// AUTH of a client.
fn auth_of(code: u8, scram: Scram, message: &str) -> Vec<u8> {
    auth(code, &with_message(props(), scram, message))
}

/// The message of the server; the method and the message are the only properties.
#[track_caller]
fn message_in(answer: &Answer, scram: Scram) -> String {
    let Answer { props, .. } = answer;
    assert_eq!(props.str(id::AUTH_METHOD), Some(scram.method), "{answer:?}");
    let Some(Value::Binary(message)) = props.get(id::AUTH_DATA) else {
        panic!("no data: {answer:?}")
    };
    String::from_utf8(message.clone()).expect("SCRAM is text")
}

/// The next packet is an AUTH with this code, a method and data only; returns its message.
#[track_caller]
fn expect_auth(client: &mut Client, code: u8, scram: Scram) -> String {
    let answer = client.expect_answer(0xf0);
    assert_eq!((&*answer.codes, answer.props.0.len()), (&[code][..], 2), "{answer:?}");
    message_in(&answer, scram)
}

/// Goes as far as the server's first message.
#[track_caller]
fn challenged(broker: &Broker, packet: &Connect, scram: Scram) -> (Client, Last) {
    let mut client = Client::open(broker);
    client.send(&packet.bytes());
    let last = scram.last(&expect_auth(&mut client, 0x18, scram));
    (client, last)
}

#[track_caller]
fn accepted(broker: &Broker, packet: &Connect, scram: Scram) -> (Client, Answer) {
    let (mut client, last) = challenged(broker, packet, scram);
    client.send(&auth_of(0x18, scram, &last.message));
    let connack = client.expect_connack(0);
    assert_eq!(message_in(&connack, scram), last.answer);
    (client, connack)
}

/// Reauthenticates a connected client.
#[track_caller]
fn prove_anew(client: &mut Client, scram: Scram) {
    client.send(&auth_of(0x19, scram, &scram.first()));
    let last = scram.last(&expect_auth(client, 0x18, scram));
    client.send(&auth_of(0x18, scram, &last.message));
    assert_eq!(expect_auth(client, 0, scram), last.answer);
}

/// A client is accepted after it has proved that it knows its password, and the server has proved
/// the same; every packet names the method.
#[test]
pub(crate) fn client_proves_itself_in_steps() {
    for shards in [1, 2] {
        let Scene { broker, .. } = &Scene::new(shards, "steps");
        for (name, scram) in IDS.iter().flat_map(|name| [(name, ANN), (name, BOB)]) {
            let packet = introduction(&format!("{name} of {}", scram.user), scram).durable(60);
            let (mut client, connack) = accepted(broker, &packet, scram);
            assert_eq!(connack.flags, 0, "there was no session");
            client.subscribe_v5("t", 1);
            client.leave_v5();
            let (mut client, connack) = accepted(broker, &packet.clone().resume(), scram);
            assert_eq!(connack.flags, 1, "its session is there");
            client.publish_v5(&publish("t", "x"));
            client.expect_publish_v5(&publish("t", "x"));
            client.leave_v5();
        }
        // The packets are sent in pieces, also with the user name in CONNECT.
        let packet = introduction("pieces", BOB).username(BOB.user).password("unread");
        let mut client = Client::open(broker);
        packet.bytes().chunks(7).for_each(|piece| client.send(piece));
        let last = BOB.last(&expect_auth(&mut client, 0x18, BOB));
        auth_of(0x18, BOB, &last.message).chunks(7).for_each(|piece| client.send(piece));
        assert_eq!(message_in(&client.expect_connack(0), BOB), last.answer);
    }
}

/// The server may refuse at each step: then CONNACK has the reason, the connection is closed, and
/// the CONNECT has no effect.
#[test]
pub(crate) fn server_rejects_at_any_step() {
    for shards in [1, 2] {
        let Scene { broker, .. } = &Scene::new(shards, "rejects");
        let (mut watcher, _) = accepted(broker, &introduction("watcher", ANN), ANN);
        watcher.subscribe_v5("will", 0);
        let wrong = Scram { password: "wrong", ..ANN };
        let other_method = Scram { method: BOB.method, ..ANN };
        for name in IDS {
            let will = publish("will", "x");
            let first = |props: Props| connect(name).durable(60).will(&will).with(|_| props);
            for (packet, code) in [
                // Ann has no SHA-512, which only her proof would reveal.
                (first(props().text(id::AUTH_METHOD, ANN.method)), 0x82),
                (first(with_message(props(), ANN, "")), 0x82),
                (first(with_message(props(), ANN, "n,,n=ann")), 0x82),
                (first(with_message(props(), ANN, "p=tls-unique,,n=ann,r=x")), 0x82),
                (first(with_message(props(), ANN, &ANN.first()).four(0x27, 1023)), 0x95),
                (introduction(name, Scram { method: "SCRAM-SHA-1", ..ANN }), 0x8c),
                (introduction(name, Scram { method: "scram-sha-256", ..ANN }), 0x8c),
                (introduction(name, ANN).username("bob"), 0x87),
            ] {
                let mut client = Client::open(broker);
                client.send(&packet.bytes());
                client.expect_connack(code);
                client.expect_closed();
            }
            for (scram, code, auth, expected) in [
                (wrong, 0x18, None, 0x87),
                (NOBODY, 0x18, None, 0x87),
                (other_method, 0x18, None, 0x87),
                (ANN, 0x19, None, 0x82),
                (ANN, 0, None, 0x81),
                (ANN, 0x17, None, 0x81),
                (ANN, 0x18, Some(auth_of(0x18, other_method, "x")), 0x82),
                (ANN, 0x18, Some(auth_of(0x18, ANN, "c=biws,r=x,p=AAAA")), 0x82),
                (ANN, 0x18, Some(auth(0x18, &props().text(id::AUTH_METHOD, ANN.method))), 0x82),
                (ANN, 0x18, Some(auth(0x18, &props())), 0x82),
                (ANN, 0x18, Some(vec![0xf1, 0]), 0x81),
            ] {
                let packet = introduction(name, scram).durable(60).will(&will);
                let (mut client, last) = challenged(broker, &packet, scram);
                client.send(&auth.unwrap_or_else(|| auth_of(code, scram, &last.message)));
                client.expect_connack(expected);
                client.expect_closed();
            }
            let (client, connack) = accepted(broker, &introduction(name, ANN).resume(), ANN);
            assert_eq!(connack.flags, 0, "none of them has left a session");
            client.leave_v5();
        }
        // None of these clients had a will.
        watcher.publish_v5(&publish("will", "own"));
        watcher.expect_publish_v5(&publish("will", "own"));
    }
}

/// Before CONNACK the client may send AUTH and DISCONNECT, and nothing else.
#[test]
pub(crate) fn only_auth_and_disconnect_before_connack() {
    for shards in [1, 2] {
        let Scene { broker, .. } = &Scene::new(shards, "before");
        for name in IDS {
            let packet = introduction(name, ANN);
            for other in [
                PINGREQ.to_vec(),
                subscribe(1, &props(), &[("t", 0)]),
                publish("t", "x").bytes(),
                packet.bytes(),
            ] {
                let (mut client, _) = challenged(broker, &packet, ANN);
                client.send(&other);
                client.expect_connack(0x82);
                client.expect_closed();
                // Together with the CONNECT.
                let mut client = Client::open(broker);
                client.send(&[packet.bytes(), other].concat());
                expect_auth(&mut client, 0x18, ANN);
                client.expect_connack(0x82);
                client.expect_closed();
            }
            let (mut client, _) = challenged(broker, &packet, ANN);
            client.send(DISCONNECT);
            client.expect_closed();
            // Packets behind the proof are handled after it was accepted.
            let (mut client, last) = challenged(broker, &packet, ANN);
            client.send(&[auth_of(0x18, ANN, &last.message), PINGREQ.to_vec()].concat());
            client.expect_connack(0);
            assert_eq!(client.read_packet(), PINGRESP);
        }
    }
}

/// A client may reauthenticate any number of times; other traffic continues meanwhile.
#[test]
pub(crate) fn client_proves_itself_anew() {
    for shards in [1, 2] {
        let Scene { broker, .. } = &Scene::new(shards, "anew");
        for (name, scram) in IDS.iter().zip([ANN, BOB, ANN, BOB]) {
            let (mut client, _) = accepted(broker, &introduction(name, scram), scram);
            client.subscribe_v5("t", 2);
            prove_anew(&mut client, scram);
            prove_anew(&mut client, scram);
            client.send(&auth_of(0x19, scram, &scram.first()));
            let last = scram.last(&expect_auth(&mut client, 0x18, scram));
            client.publish_v5(&publish("t", "meanwhile"));
            client.expect_publish_v5(&publish("t", "meanwhile"));
            client.send(&auth_of(0x18, scram, &last.message));
            assert_eq!(expect_auth(&mut client, 0, scram), last.answer);
            client.send(PINGREQ);
            assert_eq!(client.read_packet(), PINGRESP);
        }
    }
}

/// A client that fails to reauthenticate, or breaks a rule, is disconnected, and its will is
/// published.
#[test]
pub(crate) fn failed_authentication_anew_closes() {
    for shards in [1, 2] {
        let Scene { broker, .. } = &Scene::new(shards, "fails");
        let (mut watcher, _) = accepted(broker, &introduction("watcher", BOB), BOB);
        watcher.subscribe_v5("will", 0);
        let wrong = Scram { password: "wrong", ..ANN };
        let other_user = Scram { user: "nobody", ..ANN };
        let other_method = Scram { method: BOB.method, ..ANN };
        for name in IDS {
            let will = publish("will", name);
            let packet = introduction(name, ANN).will(&will);
            let begin = auth_of(0x19, ANN, &ANN.first());
            for (rule, sent, code) in [
                ("another user", auth_of(0x19, other_user, &other_user.first()), 0x87),
                ("another method", auth_of(0x19, other_method, &ANN.first()), 0x82),
                ("an answer to nothing", auth_of(0x18, ANN, "c=biws,r=x,p=AAAA"), 0x82),
                ("success from a client", auth_of(0, ANN, &ANN.first()), 0x81),
                ("begun twice", [begin.clone(), begin.clone()].concat(), 0x82),
                ("no data", auth(0x19, &props().text(id::AUTH_METHOD, ANN.method)), 0x82),
                ("no method", auth(0x19, &props()), 0x82),
                ("a message that is none", auth_of(0x19, ANN, "n,,"), 0x82),
            ] {
                let (mut client, _) = accepted(broker, &packet, ANN);
                client.send(&sent);
                let told = client.expect_disconnect_later(code);
                assert!(told.has(id::REASON_STRING), "{rule}");
                watcher.expect_publish_v5(&will);
            }
            for (scram, code) in [(wrong, 0x87), (ANN, 0x82)] {
                let (mut client, _) = accepted(broker, &packet, ANN);
                client.send(&begin);
                let last = scram.last(&expect_auth(&mut client, 0x18, ANN));
                let last = if code == 0x82 { "c=biws".to_owned() } else { last.message };
                client.send(&auth_of(0x18, ANN, &last));
                client.expect_disconnect(code);
                watcher.expect_publish_v5(&will);
            }
            let (mut client, _) = accepted(broker, &packet, ANN);
            prove_anew(&mut client, ANN);
            client.send(&disconnect(0, &props()));
            client.expect_closed();
        }
    }
}
