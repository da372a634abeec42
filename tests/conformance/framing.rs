//! Chapters 1 and 2: strings, flags, packet identifiers; and packets that have nothing else.

use crate::common::{
    Broker, Client, Connect, DISCONNECT, PINGREQ, PINGRESP, connack, connect, frame, on_shards,
    puback, pubcomp, publish, pubrec, string, suback, subscribe, unsuback, unsubscribe,
};

/// A packet with this string somewhere, and where.
fn packets_with(text: &[u8]) -> [(&'static str, Vec<u8>); 6] {
    let will = publish(text, "gone");
    let subscription = [&[0, 1][..], &string(text), &[0]].concat();
    [
        ("client id", connect(text).bytes()),
        ("will topic", connect("strings").will(&will).bytes()),
        ("user name", connect("strings").username(text).bytes()),
        ("topic name", publish(text, "payload").bytes()),
        ("filter to subscribe", frame(0x82, &subscription)),
        ("filter to unsubscribe", frame(0xa2, &[&[0, 1][..], &string(text)].concat())),
    ]
}

fn assert_closed_by(broker: &Broker, place: &str, text: &[u8], packet: &[u8]) {
    println!("{place}: {text:02x?}");
    let mut client = match packet[0] {
        0x10 => Client::open(broker),
        _ => Client::connect(broker, "strings"),
    };
    client.send(packet);
    client.expect_closed();
}

/// A string that is not UTF-8 closes the connection, in any field.
#[test]
pub(crate) fn ill_formed_utf8_closes() {
    let ill_formed: [&[u8]; 8] = [
        b"a\x80",            // a continuation alone
        b"\xc3",             // a lead alone
        b"\xc0\xaf",         // two bytes for what one can say
        b"\xe0\x80\xaf",     // three bytes for the same
        b"\xed\xa0\x80",     // U+D800
        b"\xed\xbf\xbf/a",   // U+DFFF
        b"\xf4\x90\x80\x80", // above U+10FFFF
        b"\xfe",
    ];
    let broker = Broker::start(1);
    for text in ill_formed {
        for (place, packet) in packets_with(text) {
            assert_closed_by(&broker, place, text, &packet);
        }
    }
}

/// U+0000 in a string closes the connection, whichever field it stands in.
#[test]
pub(crate) fn nul_in_a_string_closes() {
    let broker = Broker::start(1);
    for text in [&b"\0"[..], b"a\0b", b"a/\0"] {
        for (place, packet) in packets_with(text) {
            assert_closed_by(&broker, place, text, &packet);
        }
    }
}

/// Well-formed strings at the edges of UTF-8's ranges are accepted in each field.
#[test]
pub(crate) fn well_formed_utf8_is_accepted() {
    let broker = Broker::start(1);
    for text in [
        "\u{80}",
        "\u{7ff}",
        "\u{800}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{ffef}",
        "\u{10000}",
        "\u{10fffd}",
    ] {
        println!("{text:?}");
        let mut client = Client::open(&broker);
        client.send(&connect(text).will(&publish(text, "gone")).username(text).bytes());
        client.expect(&connack(false, 0));
        client.subscribe(text, 0);
        client.publish(&publish(text, "payload"));
        client.expect_publish(&publish(text, "payload"));
        client.unsubscribe(text);
        client.leave();
    }
}

/// U+FEFF is a character like others: neither stripped nor skipped.
#[test]
pub(crate) fn byte_order_mark_is_kept() {
    let broker = Broker::start(1);
    let mut client = Client::connect(&broker, "bom");
    client.subscribe("\u{feff}bom", 0);
    client.publish(&publish("bom", "another topic"));
    client.publish(&publish("\u{feff}bom", "this one"));
    client.expect_publish(&publish("\u{feff}bom", "this one"));
    client.unsubscribe("bom");
    client.publish(&publish("\u{feff}bom", "still subscribed"));
    client.expect_publish(&publish("\u{feff}bom", "still subscribed"));
}

/// A packet whose first byte has other flags than table 2.2 gives it closes the connection.
#[test]
pub(crate) fn wrong_flags_close() {
    let broker = Broker::start(1);
    for flags in 1..16 {
        println!("CONNECT with flags {flags:04b}");
        let mut packet = connect("flags").bytes();
        packet[0] |= flags;
        let mut client = Client::open(&broker);
        client.send(&packet);
        client.expect_closed();
    }
    let with_right_flags: [(&str, Vec<u8>); 7] = [
        ("PUBACK", puback(1)),
        ("PUBREC", pubrec(1)),
        ("PUBCOMP", pubcomp(1)),
        ("SUBSCRIBE", subscribe(1, &[("a", 0)])),
        ("UNSUBSCRIBE", unsubscribe(1, &["a"])),
        ("PINGREQ", PINGREQ.to_vec()),
        ("DISCONNECT", DISCONNECT.to_vec()),
    ];
    for (name, right) in with_right_flags {
        for flags in (0..16).filter(|flags| right[0] & 15 != *flags) {
            println!("{name} with flags {flags:04b}");
            let mut client = Client::connect(&broker, "flags");
            let mut packet = right.clone();
            packet[0] = packet[0] & 0xf0 | flags;
            client.send(&packet);
            client.expect_closed();
        }
    }
}

/// PUBREL with other flags than 0010 closes the connection.
#[test]
pub(crate) fn wrong_pubrel_flags_close() {
    let broker = Broker::start(1);
    for flags in (0..16).filter(|flags| *flags != 2) {
        println!("PUBREL with flags {flags:04b}");
        let mut client = Client::connect(&broker, "flags");
        client.send(&frame(0x60 | flags, &[0, 1]));
        client.expect_closed();
    }
}

/// DISCONNECT with flags other than 0000 closes the connection as a violation: the will is
/// published.
#[test]
pub(crate) fn wrong_disconnect_flags_are_a_violation() {
    let broker = Broker::start(1);
    let mut witness = Client::connect(&broker, "witness");
    witness.subscribe("will", 0);
    for flags in 1..16 {
        println!("DISCONNECT with flags {flags:04b}");
        let packet = connect("flags").will(&publish("will", "violated"));
        let mut client = Client::connect_with(&broker, &packet);
        client.send(&[0xe0 | flags, 0]);
        client.expect_closed();
        witness.expect_publish(&publish("will", "violated"));
    }
}

/// A packet with an identifier must not have 0.
#[test]
pub(crate) fn packet_id_zero_closes() {
    let broker = Broker::start(1);
    let packets = [
        ("SUBSCRIBE", subscribe(0, &[("a", 0)])),
        ("UNSUBSCRIBE", unsubscribe(0, &["a"])),
        ("PUBLISH of QoS 1", publish("a", "x").qos1(0).bytes()),
        ("PUBLISH of QoS 2", publish("a", "x").qos2(0).bytes()),
    ];
    for (name, packet) in packets {
        println!("{name}");
        let mut client = Client::connect(&broker, "zero");
        client.send(&packet);
        client.expect_closed();
    }
}

/// PUBACK, SUBACK and UNSUBACK carry the identifier they answer, from 1 to 65,535.
#[test]
pub(crate) fn answers_carry_the_identifier() {
    let broker = Broker::start(1);
    let mut client = Client::connect(&broker, "answers");
    for id in [1, 2, 0xff, 0x100, 0x7fff, 0xfffe, 0xffff] {
        client.send(&subscribe(id, &[("answers", 0)]));
        client.expect(&suback(id, &[0]));
        client.send(&unsubscribe(id, &["answers"]));
        client.expect(&unsuback(id));
        client.send(&publish("other", "x").qos1(id).bytes());
        client.expect(&puback(id));
    }
}

/// PINGREQ is answered by PINGRESP, each by one, also in a row.
#[test]
pub(crate) fn pingreq_is_answered() {
    on_shards(&[1, 2], |broker| {
        let mut client = Client::connect(broker, "ping");
        client.send(&PINGREQ.repeat(3));
        client.expect(PINGRESP);
        client.expect(PINGRESP);
        client.expect(PINGRESP);
    });
}

/// A violation closes the connection it happened on, and no other.
#[test]
pub(crate) fn violation_closes_one_connection() {
    let broker = Broker::start(1);
    let mut other = Client::connect(&broker, "other");
    let violations: [(&str, Vec<u8>); 6] = [
        ("reserved packet type 0", vec![0x00, 0]),
        ("reserved packet type 15", vec![0xf0, 0]),
        ("CONNACK from a client", connack(false, 0)),
        ("SUBACK from a client", suback(1, &[0])),
        ("UNSUBACK from a client", unsuback(1)),
        ("PINGRESP from a client", PINGRESP.to_vec()),
    ];
    for (name, packet) in violations {
        println!("{name}");
        let mut client = Client::connect(&broker, "violator");
        client.send(&packet);
        client.expect_closed();
        other.expect_silence();
    }
}

/// A client needs TCP and the packets of the standard, nothing else.
#[test]
pub(crate) fn plain_tcp_suffices() {
    on_shards(&[1, 2, 4], |broker| {
        let plain: Connect = connect("plain");
        let mut client = Client::connect_with(broker, &plain);
        client.subscribe("plain", 1);
        client.publish(&publish("plain", "x"));
        client.expect_publish(&publish("plain", "x"));
        client.leave();
    });
}
