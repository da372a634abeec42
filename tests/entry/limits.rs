//! The limits of a vhost, from its file `limits`.

use crate::common::{
    Broker, Client, End, connack, connect, puback, publish, suback, subscribe, v5,
};
use crate::files::{Files, answer, connect_as, enter};

/// Vhosts `a`, with these limits, and `b`, without any.
fn files(limits: &str) -> Files {
    let files = Files::new();
    files.write_users("vhosts/a/passwords", &["anna"]);
    files.write_users("vhosts/b/passwords", &["anna"]);
    files.write("vhosts/a/limits", limits);
    files
}

fn start(shards: usize, files: &Files, flags: &[&str]) -> Broker {
    let vhosts = files.flag("--vhosts", "vhosts");
    Broker::start_with(shards, &[&[vhosts.as_str()], flags].concat())
}

/// Stops the broker; its final counters must contain this value.
#[track_caller]
fn expect_count(broker: &Broker, counter: &str, value: u64) {
    broker.terminate();
    let line = broker.wait_for_line(&format!("{counter} "));
    let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches(',')).collect();
    let at = words.iter().position(|word| *word == counter).expect("it was waited for");
    assert_eq!(words.get(at + 1), Some(&value.to_string().as_str()), "{line}");
}

fn send_kept(client: &mut Client, topic: &str, payload: &str) {
    client.send(&publish(topic, payload).retained().qos1(1).bytes());
    client.expect(&puback(1));
}

// Clients above the limit are refused with 3, on any shard. A client that disconnects makes room, a
// reconnecting client id replaces itself, other vhosts are not affected, and a reload changes the
// limit at once.
#[test]
fn connections() {
    for shards in [1, 2] {
        let files = files("max-connections = 3\n");
        let broker = start(shards, &files, &[]);
        let mut clients: Vec<Client> =
            (0..3).map(|n| enter(&broker, "a:anna", &format!("a{n}"))).collect();
        let again = enter(&broker, "a:anna", "a1");
        for n in 3..9 {
            assert_eq!(answer(&broker, &connect_as("a:anna", &format!("a{n}"))), 3);
            clients.push(enter(&broker, "b:anna", &format!("a{n}")));
        }
        again.leave();
        clients.push(enter(&broker, "a:anna", "another"));
        assert_eq!(answer(&broker, &connect_as("a:anna", "more")), 3);
        files.write("vhosts/a/limits", "max-connections = 4\n");
        broker.reload();
        clients.push(enter(&broker, "a:anna", "more"));
        assert_eq!(answer(&broker, &connect_as("a:anna", "yet more")), 3);
        expect_count(&broker, "refused_vhost_connections", 8);
    }
}

// At the limit, or above it after a reload, a reconnecting client replaces only itself; and a
// refused client has ended no connection.
#[test]
fn takeovers_at_the_limit() {
    for shards in [1, 2] {
        let files = files("max-connections = 3\nmax-sessions = 3\n");
        let broker = start(shards, &files, &["--max-connections=3"]);
        let mut clients: Vec<Client> = (0..3)
            .filter_map(|n| {
                let mut client = Client::open(&broker);
                let packet = connect_as("a:anna", &format!("a{n}")).persistent();
                client.send(&packet.bytes());
                // Each of two shards has its share of the sessions.
                (client.read_packet() == connack(false, 0)).then_some(client)
            })
            .collect();
        for limits in ["max-connections = 3\nmax-sessions = 3\n", "max-connections = 1\n"] {
            files.write("vhosts/a/limits", limits);
            broker.reload();
            for (n, old) in clients.iter_mut().enumerate() {
                let wrong = connect(format!("a{n}")).username("a:anna").password("wrong");
                assert_eq!(answer(&broker, &wrong), 5);
                old.expect_silence();
                let mut new = Client::open(&broker);
                new.send(&connect_as("a:anna", &format!("a{n}")).persistent().bytes());
                new.expect(&connack(true, 0));
                old.expect_closed();
                *old = new;
            }
        }
        assert_eq!(answer(&broker, &connect_as("a:anna", "more")), 3);
        clients.iter_mut().for_each(Client::expect_silence);
        let left = clients.len();
        clients.into_iter().for_each(Client::leave);
        // The places were passed on and are counted once.
        files.write("vhosts/a/limits", "");
        broker.reload();
        let there = |n: usize| {
            let mut client = Client::open(&broker);
            client.send(&connect_as("b:anna", &format!("b{n}")).bytes());
            (client.read_packet() == connack(false, 0)).then_some(client)
        };
        let came: Vec<Client> = (0..8).filter_map(there).collect();
        assert_eq!(came.len(), 3, "{left} were there before");
    }
}

// Sessions above a shard's share are refused with 3. Those of absent clients count, also after a
// restart. An existing session is found, and one that ends makes room.
#[test]
fn sessions() {
    for shards in [1, 2] {
        // Each of two shards has a share of two; which session is where is unknown.
        let files = files("max-sessions = 4\n");
        let mut broker = start(shards, &files, &[]);
        let open = |broker: &Broker, n: usize| {
            answer(broker, &connect_as("a:anna", &format!("s{n}")).persistent())
        };
        let mut kept: Vec<usize> = (0..32).filter(|n| open(&broker, *n) == 0).collect();
        assert_eq!(kept.len(), 4);
        for end in [End::Stopped, End::Killed] {
            broker.restart(end);
            let found: Vec<usize> = (0..32).filter(|n| open(&broker, *n) == 0).collect();
            assert_eq!(found, kept);
        }
        let gone = kept.remove(1);
        assert_eq!(answer(&broker, &connect_as("a:anna", &format!("s{gone}"))), 0);
        let new = (32..64).find(|n| open(&broker, *n) == 0);
        assert!(new.is_some(), "there is room for one on that shard");
        assert!((64..96).all(|n| open(&broker, n) == 3));
        assert_eq!(answer(&broker, &connect_as("b:anna", "s0").persistent()), 0);
        broker.terminate();
        broker.wait_for_line("refused_vhost_sessions ");
    }
}

// A message above the bound is delivered and not retained; a smaller value for a known topic is
// retained; other vhosts have their own bounds.
#[test]
fn retained_bytes() {
    for shards in [1, 2] {
        let files = files("max-retained-bytes = 2KiB\n");
        let broker = start(shards, &files, &[]);
        let mut reader = enter(&broker, "a:anna", "reader");
        reader.subscribe("#", 0);
        let mut writer = enter(&broker, "a:anna", "writer");
        let large = "x".repeat(700);
        for n in 0..16 {
            send_kept(&mut writer, &format!("t/{n}"), &large);
            reader.expect_publish(&publish(format!("t/{n}"), &*large));
        }
        let mut late = enter(&broker, "a:anna", "late");
        late.send(&subscribe(1, &[("#", 0)]));
        late.expect(&suback(1, &[0]));
        // Two have room in 2 KiB, and one in half of it. A replay may wait for another shard.
        (0..2).for_each(|_| drop(late.read_publish()));
        late.expect_silence();
        let mut other = enter(&broker, "b:anna", "writer");
        for n in 0..16 {
            send_kept(&mut other, &format!("t/{n}"), &large);
        }
        let mut late = enter(&broker, "b:anna", "late");
        late.send(&subscribe(1, &[("#", 0)]));
        late.expect(&suback(1, &[0]));
        (0..16).for_each(|_| drop(late.read_publish()));
        expect_count(&broker, "retained_refused_full", 14);
    }
}

// The clients of a vhost together publish no more than its rate, and all are answered; other vhosts
// are not affected; without the limit no client waits.
#[test]
fn publish_rate() {
    for shards in [1, 2] {
        let files = files("publish-rate = 40\n");
        let broker = start(shards, &files, &[]);
        let mut clients: Vec<Client> =
            (0..4).map(|n| enter(&broker, "a:anna", &format!("c{n}"))).collect();
        for client in &mut clients {
            for n in 1..=20 {
                client.send(&publish("t", "x").qos1(n).bytes());
            }
        }
        let mut other = enter(&broker, "b:anna", "other");
        for n in 1..=200 {
            other.send(&publish("t", "x").qos1(n).bytes());
            other.expect(&puback(n));
        }
        for client in &mut clients {
            (1..=20).for_each(|n| client.expect(&puback(n)));
        }
        files.write("vhosts/a/limits", "");
        broker.reload();
        for n in 1..=2_000 {
            clients[0].send(&publish("t", "x").qos1(n).bytes());
        }
        (1..=2_000).for_each(|n| clients[0].expect(&puback(n)));
        broker.terminate();
        broker.wait_for_line("publishers_throttled ");
    }
}

/// Payloads of 500 bytes with their number.
fn payload(n: usize) -> String {
    format!("{n:0500}")
}

/// The session of an absent client that is subscribed to the topic with its own name.
fn absent(broker: &Broker, id: &str) {
    let mut client = Client::open(broker);
    client.send(&connect_as("a:anna", id).persistent().bytes());
    // Its session may exist already.
    assert_eq!(client.read_packet().last(), Some(&0));
    client.subscribe(id, 1);
    client.leave();
}

/// The numbers of the messages that a client was sent so far; they are acknowledged.
fn read_numbers(client: &mut Client) -> Vec<usize> {
    let packets = client.read_to_fence();
    let number = |packet: &Vec<u8>| {
        let got = crate::common::Publish::parse(packet);
        client.acknowledge(1, got.id);
        String::from_utf8_lossy(&got.payload).parse().expect("it is a number")
    };
    packets.iter().map(number).collect()
}

/// The same for a session that was absent. When it is absent again, the acknowledgements were
/// processed.
fn waiting(broker: &Broker, id: &str) -> Vec<usize> {
    let mut client = Client::open(broker);
    client.send(&connect_as("a:anna", id).persistent().bytes());
    client.expect(&connack(true, 0));
    let mut numbers = Vec::new();
    loop {
        let more = read_numbers(&mut client);
        // Messages are sent after the client's return was committed.
        if more.is_empty() && !numbers.is_empty() {
            client.leave();
            return numbers;
        }
        numbers.extend(more);
    }
}

// A full vhost applies --session-overflow to the session that would grow: its oldest message is
// dropped for a newer one, or the newer one is dropped; other sessions keep theirs. Consumed
// messages make room, and a restart counts the rest.
#[test]
fn queued_bytes() {
    for overflow in ["drop-oldest", "drop-newest"] {
        let files = files("max-queued-bytes = 8KiB\n");
        let mut broker = start(1, &files, &["--session-overflow", overflow]);
        absent(&broker, "full");
        absent(&broker, "late");
        let mut writer = enter(&broker, "a:anna", "writer");
        let send = |writer: &mut Client, topic: &str, n: usize| {
            writer.send(&publish(topic, payload(n)).qos1(1).bytes());
            writer.expect(&puback(1));
        };
        (0..10).for_each(|n| send(&mut writer, "full", n));
        // Three or four more have room.
        (0..10).for_each(|n| send(&mut writer, "late", n));
        broker.restart(End::Killed);
        let mut writer = enter(&broker, "a:anna", "writer");
        (10..20).for_each(|n| send(&mut writer, "late", n));
        let late = waiting(&broker, "late");
        assert!((3..=6).contains(&late.len()), "{overflow}: {late:?}");
        let expected: Vec<usize> = match overflow {
            "drop-oldest" => (20 - late.len()..20).collect(),
            _ => (0..late.len()).collect(),
        };
        assert_eq!(late, expected, "{overflow}");
        // There is room again.
        send(&mut writer, "full", 10);
        assert_eq!(waiting(&broker, "full"), (0..11).collect::<Vec<_>>(), "{overflow}");
        absent(&broker, "full");
        (10..99).for_each(|n| send(&mut writer, "full", n));
        let mut other = Client::connect_with(&broker, &connect_as("b:anna", "late").persistent());
        other.subscribe("late", 1);
        let mut writer = enter(&broker, "b:anna", "writer");
        (0..20).for_each(|n| send(&mut writer, "late", n));
        (0..20).for_each(|n| {
            other.expect_publish(&publish("late", payload(n)).at(1));
        });
    }
}

// A publisher of MQTT 5 is told that no session has taken its message, because the vhost is full,
// wherever the session is.
#[test]
fn queued_bytes_are_told() {
    for shards in [1, 2] {
        let files = files("max-queued-bytes = 8KiB\n");
        let broker = start(shards, &files, &["--session-overflow", "drop-newest"]);
        let ids: Vec<String> = (0..6).map(|n| format!("s{n}")).collect();
        ids.iter().for_each(|id| absent(&broker, id));
        let login = v5::connect("writer").username("a:anna").password("password of anna");
        let mut writer = Client::connect_v5_with(&broker, &login).0;
        for id in &ids {
            let message = v5::publish(id, payload(0)).qos1(1);
            let taken = (0..99).take_while(|_| writer.publish_v5(&message) == 0).count();
            assert!(taken < 20, "{taken} messages of 500 bytes for {id}");
            assert_eq!(writer.publish_v5(&message), 0x97, "{id}");
        }
        expect_count(&broker, "publishes_refused", 12);
    }
}

// With `block` a publisher waits until another session of the vhost has made room, also one on
// another shard; then all sessions have all messages.
#[test]
fn queued_bytes_block() {
    for shards in [1, 2] {
        let files = files("max-queued-bytes = 8KiB\n");
        let broker = start(shards, &files, &["--session-overflow", "block"]);
        let ids: Vec<String> = (0..6).map(|n| format!("s{n}")).collect();
        ids.iter().for_each(|id| absent(&broker, id));
        let mut writer = enter(&broker, "a:anna", "writer");
        for n in 0..5_u16 {
            for (at, id) in (0..).zip(&ids) {
                writer.send(&publish(id, payload(n.into())).qos1(1 + at * 5 + n).bytes());
            }
        }
        let mut readers: Vec<(Client, Vec<usize>)> = Vec::new();
        let enough = |readers: &[(Client, Vec<usize>)]| {
            readers.len() == ids.len() && readers.iter().all(|(_, numbers)| numbers.len() >= 5)
        };
        while !enough(&readers) {
            if let Some(id) = ids.get(readers.len()) {
                let mut client = Client::open(&broker);
                client.send(&connect_as("a:anna", id).persistent().bytes());
                client.expect(&connack(true, 0));
                readers.push((client, Vec::new()));
            }
            for (client, numbers) in &mut readers {
                numbers.extend(read_numbers(client));
            }
        }
        let numbers: Vec<&Vec<usize>> = readers.iter().map(|(_, numbers)| numbers).collect();
        assert!(numbers.iter().all(|numbers| **numbers == [0, 1, 2, 3, 4]), "{numbers:?}");
        let mut acked: Vec<Vec<u8>> = (0..30).map(|_| writer.read_packet()).collect();
        acked.sort();
        assert_eq!(acked, (1..=30).map(puback).collect::<Vec<_>>());
        broker.terminate();
        broker.wait_for_line("publishers_blocked ");
    }
}

// Local anonymous clients of the default vhost have its limits too.
#[test]
fn default_vhost() {
    let files = files("");
    files.write("vhosts/%2F/limits", "max-connections = 1\n");
    let broker = start(1, &files, &[]);
    let _one = Client::connect(&broker, "one");
    assert_eq!(answer(&broker, &connect("two")), 3);
}
