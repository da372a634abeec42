//! The reason string of a DISCONNECT from the broker (MQTT 5, 3.14.2.2.3): what an operator reads
//! in the log about the same connection.

use std::fs;
use std::path::PathBuf;

use crate::common::scram::Scram;
use crate::common::v5::{
    Answer, Connect, Publish, Value, auth, connect, disconnect, id, props, publish,
};
use crate::common::{Broker, Client, pubrec};
use crate::http::{Door, start};

const ANN: Scram = Scram { method: "SCRAM-SHA-256", user: "ann", password: "ann's password" };
const WRONG: Scram = Scram { password: "wrong", ..ANN };
const NOBODY: Scram = Scram { user: "nobody", ..ANN };

/// A broker that admits anybody, and [`ANN`].
struct Scene {
    broker: Broker,
    door: Door,
    passwords: PathBuf,
    /// Clients that stay to the end.
    others: Vec<Client>,
}

impl Scene {
    fn new(shards: usize) -> Self {
        let name = format!("ringmq-disconnects-{}-{shards}", std::process::id());
        let passwords = std::env::temp_dir().join(name);
        fs::write(&passwords, format!("ann:{}\n", ANN.keys())).expect("it is writable");
        let flags = [
            "--passwords",
            passwords.to_str().expect("it is made of text"),
            "--allow-anonymous",
            "--max-packet-size=100KiB",
            "--topic-alias-max=2",
            "--check-payload-format=on",
            "--on-denied=disconnect",
        ];
        let (broker, door) = start(shards, &flags);
        Self { broker, door, passwords, others: Vec::new() }
    }

    /// Connects and proves that the client is of the user [`ANN`].
    fn connect_ann(&self, name: &str) -> Client {
        let mut client = Client::open(&self.broker);
        let first = ANN.first();
        let packet = connect(name)
            .with(|props| props.text(id::AUTH_METHOD, ANN.method).binary(id::AUTH_DATA, &first));
        client.send(&packet.bytes());
        let challenge = message_in(&client.expect_answer(0xf0));
        client.send(&step(0x18, &ANN.last(&challenge).message));
        client.expect_connack(0);
        client
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // A test that has failed says so itself.
        let _ = fs::remove_file(&self.passwords);
    }
}

fn message_in(answer: &Answer) -> String {
    let Some(Value::Binary(message)) = answer.props.get(id::AUTH_DATA) else {
        panic!("no data: {answer:?}")
    };
    String::from_utf8(message.clone()).expect("SCRAM is text")
}

/// AUTH of a client.
fn step(code: u8, message: &str) -> Vec<u8> {
    auth(code, &props().text(id::AUTH_METHOD, ANN.method).binary(id::AUTH_DATA, message))
}

fn with_alias(topic: impl AsRef<[u8]>, alias: u16) -> Publish {
    publish(topic, "x").with(|props| props.two(id::TOPIC_ALIAS, alias))
}

/// What a client, or somebody else, does so that its connection ends.
type Act = fn(&mut Scene, &mut Client);

/// The kinds of ends of clients without a user: name, reason code, what is done.
const ANONYMOUS: &[(&str, u8, Act)] = &[
    ("malformed", 0x81, |_, client| client.send(&[0x36, 2, 0, 0])),
    ("too large", 0x95, |_, client| client.send(&[0x30, 0xff, 0xff, 0x7f])),
    ("second CONNECT", 0x82, |_, client| client.send(&connect("x").bytes())),
    ("AUTH without a method", 0x82, |_, client| client.send(&step(0x19, "n,,n=a,r=b"))),
    ("wrong acknowledgement", 0x82, |_, client| {
        client.subscribe_v5("own", 1);
        client.send(&publish("own", "x").qos1(1).bytes());
        let came = client.read_to_fence_v5().into_iter().find_map(|packet| match packet {
            crate::common::v5::Packet::Publish(came) => Some(came.id),
            _ => None,
        });
        client.send(&pubrec(came.expect("its own message")));
    }),
    ("alias above the maximum", 0x94, |_, client| client.send(&with_alias("t", 3).bytes())),
    ("unknown alias", 0x82, |_, client| client.send(&with_alias("", 1).bytes())),
    ("long aliases", 0x97, |_, client| {
        for alias in 1..3 {
            client.send(&with_alias(vec![b'x'; 40_000], alias).bytes());
        }
    }),
    ("payload format", 0x99, |_, client| {
        let bad = publish("t", b"\xff").with(|props| props.byte(id::PAYLOAD_FORMAT, 1));
        client.send(&bad.bytes());
    }),
    ("late expiry", 0x82, |_, client| {
        client.send(&disconnect(0, &props().four(id::SESSION_EXPIRY, 100)));
    }),
    ("keep alive", 0x8d, |_, _| {}),
    ("taken over", 0x8e, |scene, _| {
        scene.others.push(Client::connect_v5(&scene.broker, "taken over"));
    }),
    ("denied", 0x87, |_, client| client.send(&publish("$SYS/own", "x").bytes())),
    ("kicked", 0x98, |scene, _| {
        assert_eq!(scene.door.delete("/api/v1/client?id=kicked").status, 200);
    }),
    ("deleted", 0x98, |scene, _| {
        assert_eq!(scene.door.delete("/api/v1/session?id=deleted").status, 200);
    }),
    ("stopped", 0x8b, |scene, _| scene.broker.terminate()),
];

/// The same of clients that have proved who they are.
const PROVED: &[(&str, u8, Act)] = &[
    ("answer to nothing", 0x82, |_, client| client.send(&step(0x18, "c=biws,r=x,p=AAAA"))),
    ("another user", 0x87, |_, client| client.send(&step(0x19, &NOBODY.first()))),
    ("not proved", 0x87, |_, client| {
        client.send(&step(0x19, &ANN.first()));
        let challenge = message_in(&client.expect_answer(0xf0));
        client.send(&step(0x18, &WRONG.last(&challenge).message));
    }),
    ("revoked", 0x98, |scene, _| {
        fs::write(&scene.passwords, format!("bob:{}\n", ANN.keys())).expect("it is writable");
        scene.broker.hang_up();
    }),
];

/// Each DISCONNECT of the broker says what the log says.
#[test]
fn reason_strings_are_those_of_the_log() {
    for shards in [1, 2] {
        let mut scene = Scene::new(shards);
        let anonymous = ANONYMOUS.iter().map(|row| (false, row));
        let proved = PROVED.iter().map(|row| (true, row));
        for (is_ann, (name, code, act)) in proved.chain(anonymous) {
            let mut packet: Connect = connect(name);
            if *name == "keep alive" {
                packet = packet.keep_alive(1);
            }
            let mut client = match is_ann {
                true => scene.connect_ann(name),
                false => Client::connect_v5_with(&scene.broker, &packet).0,
            };
            let address = client.stream().local_addr().expect("it is connected");
            act(&mut scene, &mut client);
            let told = client.expect_disconnect_later(*code);
            let reason = told.str(id::REASON_STRING).expect("a reason").to_owned();
            if *name == "stopped" {
                // One line of the log concerns all clients.
                assert_eq!(reason, "broker stops");
                scene.broker.wait_for_line(" stopping");
                continue;
            }
            let said = format!("client {name:?}: disconnected from {address}: {reason}");
            let line = scene.broker.wait_for_line(&format!("client {name:?}: disconnected from "));
            assert!(line.trim_end().ends_with(&said), "{name}: {line} is not {said}");
        }
    }
}
