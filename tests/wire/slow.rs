//! Clients that read slowly or send too fast, and those beside them that must not notice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::{
    Broker, Client, PINGREQ, PINGRESP, Publish, connect, on_shards, puback, publish, resume_as,
};

/// 32 MiB in all: more than the socket buffers of both sides hold (some 10 MiB on Linux).
const MESSAGES: u32 = 4_000;
const PAYLOAD_BYTES: usize = 8 * 1024;

fn numbered(number: u32) -> Publish {
    let mut payload = vec![0; PAYLOAD_BYTES];
    payload[..4].copy_from_slice(&number.to_be_bytes());
    publish("stream", payload)
}

fn number_of(message: &Publish) -> u32 {
    u32::from_be_bytes(message.payload[..4].try_into().expect("four bytes"))
}

/// A subscriber that does not read loses messages at QoS 0 when its buffers are full, and its
/// publisher is not held up. Messages that arrive are whole and in order, and new ones arrive when
/// it reads again.
#[test]
fn slow_reader_loses_qos_0_alone() {
    for shards in [1, 2] {
        let flags = ["--max-outgoing-bytes", "256KiB", "--qos0-patience", "20ms"];
        let broker = Broker::start_with(shards, &flags);
        let mut slow = Client::connect(&broker, "slow");
        slow.subscribe("stream", 0);
        let mut publisher = Client::connect(&broker, "publisher");
        for number in 0..MESSAGES {
            publisher.send(&numbered(number).bytes());
        }
        // The PUBACK comes when the subscriber's shard has this message and all before it.
        publisher.publish(&publish("stream", "end").qos1(1));
        slow.send(PINGREQ);
        let (mut came, mut last) = (0, None);
        loop {
            let packet = slow.read_packet();
            if packet == PINGRESP {
                break;
            }
            if packet == publish("stream", "end").bytes() {
                continue;
            }
            let number = number_of(&Publish::parse(&packet));
            assert!(last < Some(number), "{number} after {last:?}");
            assert!(packet == numbered(number).bytes(), "message {number} is whole");
            last = Some(number);
            came += 1;
        }
        assert!((1..MESSAGES).contains(&came), "{came} of {MESSAGES} came");
        broker.wait_for_line("client \"slow\": reads too slowly: messages at QoS 0 are dropped");
        publisher.publish(&numbered(MESSAGES));
        slow.expect_publish(&numbered(MESSAGES));
    }
}

/// A subscriber that does not read loses no QoS 1, and its publisher gets every PUBACK meanwhile.
#[test]
fn slow_reader_loses_no_qos_1() {
    on_shards(&[1, 2], |broker| {
        let mut slow = resume_as(broker, "slow", false);
        slow.subscribe("stream", 1);
        let mut publisher = Client::connect(broker, "publisher");
        for number in 0..MESSAGES {
            publisher.send(&numbered(number).qos1(7).bytes());
        }
        for _ in 0..MESSAGES {
            publisher.expect(&puback(7));
        }
        for number in 0..MESSAGES {
            slow.expect_publish(&numbered(number).qos1(0));
        }
        slow.expect_silence();
    });
}

/// A slow reader does not hold up another subscriber of the same topic for good.
#[test]
fn slow_reader_does_not_stall_its_neighbour() {
    for shards in [1, 2] {
        let flags = ["--max-outgoing-bytes", "256KiB", "--qos0-patience", "20ms"];
        let broker = Broker::start_with(shards, &flags);
        let mut slow = Client::connect(&broker, "slow");
        slow.subscribe("stream", 0);
        let mut neighbour = Client::connect(&broker, "neighbour");
        neighbour.subscribe("stream", 1);
        let mut publisher = Client::connect(&broker, "publisher");
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..MESSAGES {
                    publisher.send(&numbered(number).qos1(7).bytes());
                }
                for _ in 0..MESSAGES {
                    publisher.expect(&puback(7));
                }
            });
            for number in 0..MESSAGES {
                neighbour.expect_publish(&numbered(number).qos1(0));
            }
        });
    }
}

/// A publisher that floods does not starve other clients: they are answered meanwhile.
#[test]
fn flood_starves_nobody() {
    on_shards(&[1, 2], |broker| {
        let is_over = AtomicBool::new(false);
        let mut flooder = Client::connect(broker, "flooder");
        let flood = publish("flood", [0; 100]).bytes().repeat(500);
        let mut client = Client::connect(broker, "client");
        client.subscribe("quiet", 0);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    flooder.send(&flood);
                }
            });
            // The thread must end even if this one panics, since it is joined.
            let _end = Ends(&is_over);
            for number in 0..300_u16 {
                client.publish(&publish("other", "x").qos1(number + 1));
                client.send(&publish("quiet", number.to_string()).bytes());
                client.expect_publish(&publish("quiet", number.to_string()));
                if number % 50 == 0 {
                    // New clients are accepted, too.
                    Client::connect(broker, "newcomer").leave();
                }
            }
        });
    });
}

/// A drop sets it.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A peer that sends requests and never reads the answers cannot fill the broker's memory: the
/// broker stops reading from it and serves the others.
#[test]
fn unread_answers_are_bounded() {
    const PINGS: usize = 48 * 1024 * 1024;
    let broker = Broker::start(1);
    let mut other = Client::connect(&broker, "other");
    other.expect_silence();
    let before = broker.resources().rss_bytes;
    let mut asker = Client::connect(&broker, "asker");
    let mut writer = Client::over(asker.stream().try_clone().expect("a descriptor is free"));
    // It blocks when the broker stops reading; then it has asked enough.
    writer.stream().set_write_timeout(Some(Duration::from_secs(1))).expect("not zero");
    writer.send_to_closing(&PINGREQ.repeat(PINGS));
    let grown = broker.resources().rss_bytes.saturating_sub(before);
    assert!(grown < 16 * 1024 * 1024, "the broker grew by {grown} bytes");
    other.expect_silence();
    // Once it reads, it gets answers.
    asker.expect(PINGRESP);
    drop((asker, writer));
    other.expect_silence();
}

/// A slow persistent session whose connection broke with its output full is resumed with all
/// unacknowledged messages.
#[test]
fn broken_while_full() {
    on_shards(&[1, 2], |broker| {
        let mut slow = resume_as(broker, "slow", false);
        slow.subscribe("stream", 1);
        let mut publisher = Client::connect(broker, "publisher");
        for number in 0..1_500 {
            publisher.send(&numbered(number).qos1(7).bytes());
        }
        for _ in 0..1_500 {
            publisher.expect(&puback(7));
        }
        slow.reset();
        let mut client = resume_as(broker, "slow", true);
        for number in 0..1_500 {
            let came = client.read_publish();
            assert_eq!(number_of(&came), number);
            client.send(&puback(came.id));
        }
        client.expect_silence();
        client.leave();
    });
}

/// A slow reader's connection can be taken over.
#[test]
fn taken_over_while_full() {
    on_shards(&[1, 2], |broker| {
        let mut slow = Client::connect_with(broker, &connect("slow").persistent());
        slow.subscribe("stream", 1);
        let mut publisher = Client::connect(broker, "publisher");
        for number in 0..1_500 {
            publisher.publish(&numbered(number).qos1(7));
        }
        let mut client = resume_as(broker, "slow", true);
        for number in 0..1_500 {
            let came = client.read_publish();
            assert_eq!(number_of(&came), number);
            client.send(&puback(came.id));
        }
    });
}

/// A stream between shards flows to its end: in order, and never stuck.
#[test]
fn stream_between_shards_flows() {
    on_shards(&[1, 2, 4], |broker| {
        for id in ["moss", "nettle", "oat", "poppy"] {
            let mut subscriber = Client::connect(broker, id);
            subscriber.subscribe("stream", 1);
            let mut publisher = Client::connect(broker, "publisher");
            thread::scope(|scope| {
                scope.spawn(|| {
                    for number in 0..1_000 {
                        publisher.send(&numbered(number).bytes());
                    }
                    publisher.publish(&numbered(1_000).qos1(1));
                });
                let mut last = None;
                while last != Some(1_000) {
                    let came = subscriber.read_publish();
                    assert!(last < Some(number_of(&came)), "{} after {last:?}", number_of(&came));
                    last = Some(number_of(&came));
                }
            });
        }
    });
}
