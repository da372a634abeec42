//! JetStream: single messages and envelopes.

use super::harness::{Bridge, Broker, Client, Nats, Stored};

fn config(home: &Broker, server: &Nats, keys: &str, sink: &str) -> String {
    format!(
        "[broker]\nurl = \"{}\"\n[[sink]]\nname = \"js\"\nfilters = [\"m/#\"]\n{sink}\n\
         [sink.nats]\nservers = [\"{}\"]\n{keys}\n",
        home.url(),
        server.url()
    )
}

fn text(stored: &Stored) -> &str {
    std::str::from_utf8(&stored.payload).expect("is text")
}

/// Topic and payload of each message of an envelope.
pub(crate) fn open(envelope: &[u8]) -> Vec<(String, String)> {
    assert_eq!(&envelope[..4], b"RMB1");
    let mut rest = &envelope[12..];
    let mut take = |count: usize| {
        let (front, behind) = rest.split_at(count);
        rest = behind;
        (front.to_vec(), rest.is_empty())
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("is text");
    let mut all = Vec::new();
    loop {
        take(8 + 8 + 1);
        let topic = take(2).0;
        let topic = text(take(usize::from(u16::from_be_bytes([topic[0], topic[1]]))).0);
        let length = take(4).0;
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        let (payload, is_end) = take(usize::try_from(length).expect("is small"));
        all.push((topic, text(payload)));
        if is_end {
            return all;
        }
    }
}

// Each message has the subject of its topic; what was retained says so; a message that is too large
// for the server is a dead letter.
#[test]
fn messages_have_their_subjects() {
    let (home, server) = (Broker::start(), Nats::start());
    server.make_stream("telemetry", "mq.>");
    let mut letters = Client::unix(&home.socket(), "letters", false);
    letters.subscribe("dead/js");
    let bridge = Bridge::start(&config(&home, &server, "", ""));
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    writer.publish("m/a b//x.y", "1");
    writer.publish("m/a", &"x".repeat(1_100_000));
    writer.publish_all(std::iter::once(("m/r", "2".to_owned())), true);
    let long = format!("m/{}", "l".repeat(3000));
    writer.publish(&long, "end");
    let stored = server.read("telemetry", |stored| text(stored) == "end");
    let subjects: Vec<&str> = stored.iter().map(|stored| stored.subject.as_str()).collect();
    assert_eq!(subjects[..2], ["mq.m.a%20b._.x%2Ey", "mq.m.r"]);
    assert!(subjects[2].starts_with("mq.m.~"), "{subjects:?}");
    let header = |at: usize, name: &str| {
        let found = stored[at].headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    };
    assert_eq!(header(1, "Mqtt-Retain").as_deref(), Some("1"));
    assert_eq!(header(0, "Mqtt-Retain"), None);
    assert_eq!(header(2, "Mqtt-Topic"), Some(long));
    assert!(header(0, "Nats-Msg-Id").is_some_and(|id| id.starts_with("js-")), "{stored:?}");
    let letter = letters.receive();
    assert_eq!(letter.payload.len(), 1_100_000);
}

// Without a stream for the subjects the sink stops, and says what is missing.
#[test]
fn missing_stream_stops_the_sink() {
    let (home, server) = (Broker::start(), Nats::start());
    let bridge = Bridge::start(&config(&home, &server, "", ""));
    bridge.process.wait_for_line("subscribed");
    Client::unix(&home.socket(), "writer", false).publish("m/a", "1");
    let line = bridge.process.wait_for_line("js: stopped: ");
    assert!(line.contains("make a stream"), "{line}");
}

// Positions are the broker's: they go on when the bridge has lost its own files, so that a message
// which is repeated then has the same id.
#[test]
fn positions_are_the_brokers() {
    let (home, server) = (Broker::start(), Nats::start());
    server.make_stream("telemetry", "mq.>");
    let mut bridge = Bridge::start(&config(&home, &server, "", ""));
    bridge.process.wait_for_line("subscribed");
    let mut writer = Client::unix(&home.socket(), "writer", false);
    writer.publish("m/a", "1");
    server.read("telemetry", |stored| text(stored) == "1");
    bridge.forget_and_start();
    writer.publish("m/a", "2");
    let stored = server.read("telemetry", |stored| text(stored) == "2");
    let ids = stored.iter().flat_map(|stored| &stored.headers);
    let ids = ids.filter(|(name, _)| name == "Nats-Msg-Id").map(|(_, id)| id.as_str());
    let epochs: Vec<&str> = ids.filter_map(|id| id.rsplit_once('-')).map(|(id, _)| id).collect();
    assert!(epochs.len() == 2 && epochs[0] == epochs[1], "{epochs:?}");
}

// Kills of the bridge, the broker and the server: every number is in the stream; single messages
// are there once, since the server knows their ids.
#[test]
fn kills_lose_nothing() {
    const COUNT: usize = 2000;
    let rounds = super::harness::rounds(6);
    for (keys, is_batch) in
        [("", false), ("format = \"batch\"\nsubject = \"mq.batch\"\nbytes = \"4KiB\"", true)]
    {
        let (mut home, mut server) = (Broker::start(), Nats::start());
        server.make_stream("telemetry", "mq.>");
        let mut bridge = Bridge::start(&config(&home, &server, keys, "batch = { messages = 100 }"));
        bridge.process.wait_for_line("subscribed");
        for round in 0..rounds {
            let mut writer = Client::unix(&home.socket(), "writer", false);
            let numbers = round * COUNT..(round + 1) * COUNT;
            writer.publish_all(numbers.map(|number| ("m/x", number.to_string())), false);
            bridge.expect_metric("delivered_total", "js", |value| value > 0.0);
            match round % 3 {
                0 => bridge.kill_and_start(),
                1 => {
                    home.kill();
                    home.start_again();
                }
                _ => {
                    server.kill();
                    server.start_again();
                }
            }
        }
        let last = (rounds * COUNT - 1).to_string();
        let payloads = |stored: &Stored| match is_batch {
            true => open(&stored.payload).into_iter().map(|(_, payload)| payload).collect(),
            false => vec![text(stored).to_owned()],
        };
        let stored = server.read("telemetry", |stored| payloads(stored).contains(&last));
        let mut next = 0;
        let mut again = 0;
        for payload in stored.iter().flat_map(payloads) {
            let number: usize = payload.parse().expect("a number");
            match number {
                number if number == next => next += 1,
                number if number < next => again += 1,
                number => panic!("{number} came, {next} is missing"),
            }
        }
        assert_eq!(next, rounds * COUNT);
        assert!(is_batch || again == 0, "{again} messages are there twice");
    }
}
