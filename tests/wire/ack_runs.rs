//! A run of PUBACKs has the same effect as the same PUBACKs one by one.

use crate::common::{
    Broker, Client, PINGREQ, PINGRESP, connack, connect, puback, publish, resume_as,
};

/// Messages in flight at most.
const WINDOW: u16 = 8;

fn with_small_window(test: impl Fn(&Broker)) {
    for shards in [1, 2] {
        let broker = Broker::start_with(shards, &["--max-inflight", &WINDOW.to_string()]);
        test(&broker);
    }
}

/// The next messages that a client is sent, from this number on; their identifiers.
fn receive(client: &mut Client, from: u16, count: u16) -> Vec<u16> {
    let expected = |number: u16| publish("a", number.to_string()).qos1(0);
    (from..from + count).map(|number| client.expect_unacked(&expected(number))).collect()
}

fn pubacks(ids: &[u16]) -> Vec<u8> {
    ids.iter().flat_map(|id| puback(*id)).collect()
}

fn send_many(broker: &Broker, count: u16) {
    let mut publisher = Client::connect(broker, "publisher");
    for number in 0..count {
        publisher.publish(&publish("a", number.to_string()).qos1(number + 1));
    }
    publisher.leave();
}

/// Each acknowledgement of a run makes room in the window for one waiting message, also if the run
/// has gaps, repetitions and other packets. A message that the run leaves out is sent again.
#[test]
fn rows_of_pubacks() {
    with_small_window(|broker| {
        let mut client = resume_as(broker, "client", false);
        client.subscribe("a", 1);
        send_many(broker, 40);
        let ids = receive(&mut client, 0, WINDOW);
        client.expect_silence();
        client.send(&pubacks(&ids));
        let ids = receive(&mut client, 8, WINDOW);
        // The third is left out.
        let [first, second, third, fourth] = [0, 1, 2, 3].map(|at| ids[at]);
        client.send(&pubacks(&[first, second, fourth]));
        let more = receive(&mut client, 16, 3);
        client.expect_silence();
        // Repetitions and unknown identifiers have no effect; a request stands between them.
        let unknown = third.wrapping_add(1_000);
        let row = [pubacks(&[first, second, unknown]), PINGREQ.to_vec(), pubacks(&ids[4..])];
        client.send(&row.concat());
        client.expect(PINGRESP);
        let last = receive(&mut client, 19, 4);
        client.expect_silence();
        client.send(&pubacks(&[&more[..], &last].concat()));
        receive(&mut client, 23, 7);
        client.leave();

        let mut client = resume_as(broker, "client", true);
        client.expect(&publish("a", "10").qos1(third).again().bytes());
        let again = (23..30)
            .map(|number| client.expect_unacked(&publish("a", number.to_string()).qos1(0).again()));
        let again: Vec<u16> = again.collect();
        client.send(&pubacks(&[&[third], &again[..]].concat()));
        let rest = receive(&mut client, 30, WINDOW);
        client.send(&pubacks(&rest));
        let rest = receive(&mut client, 38, 2);
        client.send(&pubacks(&rest));
        client.expect_silence();
        client.leave();
        resume_as(broker, "client", true).expect_silence();
    });
}

/// The same with a session that ends with its connection, of which only waiting messages are
/// stored.
#[test]
fn rows_of_a_clean_session() {
    with_small_window(|broker| {
        let mut client = Client::connect(broker, "client");
        client.subscribe("a", 1);
        send_many(broker, 30);
        let ids = receive(&mut client, 0, WINDOW);
        client.send(&pubacks(&ids[..5]));
        let more = receive(&mut client, 8, 5);
        client.expect_silence();
        client.send(&pubacks(&[&ids[5..], &more].concat()));
        let rest = receive(&mut client, 13, WINDOW);
        client.send(&pubacks(&rest));
        let rest = receive(&mut client, 21, WINDOW);
        client.send(&pubacks(&rest));
        receive(&mut client, 29, 1);
        client.expect_silence();
    });
}

/// A PUBACK for a message at QoS 2 ends the connection [MQTT-4.3.3-1] after the packets before it.
#[test]
fn wrong_answer_in_a_row() {
    with_small_window(|broker| {
        let mut client = resume_as(broker, "client", false);
        client.subscribe("a", 2);
        let mut publisher = Client::connect(broker, "publisher");
        publisher.publish(&publish("a", "0").qos1(1));
        publisher.publish(&publish("a", "1").qos2(2));
        let first = client.expect_unacked(&publish("a", "0").qos1(0));
        let second = client.expect_unacked(&publish("a", "1").qos2(0));
        client.send_to_closing(&pubacks(&[first, second]));
        client.expect_closed();
        let mut client = Client::open(broker);
        client.send(&connect("client").persistent().bytes());
        client.expect(&connack(true, 0));
        client.expect(&publish("a", "1").qos2(second).again().bytes());
        client.expect_silence();
    });
}
