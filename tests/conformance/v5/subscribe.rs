//! SUBSCRIBE, UNSUBSCRIBE and their options (v5 3.8 to 3.11), retained messages for them.

use super::{ENDS, IDS, reconnect};
use crate::common::v5::{Packet, Props, Publish, connect, id, option, props, publish};
use crate::common::v5::{suback, subscribe, unsuback, unsubscribe};
use crate::common::{BROKER_ENDS, Broker, Client, on_shards};

fn numbered(number: u32) -> Props {
    props().varint(id::SUBSCRIPTION_ID, number)
}

/// The code of one subscription.
fn code_of(client: &mut Client, filter: &str, options: u8) -> u8 {
    client.send(&subscribe(3, &props(), &[(filter, options)]));
    client.expect_answer(0x90).codes[0]
}

/// A SUBACK has its packet's identifier and a code for each filter, in order: a refused one does
/// not harm the others, the same one twice has two.
#[test]
pub(crate) fn filters_are_answered_in_order() {
    on_shards(&[1, 2, 4], |broker| {
        for name in IDS {
            let mut client = Client::connect_v5(broker, name);
            let deep = "a/".repeat(2000);
            let entries = [("a", 0), (&deep[..], 1), ("b", 2), ("$share/g", 1), ("a", 1), ("#", 0)];
            client.send(&subscribe(0x1234, &props().user("a", "b"), &entries));
            client.expect(&suback(0x1234, &[0, 0x8f, 2, 0x8f, 1, 0]));
            client.send(&unsubscribe(0x4321, &props().user("a", "b"), &["a", "x", "b", "a"]));
            client.expect(&unsuback(0x4321, &[0, 0x11, 0, 0x11]));
            // Nothing was removed, and it is answered all the same.
            client.send(&unsubscribe(0xffff, &props(), &["a"]));
            client.expect(&unsuback(0xffff, &[0x11]));
            assert_eq!(client.unsubscribe_v5("#"), 0);
            client.leave_v5();
        }
    });
}

/// Filters of the usual rules are granted at the QoS they ask for; deliveries have the lower one.
#[test]
pub(crate) fn delivery_qos_is_the_minimum() {
    on_shards(&[1, 2], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            let mut client = Client::connect_v5(broker, name);
            for granted in 0..3 {
                client.subscribe_v5(name, granted);
                for published in 0..3 {
                    let message = publish(name, "x").at(published);
                    publisher.publish_v5(&Publish { id: u16::from(published), ..message.clone() });
                    client.expect_publish_v5(&message.at(published.min(granted)));
                }
            }
            client.leave_v5();
        }
    });
}

/// An unsubscribed filter matches no new message; filters are compared byte by byte; deliveries in
/// progress are completed.
#[test]
pub(crate) fn unsubscribe_ends_one_filter() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            let mut client = Client::connect_v5(broker, name);
            for filter in [name, "+", "#", "x/#"] {
                client.subscribe_v5(filter, 2);
            }
            for other in [&format!("{name}/")[..], "++x", &name.to_uppercase(), "x/+", "x"] {
                if !other.contains("++") {
                    assert_eq!(client.unsubscribe_v5(other), 0x11);
                }
            }
            publisher.publish_v5(&publish(name, "begun").qos2(1));
            let begun = client.expect_unacked_v5(&publish(name, "begun").at(2));
            for filter in ["#", "+"] {
                assert_eq!(client.unsubscribe_v5(filter), 0);
                publisher.publish_v5(&publish(name, "x"));
                client.expect_publish_v5(&publish(name, "x"));
            }
            assert_eq!(client.unsubscribe_v5(name), 0);
            publisher.publish_v5(&publish(name, "x").qos1(1));
            client.expect_silence_v5();
            client.acknowledge(2, begun);
            client.leave_v5();
        }
    });
}

/// No Local keeps a client's messages from its own session: by each way a message takes, and only
/// by the subscription that has it.
#[test]
pub(crate) fn no_local_keeps_own_messages_out() {
    on_shards(&[1, 2, 4], |broker| {
        let mut other = Client::connect_v5(broker, "other");
        for name in IDS {
            let packet = connect(name).durable(100);
            let mut client = Client::resume_v5(broker, &packet, false);
            client.subscribe_v5(name, 2 | option::NO_LOCAL);
            for end in ENDS {
                for qos in 0..3 {
                    let message = Publish { id: 1, ..publish(name, "own").at(qos) };
                    client.publish_v5(&message);
                    other.publish_v5(&Publish { payload: b"other's".to_vec(), ..message });
                    client.expect_publish_v5(&publish(name, "other's").at(qos));
                }
                client.expect_silence_v5();
                client = reconnect(broker, &packet, client, end);
                client.expect_silence_v5();
            }
            // A second subscription without it brings them.
            client.subscribe_v5_with(&format!("{name}/#"), 1, &numbered(3));
            client.send(&publish(name, "own").bytes());
            let expected = publish(name, "own").with(|props| props.varint(id::SUBSCRIPTION_ID, 3));
            client.expect_publish_v5(&expected);
            assert_eq!(client.unsubscribe_v5(&format!("{name}/#")), 0);
            // The same filter again replaces the option.
            client.subscribe_v5(name, 1);
            client.send(&publish(name, "own").bytes());
            client.expect_publish_v5(&publish(name, "own"));
            Client::connect_v5(broker, name).leave_v5();
        }
    });
}

/// RETAIN of live copies is that of the publication where Retain As Published asks for it, else 0;
/// that of a replay is 1.
#[test]
pub(crate) fn retain_as_published() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            let packet = connect(name).durable(100);
            let mut client = Client::resume_v5(broker, &packet, false);
            for as_published in [true, false] {
                let rap = if as_published { option::RETAIN_AS_PUBLISHED } else { 0 };
                client.subscribe_v5(name, 1 | rap | option::RETAIN_NEVER);
                for payload in ["x", ""] {
                    for retain in [true, false] {
                        let sent = Publish { retain, ..publish(name, payload).qos1(1) };
                        publisher.publish_v5(&sent);
                        let copy = Publish { retain: retain && as_published, ..sent };
                        client.expect_publish_v5(&copy);
                        // Queued, too.
                        client.leave_v5();
                        publisher.publish_v5(&Publish { retain, ..publish(name, payload).qos1(1) });
                        client = Client::resume_v5(broker, &packet, true);
                        client.expect_publish_v5(&copy);
                    }
                }
                publisher.publish_v5(&publish(name, "kept").qos1(1).retained());
                let came = client.read_publish_v5();
                client.acknowledge(1, came.id);
                client.subscribe_v5(name, 1 | rap);
                client.expect_publish_v5(&publish(name, "kept").at(1).retained());
            }
            Client::connect_v5(broker, name).leave_v5();
        }
    });
}

/// Retain Handling 0 sends retained messages at each SUBSCRIBE, 1 only if the subscription is new,
/// 2 never; resuming sends none.
#[test]
pub(crate) fn retain_handling() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            publisher.publish_v5(&publish(name, "kept").qos1(1).retained());
            let kept = publish(name, "kept").at(1).retained();
            let packet = connect(name).durable(100);
            let mut client = Client::resume_v5(broker, &packet, false);
            client.subscribe_v5(name, 1 | option::RETAIN_NEVER);
            client.expect_silence_v5();
            client.subscribe_v5(name, 1 | option::RETAIN_IF_NEW);
            client.expect_silence_v5();
            client.subscribe_v5(name, 1);
            client.expect_publish_v5(&kept);
            client.subscribe_v5(name, 1);
            client.expect_publish_v5(&kept);
            client.expect_silence_v5();
            client = reconnect(broker, &packet, client, "close");
            client.subscribe_v5(name, 1 | option::RETAIN_IF_NEW);
            client.expect_silence_v5();
            assert_eq!(client.unsubscribe_v5(name), 0);
            client.subscribe_v5(name, 1 | option::RETAIN_IF_NEW);
            client.expect_publish_v5(&kept);
            assert_eq!(client.unsubscribe_v5(name), 0);
            // Twice in one packet: the second is not new.
            let if_new = 1 | option::RETAIN_IF_NEW;
            client.send(&subscribe(5, &props(), &[(name, if_new), (name, if_new)]));
            client.expect(&suback(5, &[1, 1]));
            client.expect_publish_v5(&kept);
            client.expect_silence_v5();
            Client::connect_v5(broker, name).leave_v5();
        }
    });
}

/// A SUBACK without retained messages does not delay those of later SUBSCRIBEs, nor lets them
/// precede their own.
#[test]
pub(crate) fn replays_follow_their_own_suback() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            publisher.publish_v5(&publish(name, "kept").qos1(1).retained());
            let packet = connect(name).durable(100);
            let mut client = Client::resume_v5(broker, &packet, false);
            let mut bytes = subscribe(1, &props(), &[("other", 1 | option::RETAIN_NEVER)]);
            bytes.extend(subscribe(2, &props(), &[(name, 1)]));
            client.send(&bytes);
            client.expect(&suback(1, &[1]));
            client.expect(&suback(2, &[1]));
            client.expect_publish_v5(&publish(name, "kept").at(1).retained());
            client.expect_silence_v5();
            client.leave_v5();
            Client::connect_v5(broker, name).leave_v5();
        }
    });
}

/// One copy for overlapping filters, at the highest QoS, with the identifier of each that has one.
#[test]
pub(crate) fn overlapping_filters_bring_one_copy() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            let packet = connect(name).durable(100);
            let mut client = Client::resume_v5(broker, &packet, false);
            let topic = format!("{name}/b");
            for (filter, qos, number) in [
                (format!("{name}/+"), 0, Some(1)),
                (topic.clone(), 2, Some(268_435_455)),
                (format!("{name}/#"), 1, None),
                ("+/b".to_owned(), 1, Some(1)),
                (format!("{name}/c"), 2, Some(9)),
            ] {
                client.subscribe_v5_with(&filter, qos, &number.map_or(props(), numbered));
            }
            for absent in [false, true] {
                if absent {
                    client.leave_v5();
                    publisher.publish_v5(&publish(&topic, "x").qos2(1));
                    client = Client::resume_v5(broker, &packet, true);
                } else {
                    publisher.publish_v5(&publish(&topic, "x").qos2(1));
                }
                let came = client.read_publish_v5();
                assert_eq!((came.qos, &*came.payload), (2, &b"x"[..]));
                assert_eq!(came.props.subscription_ids(), [1, 1, 268_435_455], "absent: {absent}");
                client.acknowledge(2, came.id);
                client.expect_silence_v5();
            }
            Client::connect_v5(broker, name).leave_v5();
        }
    });
}

/// The same filter again replaces QoS, options and identifier; retained messages are sent again
/// with the identifier of their subscription.
#[test]
pub(crate) fn same_filter_replaces() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            publisher.publish_v5(&publish(name, "kept").qos2(1).retained());
            let mut client = Client::connect_v5(broker, name);
            client.subscribe_v5_with("#", option::RETAIN_NEVER, &numbered(100));
            for (qos, number) in [(2, Some(1)), (0, Some(200)), (1, None)] {
                let own = number.map_or(props(), numbered);
                client.subscribe_v5_with(name, qos, &own);
                let came = client.read_publish_v5();
                client.acknowledge(came.qos, came.id);
                assert_eq!((came.qos, came.retain), (qos, true));
                let ids = came.props.subscription_ids();
                assert_eq!(ids, Vec::from_iter(number), "of the subscription that it is for");
                publisher.publish_v5(&publish(name, "live").qos2(1));
                let came = client.read_publish_v5();
                client.acknowledge(came.qos, came.id);
                let mut due = Vec::from_iter(number);
                due.push(100);
                due.sort_unstable();
                assert_eq!((came.qos, came.props.subscription_ids()), (qos, due));
            }
            client.leave_v5();
            publisher.publish_v5(&publish(name, "").retained());
        }
    });
}

/// Subscribing again amid a stream loses nothing and brings nothing twice.
#[test]
pub(crate) fn subscribing_again_loses_nothing() {
    on_shards(&[1, 2, 4], |broker| {
        let mut publisher = Client::connect_v5(broker, "publisher");
        for name in IDS {
            let mut client = Client::connect_v5(broker, name);
            client.subscribe_v5(name, 1);
            for number in 0..100_u16 {
                publisher.send(&publish(name, number.to_string()).qos1(1 + number).bytes());
                if number % 10 == 0 {
                    client.send(&subscribe(7, &numbered(u32::from(number) + 1), &[(name, 1)]));
                }
            }
            let mut next = 0_u16;
            let mut subacks = 0;
            while next < 100 || subacks < 10 {
                match client.read_v5() {
                    Packet::Publish(came) => {
                        assert_eq!(came.payload, next.to_string().into_bytes());
                        client.acknowledge(1, came.id);
                        next += 1;
                    }
                    Packet::Answer(answer) => {
                        assert_eq!(answer.first, 0x90);
                        subacks += 1;
                    }
                }
            }
            publisher.read_to_fence_v5();
            client.expect_silence_v5();
            client.leave_v5();
        }
    });
}

/// Options and identifiers outlive the broker.
#[test]
pub(crate) fn options_outlive_the_broker() {
    for end in BROKER_ENDS {
        let mut broker = Broker::start(2);
        for name in IDS {
            let mut client = Client::resume_v5(&broker, &connect(name).durable(100), false);
            let options = 1 | option::NO_LOCAL | option::RETAIN_AS_PUBLISHED;
            client.subscribe_v5_with(name, options, &numbered(77));
            client.leave_v5();
        }
        broker.restart(end);
        let mut publisher = Client::connect_v5(&broker, "publisher");
        for name in IDS {
            let mut client = Client::resume_v5(&broker, &connect(name).durable(100), true);
            client.publish_v5(&publish(name, "own").qos1(1));
            publisher.publish_v5(&publish(name, "x").qos1(1).retained());
            let expected = publish(name, "x").at(1).retained();
            client.expect_publish_v5(&expected.with(|_| numbered(77)));
            client.expect_silence_v5();
        }
    }
}

/// A shared filter without a name or a filter is refused, and with No Local it is a protocol error.
#[test]
pub(crate) fn bad_shares_are_refused() {
    let broker = Broker::start(1);
    let mut client = Client::connect_v5(&broker, "c");
    assert_eq!(code_of(&mut client, "$share/g/a", 1), 1);
    assert_eq!(code_of(&mut client, "$share/g", 1), 0x8f);
    assert_eq!(code_of(&mut client, "$share/g/$SYS/#", 1), 0x8f);
    client.expect_silence_v5();
    for filter in ["$share//f", "$share/g", "$share/g/", "$share/+/f", "$share/#/f"] {
        let mut client = Client::connect_v5(&broker, "bad");
        client.send(&subscribe(1, &props(), &[(filter, 0)]));
        // SUBACK with an error, or the end.
        let refused = client.read_packet();
        let code = *refused.last().expect("it has bytes");
        assert!(refused[0] == 0xe0 || refused[0] == 0x90 && code >= 0x80, "{refused:02x?}");
    }
    let mut client_no_local = Client::connect_v5(&broker, "no local");
    client_no_local.send(&subscribe(1, &props(), &[("$share/g/f", option::NO_LOCAL)]));
    client_no_local.expect_disconnect(0x82);
    // The name of the group is compared too; this one does not exist.
    assert_eq!(client.unsubscribe_v5("$share/h/a"), 0x11);
    assert_eq!(client.unsubscribe_v5("$share/g/a"), 0);
    assert_eq!(client.unsubscribe_v5("$share/g/a"), 0x11);
}
