//! State of MQTT 5 clients that survives a kill: delayed wills of connections that the kill ends,
//! and messages with properties, some of which expire meanwhile.

use std::net::{SocketAddr, TcpStream};

use crate::common::Client;
use crate::common::v5::{Connect, Publish, Value, connect, disconnect, id, option, props, publish};

/// Clients with wills; their delays are 1 and 2 seconds.
const MORTALS: usize = 4;

/// Longest delay of a will, and the time in which short messages expire, seconds.
const SHORT_S: u32 = 2;
const LONG_S: u32 = 1_000;

const WILLS: &str = "heirs/will";
const MESSAGES: &str = "heirs/message";

/// The sessions that inherit: one for each topic.
fn heir(topic: &str) -> Connect {
    connect(topic).durable(u32::MAX)
}

fn enter(addr: SocketAddr, packet: &Connect) -> Client {
    let stream = TcpStream::connect(addr).expect("the broker lives");
    let mut client = Client::over(stream);
    client.send(&packet.bytes());
    client.expect_connack(0);
    client
}

fn will(number: usize) -> Publish {
    let text = number.to_string();
    let will =
        publish(WILLS, &text).with(|props| props.user("b", &text).user("a", "").user("b", ""));
    will.at(1 + u8::from(number.is_multiple_of(2)))
}

fn message(name: &str, expiry_s: u32) -> Publish {
    publish(MESSAGES, name).with(|props| {
        let props = props.four(id::MESSAGE_EXPIRY, expiry_s).byte(id::PAYLOAD_FORMAT, 1);
        let props = props.text(id::CONTENT_TYPE, "text/plain").user("z", name).user("a", "");
        props.text(id::RESPONSE_TOPIC, "answers").binary(id::CORRELATION_DATA, [0, 255])
    })
}

/// Has sessions, wills and messages; ends with the broker alive and the clients of the wills
/// connected. The broker is to be killed before they are dropped.
pub(crate) fn leave(addr: SocketAddr) -> Vec<Client> {
    for topic in [WILLS, MESSAGES] {
        let mut client = enter(addr, &heir(topic));
        client.subscribe_v5_with(
            topic,
            2 | option::RETAIN_NEVER,
            &props().varint(id::SUBSCRIPTION_ID, 9),
        );
        client.send(&disconnect(0, &props()));
        client.expect_closed_later();
    }
    let mut publisher = enter(addr, &connect("heirs-publisher"));
    for (number, expiry_s) in (1..).zip([SHORT_S, LONG_S, SHORT_S, LONG_S]) {
        let text = number.to_string();
        let message = message(&text, expiry_s);
        let message = if number < 3 { message.qos1(number) } else { message.qos2(number) };
        assert_eq!(publisher.publish_v5(&message), 0, "somebody has subscribed");
    }
    let mortal = |number: usize| {
        let delay_s = if number < MORTALS / 2 { 1 } else { SHORT_S };
        let will = will(number).with(|props| props.four(id::WILL_DELAY, delay_s));
        let name = format!("heirs-mortal-{number}");
        // The client has read its CONNACK, so its will is in the log.
        enter(addr, &connect(name).durable(LONG_S).will(&will))
    };
    (0..MORTALS).map(mortal).collect()
}

/// After the kill each will is delivered once. Expired messages are not delivered; others are, with
/// the rest of their time. No message is acknowledged: all fit the window.
pub(crate) fn inherit(addr: SocketAddr) {
    let mut client = enter(addr, &heir(WILLS).resume());
    let mut wills: Vec<Publish> = (0..MORTALS).map(|_| client.read_publish_v5()).collect();
    wills.sort_by(|a, b| a.payload.cmp(&b.payload));
    for (number, came) in wills.into_iter().enumerate() {
        let expected = will(number).with(|props| props.varint(id::SUBSCRIPTION_ID, 9));
        assert_eq!(sorted(came), sorted(expected));
    }
    client.expect_silence_v5();
    // The last will was delivered, so its delay has passed since the start of the broker.
    let mut client = enter(addr, &heir(MESSAGES).resume());
    for name in ["2", "4"] {
        let mut came = client.read_publish_v5();
        let left_s = came.props.number(id::MESSAGE_EXPIRY).expect("it still expires");
        assert!(left_s <= LONG_S - SHORT_S, "{left_s} s are left");
        came.props = came.props.without(id::MESSAGE_EXPIRY);
        let mut expected = message(name, LONG_S).at(if name == "2" { 1 } else { 2 });
        expected.props = expected.props.without(id::MESSAGE_EXPIRY).varint(id::SUBSCRIPTION_ID, 9);
        assert_eq!(sorted(came), sorted(expected));
    }
    client.expect_silence_v5();
}

/// The message with its properties sorted except user properties, and without the fields that
/// differ between copies.
fn sorted(mut message: Publish) -> Publish {
    message.id = 0;
    message.dup = false;
    let is_user = |value: &Value| matches!(value, Value::Pair(..));
    message.props.0.sort_by_key(|(id, value)| if is_user(value) { u8::MAX } else { *id });
    message
}
