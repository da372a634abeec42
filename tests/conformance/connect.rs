//! Section 3.1 and 3.2: CONNECT and CONNACK, without sessions and wills.

use std::time::{Duration, Instant};

use crate::common::{
    Broker, Client, Connect, DISCONNECT, PINGREQ, connack, connect, frame, on_shards, publish,
    resume_as, string, subscribe, unsubscribe,
};

#[track_caller]
fn assert_closed_in_silence(broker: &Broker, packet: &[u8]) {
    let mut client = Client::open(broker);
    client.send(packet);
    client.expect_closed();
}

#[track_caller]
fn assert_refused(broker: &Broker, packet: &Connect, code: u8) {
    let mut client = Client::open(broker);
    client.send(&packet.bytes());
    client.expect(&connack(false, code));
    client.expect_closed();
}

/// Before CONNECT nothing else is understood.
#[test]
pub(crate) fn first_packet_must_be_connect() {
    let broker = Broker::start(1);
    let packets = [
        ("PUBLISH 0", publish("a", "x").bytes()),
        ("PUBLISH 1", publish("a", "x").qos1(1).bytes()),
        ("PUBACK", frame(0x40, &[0, 1])),
        ("PUBREL", frame(0x62, &[0, 1])),
        ("SUBSCRIBE", subscribe(1, &[("a", 0)])),
        ("UNSUBSCRIBE", unsubscribe(1, &["a"])),
        ("PINGREQ", PINGREQ.to_vec()),
        ("DISCONNECT", DISCONNECT.to_vec()),
        ("CONNACK", connack(false, 0)),
        ("type 0", vec![0, 0]),
        ("type 15", vec![0xf0, 0]),
    ];
    for (name, packet) in packets {
        println!("{name}");
        assert_closed_in_silence(&broker, &packet);
    }
}

/// A second CONNECT closes the connection, whether it is the same one or another.
#[test]
pub(crate) fn second_connect_closes() {
    on_shards(&[1, 2], |broker| {
        for second in ["once", "another"] {
            let mut client = Client::connect(broker, "once");
            client.send(&connect(second).bytes());
            client.expect_closed();
            // Both in one write, too.
            let mut client = Client::open(broker);
            client.send(&[connect("once").bytes(), connect(second).bytes()].concat());
            client.expect(&connack(false, 0));
            client.expect_closed();
        }
    });
}

/// An unknown protocol name gets no CONNACK.
#[test]
pub(crate) fn unknown_protocol_name_closes() {
    let broker = Broker::start(1);
    for name in ["", "M", "MQT", "MQTx", "mqtt", "MQTTT", "MQIsd", "MQIsdP", "MQTT\u{e9}"] {
        println!("{name:?}");
        assert_closed_in_silence(&broker, &connect("name").protocol(name, 4).bytes());
        assert_closed_in_silence(&broker, &connect("name").protocol(name, 3).bytes());
    }
}

/// An unsupported level gets CONNACK 1, and then the connection is closed.
#[test]
pub(crate) fn unacceptable_level_is_refused() {
    let broker = Broker::start(1);
    for level in [0, 1, 2, 3, 0x80, 0x83, 0x84] {
        println!("MQTT {level}");
        assert_refused(&broker, &connect("level").protocol("MQTT", level), 1);
    }
    // Clients of later versions understand the answer of MQTT 5, whatever the form of their
    // CONNECT.
    for level in [6, 9, 127, 0x85, 0x86, 255] {
        println!("MQTT {level}");
        let mut client = Client::open(&broker);
        client.send(&connect("level").protocol("MQTT", level).bytes());
        client.expect(&[0x20, 3, 0, 0x84, 0]);
        client.expect_closed();
    }
    for level in [0, 2, 4, 5, 255] {
        println!("MQIsdp {level}");
        assert_refused(&broker, &connect("level").protocol("MQIsdp", level), 1);
    }
}

/// The reserved connect flag must be 0.
#[test]
pub(crate) fn reserved_connect_flag_closes() {
    let broker = Broker::start(1);
    assert_closed_in_silence(&broker, &connect("flag").raw_flags(1).bytes());
    let will = publish("will", "x");
    assert_closed_in_silence(&broker, &connect("flag").will(&will).raw_flags(1).bytes());
}

/// Will QoS and will retain need the will flag.
#[test]
pub(crate) fn will_settings_without_will_close() {
    let broker = Broker::start(1);
    for flags in [0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38] {
        println!("{flags:08b}");
        assert_closed_in_silence(&broker, &connect("flag").raw_flags(flags).bytes());
    }
}

/// Will QoS 3 does not exist.
#[test]
pub(crate) fn will_qos_3_closes() {
    let broker = Broker::start(1);
    let mut will = publish("will", "x");
    will.qos = 3;
    assert_closed_in_silence(&broker, &connect("flag").will(&will).bytes());
    will.retain = true;
    assert_closed_in_silence(&broker, &connect("flag").will(&will).bytes());
}

/// Will QoS 0, 1 and 2 are accepted.
#[test]
pub(crate) fn will_qos_0_to_2_is_accepted() {
    let broker = Broker::start(1);
    for qos in 0..=2 {
        let mut will = publish("will", "x");
        will.qos = qos;
        Client::connect_with(&broker, &connect("will").will(&will)).leave();
    }
}

/// The payload has exactly the fields its flags announce.
#[test]
pub(crate) fn flags_announce_the_fields() {
    let broker = Broker::start(1);
    let extra = |packet: Connect| {
        let mut longer = packet;
        longer.payload.extend(string("x"));
        longer
    };
    let will = publish("will", "x");
    let named = connect("fields").username("user");
    let wrong = [
        ("a will, and no field", connect("fields").raw_flags(0x04)),
        ("a will, and one field", extra(connect("fields").raw_flags(0x04))),
        ("no will, and a field", extra(connect("fields"))),
        ("no will, and two fields", extra(extra(connect("fields")))),
        ("a will, and three fields", extra(connect("fields").will(&will))),
        ("a user name, and no field", connect("fields").raw_flags(0x80)),
        ("no user name after a will", connect("fields").will(&will).raw_flags(0x80)),
        ("a user name, and two fields", extra(named.clone())),
        ("a password, and no field", named.clone().raw_flags(0x40)),
        ("a password, and two fields", extra(named.password("secret"))),
    ];
    for (name, packet) in wrong {
        println!("{name}");
        assert_closed_in_silence(&broker, &packet.bytes());
    }
    let right = [
        ("nothing", connect("fields")),
        ("a will", connect("fields").will(&will)),
        ("a user name", connect("fields").username("user")),
        ("an empty user name", connect("fields").username("")),
        ("both", connect("fields").username("user").password("secret")),
        ("an empty password", connect("fields").username("user").password("")),
        ("a password that is no text", connect("fields").username("user").password([0, 0xff])),
        ("everything", connect("fields").will(&will).username("user").password("secret")),
    ];
    for (name, packet) in right {
        println!("{name}");
        Client::connect_with(&broker, &packet).leave();
    }
}

/// A password needs a user name.
#[test]
pub(crate) fn password_without_user_name_closes() {
    let broker = Broker::start(1);
    assert_closed_in_silence(&broker, &connect("secret").password("secret").bytes());
}

/// Silence for 1.5 times the keep alive closes the connection. It does not close before the keep
/// alive is over.
#[test]
pub(crate) fn keep_alive_expires() {
    on_shards(&[1, 2], |broker| {
        // The clock starts with the last packet the broker had from the client.
        let mut client = Client::connect_with(broker, &connect("silent").keep_alive(1));
        let last_sent = Instant::now();
        client.send(PINGREQ);
        client.expect(&frame(0xd0, &[]));
        client.expect_closed();
        let silence = last_sent.elapsed();
        assert!(silence.as_secs_f64() >= 1.0, "closed after {silence:?} of silence");
    });
}

/// Keep alive 0 means no time-out: such a client outlives one that expires.
#[test]
pub(crate) fn keep_alive_zero_does_not_expire() {
    let broker = Broker::start(1);
    let mut patient = Client::connect_with(&broker, &connect("patient").keep_alive(0));
    let mut silent = Client::connect_with(&broker, &connect("silent").keep_alive(1));
    silent.expect_closed();
    patient.expect_silence();
}

/// Any packet resets the keep alive, not PINGREQ alone.
#[test]
pub(crate) fn any_packet_keeps_alive() {
    let broker = Broker::start(1);
    let mut talker = Client::connect_with(&broker, &connect("talker").keep_alive(2));
    // Twice the keep alive and more, and never more than a part of it without a packet, also where
    // this test has to wait for a CPU.
    for _ in 0..10 {
        talker.hear_nothing_for(Duration::from_millis(500));
        talker.publish(&publish("talk", "x").qos1(1));
    }
}

/// The fields stand in their order: a CONNECT with all of them is understood as meant.
#[test]
pub(crate) fn fields_are_read_in_order() {
    let broker = Broker::start(1);
    let mut witness = Client::connect(&broker, "witness");
    witness.subscribe("#", 0);
    let all = connect("order").will(&publish("will/topic", "will message"));
    let client = Client::connect_with(&broker, &all.username("user").password("secret"));
    drop(client);
    witness.expect_publish(&publish("will/topic", "will message"));
}

/// A CONNECT without a client id field is malformed.
#[test]
pub(crate) fn client_id_must_be_there() {
    let broker = Broker::start(1);
    let mut packet = connect("");
    packet.payload.clear();
    assert_closed_in_silence(&broker, &packet.bytes());
    packet.payload = vec![0];
    assert_closed_in_silence(&broker, &packet.bytes());
    packet.payload = vec![0, 5, b'a'];
    assert_closed_in_silence(&broker, &packet.bytes());
}

/// Ids of 1 to 23 letters and digits are accepted, and longer and stranger ones are, too.
#[test]
pub(crate) fn client_ids_are_accepted() {
    let broker = Broker::start(1);
    let allowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for start in 0..allowed.len() {
        Client::connect(&broker, &allowed[start..=start]).leave();
    }
    for length in 1..=23 {
        Client::connect(&broker, &allowed[..length]).leave();
        Client::connect(&broker, &allowed[allowed.len() - length..]).leave();
    }
    for length in [24, 255, 256, 1_000] {
        Client::connect(&broker, &"x".repeat(length)).leave();
    }
    for strange in ["a b", "a/b", "#", "+", "$SYS", "\u{1f980}", "a\u{feff}", "\"'\\"] {
        Client::connect(&broker, strange).leave();
    }
}

/// A client without an id gets a unique one.
#[test]
pub(crate) fn empty_client_id_gets_a_unique_one() {
    on_shards(&[1, 2, 4], |broker| {
        let mut clients: Vec<_> = (0..20).map(|_| Client::connect(broker, "")).collect();
        // Had two the same, one of them were taken over.
        for (number, client) in clients.iter_mut().enumerate() {
            client.subscribe("unique/+", 0);
            let message = publish(format!("unique/{number}"), "x");
            client.publish(&message);
            client.expect_publish(&message);
            client.unsubscribe("unique/+");
        }
    });
}

/// An empty id with clean session 0 is refused with CONNACK 2.
#[test]
pub(crate) fn empty_client_id_needs_a_clean_session() {
    let broker = Broker::start(1);
    assert_refused(&broker, &connect("").persistent(), 2);
    let will = publish("will", "x");
    assert_refused(&broker, &connect("").persistent().will(&will).username("user"), 2);
}

/// A malformed CONNECT gets no CONNACK.
#[test]
pub(crate) fn malformed_connect_closes_in_silence() {
    let broker = Broker::start(1);
    let whole = connect("malformed").will(&publish("will", "x")).username("u").password("p");
    let body = &whole.bytes()[2..];
    for length in 0..body.len() {
        println!("cut to {length} bytes");
        // The name alone may be short enough to be another protocol's; closed all the same.
        assert_closed_in_silence(&broker, &frame(0x10, &body[..length]));
    }
    let longer = [body, &[0]].concat();
    assert_closed_in_silence(&broker, &frame(0x10, &longer));
}

/// A will topic is a topic name: not empty, no wildcards.
#[test]
pub(crate) fn will_topic_must_be_a_topic_name() {
    let broker = Broker::start(1);
    for topic in ["", "#", "+", "a/#", "a/+/b", "a+", "a#"] {
        println!("{topic:?}");
        assert_closed_in_silence(&broker, &connect("will").will(&publish(topic, "x")).bytes());
    }
}

/// The second client of one id takes the place of the first, which is closed.
#[test]
pub(crate) fn takeover_closes_the_old_connection() {
    on_shards(&[1, 2, 4], |broker| {
        for id in ["a", "b", "c", "d"] {
            let mut old = Client::connect(broker, id);
            let mut new = Client::connect(broker, id);
            old.expect_closed();
            new.expect_silence();
            // A third time, after the first one's end was cleaned up.
            let mut newest = Client::connect(broker, id);
            new.expect_closed();
            newest.subscribe("takeover", 0);
            newest.publish(&publish("takeover", id));
            newest.expect_publish(&publish("takeover", id));
        }
    });
}

/// Ids that differ in case, or in a byte, are different clients.
#[test]
pub(crate) fn client_ids_differ_by_bytes() {
    on_shards(&[1, 2], |broker| {
        let ids = ["id", "Id", "ID", "id ", " id", "id\u{feff}", "i\u{301}d", "\u{ed}d"];
        let mut clients: Vec<_> = ids.iter().map(|id| Client::connect(broker, id)).collect();
        for client in &mut clients {
            client.expect_silence();
        }
    });
}

/// A well-formed CONNECT is accepted, with CONNACK 0.
#[test]
pub(crate) fn accepted_with_connack_zero() {
    on_shards(&[1, 2, 4], |broker| {
        for id in ["a", "b", "c", "d"] {
            let mut client = Client::open(broker);
            client.send(&connect(id).bytes());
            client.expect(&[0x20, 0x02, 0x00, 0x00]);
            // A client need not wait for it.
            let mut hasty = Client::open(broker);
            hasty.send(&[&connect("hasty").bytes()[..], PINGREQ].concat());
            hasty.expect(&[0x20, 0x02, 0x00, 0x00]);
            hasty.expect(&[0xd0, 0x00]);
        }
    });
}

/// Packets that a refused client sent after its CONNECT have no effect.
#[test]
pub(crate) fn refused_client_is_not_heard() {
    let broker = Broker::start(1);
    let message = publish("refused", "not to be kept").retained();
    let refused = [connect("refused").protocol("MQTT", 3), connect("").persistent()];
    for (packet, code) in refused.into_iter().zip([1, 2]) {
        let mut client = Client::open(&broker);
        client.send(&[packet.bytes(), message.bytes()].concat());
        client.expect(&connack(false, code));
        client.expect_closed();
    }
    let mut witness = Client::connect(&broker, "witness");
    witness.subscribe("refused", 0);
    witness.expect_silence();
}

/// CONNACK is first, also before the messages that waited.
#[test]
pub(crate) fn connack_is_the_first_packet() {
    on_shards(&[1, 2, 4], |broker| {
        let mut client = resume_as(broker, "waited-for", false);
        client.subscribe("first", 1);
        client.leave();
        let mut publisher = Client::connect(broker, "publisher");
        publisher.publish(&publish("first", "x").qos1(1));
        let mut client = resume_as(broker, "waited-for", true);
        client.expect_publish(&publish("first", "x").qos1(0));
    });
}

/// A refusal says that there is no session, although there is one.
#[test]
pub(crate) fn refusal_has_no_session_present() {
    let broker = Broker::start(1);
    resume_as(&broker, "kept", false).leave();
    assert_refused(&broker, &connect("kept").persistent().protocol("MQTT", 3), 1);
    resume_as(&broker, "kept", true).leave();
}
