//! rumqttc, a client in Rust, with MQTT 5.

use std::collections::BTreeMap;

use bytes::Bytes;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    Filter, LastWill, LastWillProperties, Packet, Publish, PublishProperties, RetainForwardRule,
    SubscribeProperties,
};
use rumqttc::v5::{Client, Connection, Event, MqttOptions};

use crate::SHARDS;
use crate::common::{Broker, PATIENCE};

const KEPT_S: u32 = 3600;

/// A connected client. It makes progress only while it waits.
struct Peer {
    client: Client,
    connection: Connection,
    session_present: bool,
    /// Messages that arrived while something else was awaited.
    came: Vec<Publish>,
    /// Topics of the broker's aliases. rumqttc reports a message before it resolves its alias.
    aliases: BTreeMap<u16, Bytes>,
}

impl Peer {
    /// Connects with a session that ends with the connection; `wish` changes the options.
    #[track_caller]
    fn connect(broker: &Broker, id: &str, wish: impl FnOnce(&mut MqttOptions)) -> Self {
        let mut options = MqttOptions::new(id, "127.0.0.1", broker.addr().port());
        wish(&mut options);
        let (client, connection) = Client::new(options, 10);
        let (came, aliases) = (Vec::new(), BTreeMap::new());
        let mut peer = Self { client, connection, session_present: false, came, aliases };
        peer.session_present = peer.wait_for("CONNACK", |packet| match packet {
            Packet::ConnAck(connack) => Some(connack.session_present),
            _ => None,
        });
        peer
    }

    /// The next event.
    #[track_caller]
    fn next(&mut self, due: &str) -> Event {
        let event = self.connection.recv_timeout(PATIENCE);
        let event = event.unwrap_or_else(|error| panic!("{due} does not come: {error:?}"));
        event.unwrap_or_else(|error| panic!("{error} instead of {due}"))
    }

    /// Reads on to a packet that `take` wants.
    #[track_caller]
    fn wait_for<T>(&mut self, due: &str, take: impl Fn(&Packet) -> Option<T>) -> T {
        loop {
            let Event::Incoming(packet) = self.next(due) else { continue };
            if let Some(taken) = take(&packet) {
                return taken;
            }
            if let Packet::Publish(message) = packet {
                self.came.push(message);
            }
        }
    }

    #[track_caller]
    fn subscribe(&mut self, filter: Filter, id: Option<usize>) {
        let properties = SubscribeProperties { id, user_properties: Vec::new() };
        self.client.subscribe_many_with_properties([filter], properties).expect("it is there");
        self.wait_for("SUBACK", |packet| matches!(packet, Packet::SubAck(_)).then_some(()));
    }

    /// Publishes at QoS 1, and waits until it is acknowledged.
    #[track_caller]
    fn publish(&mut self, topic: &str, payload: &str, retain: bool, said: PublishProperties) {
        let bytes = payload.to_owned().into_bytes();
        let sent =
            self.client.publish_with_properties(topic, QoS::AtLeastOnce, retain, bytes, said);
        sent.expect("it is there");
        self.wait_for("PUBACK", |packet| matches!(packet, Packet::PubAck(_)).then_some(()));
    }

    /// The next message, which must be this one.
    #[track_caller]
    fn expect(&mut self, topic: &str, payload: &str) -> Publish {
        let mut message = if self.came.is_empty() {
            self.wait_for(payload, |packet| match packet {
                Packet::Publish(message) => Some(message.clone()),
                _ => None,
            })
        } else {
            self.came.remove(0)
        };
        if let Some(alias) = message.properties.as_ref().and_then(|said| said.topic_alias) {
            match message.topic.is_empty() {
                true => message.topic = self.aliases.get(&alias).expect("it was given").clone(),
                false => drop(self.aliases.insert(alias, message.topic.clone())),
            }
        }
        let came = (&message.topic[..], &message.payload[..]);
        assert_eq!(came, (topic.as_bytes(), payload.as_bytes()));
        message
    }

    /// Sends DISCONNECT.
    #[track_caller]
    fn leave(mut self) {
        self.client.disconnect().expect("it is there");
        while !matches!(self.next("DISCONNECT"), Event::Outgoing(Outgoing::Disconnect)) {}
    }
}

fn filter(path: &str) -> Filter {
    Filter::new(path, QoS::AtLeastOnce)
}

fn kept(options: &mut MqttOptions) {
    options.set_session_expiry_interval(Some(KEPT_S));
}

fn resumed(options: &mut MqttOptions) {
    options.set_clean_start(false);
    kept(options);
}

/// A message is delivered with its properties, live and from the queue.
fn check_properties(broker: &Broker) {
    let said = PublishProperties {
        payload_format_indicator: Some(1),
        message_expiry_interval: Some(600),
        response_topic: Some("rust/answers".to_owned()),
        correlation_data: Some(b"\0c\xff"[..].into()),
        user_properties: [("b", "1"), ("a", "2"), ("b", "1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        content_type: Some("text/plain".to_owned()),
        ..PublishProperties::default()
    };
    let mut publisher = Peer::connect(broker, "rust-pub", |_| {});
    let mut subscriber = Peer::connect(broker, "rust-kept", kept);
    subscriber.subscribe(filter("rust/+"), Some(268_435_455));
    publisher.publish("rust/props", "live", false, said.clone());
    let mut came = vec![subscriber.expect("rust/props", "live")];
    subscriber.leave();
    publisher.publish("rust/props", "kept", false, said.clone());
    let mut subscriber = Peer::connect(broker, "rust-kept", resumed);
    assert!(subscriber.session_present);
    came.push(subscriber.expect("rust/props", "kept"));
    for message in came {
        let mut got = message.properties.expect("it has some");
        assert!(matches!(got.message_expiry_interval, Some(501..=600)), "{got:?}");
        got.message_expiry_interval = Some(600);
        let subscription_identifiers = vec![268_435_455];
        assert_eq!(got, PublishProperties { subscription_identifiers, ..said.clone() });
    }
    subscriber.leave();
    Peer::connect(broker, "rust-kept", |_| {}).leave();
    assert!(
        !Peer::connect(broker, "rust-kept", |options| {
            options.set_clean_start(false);
        })
        .session_present
    );
}

/// Aliases towards the broker and from it; a window of one.
fn check_aliases_and_window(broker: &Broker) {
    let mut publisher = Peer::connect(broker, "rust-pub", |_| {});
    let mut subscriber = Peer::connect(broker, "rust-sub", |options| {
        options.set_topic_alias_max(Some(1)).set_receive_maximum(Some(1));
    });
    subscriber.subscribe(filter("rust/alias/+"), None);
    let aliased = PublishProperties { topic_alias: Some(1), ..PublishProperties::default() };
    publisher.publish("rust/alias/a", "named", false, aliased.clone());
    for _ in 0..5 {
        publisher.publish("", "aliased", false, aliased.clone());
    }
    publisher.publish("rust/alias/b", "other", false, PublishProperties::default());
    subscriber.expect("rust/alias/a", "named");
    for _ in 0..5 {
        subscriber.expect("rust/alias/a", "aliased");
    }
    subscriber.expect("rust/alias/b", "other");
}

/// No Local, Retain As Published and Retain Handling.
fn check_options(broker: &Broker) {
    let mut client = Peer::connect(broker, "rust-own", |_| {});
    let mut other = Peer::connect(broker, "rust-other", |_| {});
    client.subscribe(Filter { nolocal: true, ..filter("rust/local") }, None);
    client.publish("rust/local", "own", false, PublishProperties::default());
    other.publish("rust/local", "of the other", false, PublishProperties::default());
    client.expect("rust/local", "of the other");
    other.publish("rust/state", "on", true, PublishProperties::default());
    for (retain_forward_rule, comes) in [
        (RetainForwardRule::Never, false),
        (RetainForwardRule::OnEverySubscribe, true),
        (RetainForwardRule::OnNewSubscribe, false),
    ] {
        let wish = Filter { preserve_retain: true, retain_forward_rule, ..filter("rust/state") };
        client.subscribe(wish, None);
        if comes {
            assert!(client.expect("rust/state", "on").retain);
        }
        // The retained message precedes a later one.
        other.publish("rust/state", "passing", false, PublishProperties::default());
        assert!(!client.expect("rust/state", "passing").retain);
    }
    other.publish("rust/state", "", true, PublishProperties::default());
    assert!(client.expect("rust/state", "").retain);
}

/// A delayed will is delivered with its properties.
fn check_will(broker: &Broker) {
    let mut witness = Peer::connect(broker, "rust-witness", |_| {});
    witness.subscribe(filter("rust/will"), None);
    let properties = LastWillProperties {
        delay_interval: Some(1),
        payload_format_indicator: None,
        message_expiry_interval: None,
        content_type: Some("gone".to_owned()),
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    };
    let will = LastWill::new("rust/will", "gone", QoS::AtLeastOnce, false, Some(properties));
    // A drop closes its connection without a DISCONNECT.
    drop(Peer::connect(broker, "rust-dying", |options| {
        options.set_session_expiry_interval(Some(KEPT_S)).set_last_will(will);
    }));
    let properties = witness.expect("rust/will", "gone").properties.expect("it has some");
    assert_eq!(properties.content_type.as_deref(), Some("gone"));
    Peer::connect(broker, "rust-dying", |_| {}).leave();
}

/// The suite for rumqttc passes.
#[test]
fn rumqttc_v5() {
    for shards in SHARDS {
        let broker = Broker::start(shards);
        println!("{shards} shards");
        check_properties(&broker);
        check_aliases_and_window(&broker);
        check_options(&broker);
        check_will(&broker);
    }
}
