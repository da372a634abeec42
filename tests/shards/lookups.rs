//! Asks about single objects: their steps are bounded, pages have everything once, and a deletion
//! is answered when the log has it.

use ringmq::broker::inspect::{
    Ask, Clearing, ClosedListing, Peek, Purge, Question, Reply, RetainedListing, RetainedMessage,
    Step, SubscriptionListing, SubscriptionPlace, Wanted,
};
use ringmq::broker::{ClientAddress, ConnId, Context, SessionName};
use ringmq::limits::{
    ASK_BYTES_MAX, ASK_SLOTS_MAX, CLOSED_MAX, PEEK_PAYLOAD_BYTES_MAX, PURGE_MESSAGES_MAX,
};

use super::net::{Net, connect, subscribe};

fn conn(slot: u32) -> ConnId {
    ConnId { slot, generation: 0 }
}

fn local() -> ClientAddress {
    ClientAddress { local: true, ..ClientAddress::default() }
}

/// A packet of any length.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let (mut packet, mut left) = (vec![first], body.len());
    loop {
        let digit = u8::try_from(left % 128).expect("below 128");
        left /= 128;
        packet.push(if left > 0 { digit | 128 } else { digit });
        if left == 0 {
            packet.extend(body);
            return packet;
        }
    }
}

fn text(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).expect("short");
    [&len.to_be_bytes(), text.as_bytes()].concat()
}

/// PUBLISH of a retained message at QoS 0, or of another one at QoS 1.
fn message(topic: &str, payload: &[u8], id: Option<u16>) -> Vec<u8> {
    let id_bytes = id.map(u16::to_be_bytes);
    let id_bytes = id_bytes.as_ref().map_or(&[][..], |bytes| &bytes[..]);
    let body = [&text(topic), id_bytes, payload].concat();
    packet(if id.is_some() { 0x32 } else { 0x31 }, &body)
}

fn step(net: &mut Net, ask: &mut Ask) -> Step {
    let node = &mut net.0[0];
    let mut context = Context { now_ms: 0, peers: &mut node.out };
    node.shard.answer(ask, &mut context)
}

fn asked(question: Question) -> Ask {
    Ask { id: 0, question, reply: Reply::None }
}

/// Answers a question; each step adds rows within its bound of bytes.
fn answer(net: &mut Net, question: Question) -> (Reply, u32) {
    let mut ask = asked(question);
    for steps in 1..10_000 {
        match step(net, &mut ask) {
            Step::Done => return (ask.reply, steps),
            Step::More => {}
            Step::Wait => panic!("it waits for nothing"),
        }
    }
    panic!("it does not end");
}

fn name(client_id: &str) -> SessionName {
    SessionName { vhost: 0, client_id: client_id.to_owned() }
}

/// One client with many filters: pages that end among them have each one once, in order, and a step
/// visits at most its bound of them.
#[test]
fn filters_of_one_session_are_paged() {
    let mut net = Net::new(1);
    net.client(0, conn(0), b'c');
    let count = 2 * ASK_SLOTS_MAX + 77;
    for n in 0..count {
        let body = [&[0, 1][..], &text(&format!("f/{n:06}")), &[0]].concat();
        net.hand(0, conn(0), &packet(0x82, &body));
        net.0[0].end_turn();
        net.output(0, conn(0));
    }
    for limit in [100, 999] {
        let (mut from, mut found) = (Some(SubscriptionPlace::default()), Vec::new());
        while let Some(place) = from {
            let listing = SubscriptionListing { from: place, limit, ..Default::default() };
            let (reply, steps) = answer(&mut net, Question::Subscriptions(Box::new(listing)));
            let Reply::Subscriptions(sheet) = reply else { panic!("{reply:?}") };
            assert!(sheet.rows.len() <= limit);
            // Earlier rows are skipped in steps as well.
            assert!(steps > place.filters / ASK_SLOTS_MAX, "{steps} steps to {place:?}");
            found.extend(sheet.rows.iter().map(|row| sheet.text(row.filter).to_owned()));
            from = sheet.next;
        }
        let all: Vec<String> = (0..count).map(|n| format!("f/{n:06}")).collect();
        assert_eq!(found, all, "pages of {limit}");
    }
    for (wanted, rows) in [
        (Wanted::Filter("f/000007".into()), 1),
        (Wanted::Filter("f/+".into()), 0),
        (Wanted::Topic("f/000007".into()), 1),
        (Wanted::Topic("f".into()), 0),
    ] {
        let listing = SubscriptionListing { limit: 9, wanted, ..Default::default() };
        let (reply, steps) = answer(&mut net, Question::Subscriptions(Box::new(listing)));
        assert!(matches!(&reply, Reply::Subscriptions(sheet) if sheet.rows.len() == rows));
        assert!(steps > 2, "{steps}");
    }
}

/// Retained messages are listed once each, returned whole, and cleared in steps. The answer follows
/// the commit of the log, and a dry run clears none.
#[test]
fn retained_messages_are_cleared_durably() {
    let mut net = Net::new(1);
    net.client(0, conn(0), b'c');
    let count = ASK_SLOTS_MAX + 500;
    for n in 0..count {
        net.hand(0, conn(0), &message(&format!("r/{n:06}"), b"x", None));
    }
    let large = vec![7; 3 * ASK_BYTES_MAX + 5];
    net.give(0, conn(0), &message("large", &large, None));
    net.keep(0);
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let listing =
            RetainedListing { limit: 700, prefix: "r/".into(), after, ..Default::default() };
        let (reply, _) = answer(&mut net, Question::Retained(Box::new(listing)));
        let Reply::Retained(sheet) = reply else { panic!("{reply:?}") };
        found.extend(sheet.rows.iter().map(|row| sheet.text(row.topic).to_owned()));
        after = sheet.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, (0..count).map(|n| format!("r/{n:06}")).collect::<Vec<_>>());
    let wanted = RetainedMessage { topic: "large".into(), ..Default::default() };
    let (reply, steps) = answer(&mut net, Question::RetainedMessage(Box::new(wanted)));
    assert!(matches!(&reply, Reply::Message(Some(found)) if found.payload == large));
    assert_eq!(steps, 4);
    let clearing = |is_dry| {
        Question::Clear(Box::new(Clearing { filter: "r/#".into(), is_dry, ..Default::default() }))
    };
    let (reply, _) = answer(&mut net, clearing(true));
    let Reply::Cleared(dry) = reply else { panic!("{reply:?}") };
    assert_eq!((dry.messages, &dry.after), (count.into(), &None));
    let mut ask = asked(clearing(false));
    let steps = (1..99).find(|_| step(&mut net, &mut ask) == Step::Wait);
    assert!(steps.is_some_and(|steps| steps > 2), "{steps:?}");
    assert!(!may_answer(&mut net, &ask), "nothing is written yet");
    assert!(matches!(ask.reply, Reply::None));
    (0..3).for_each(|_| net.keep(0));
    assert!(may_answer(&mut net, &ask));
    assert_eq!(step(&mut net, &mut ask), Step::Done);
    assert!(matches!(&ask.reply, Reply::Cleared(cleared) if *cleared == dry));
    let listing = RetainedListing { limit: 9, ..Default::default() };
    let (reply, _) = answer(&mut net, Question::Retained(Box::new(listing)));
    assert!(matches!(&reply, Reply::Retained(left) if left.rows.len() == 1), "{reply:?}");
}

/// A session's backlog is shown without a change, and purged in steps. The answer follows the log,
/// and after a crash no purged message is back.
#[test]
fn sessions_are_purged_durably() {
    let mut net = Net::new(1);
    net.resident(0, conn(0), b'c');
    let mut packet = subscribe(b't');
    *packet.last_mut().expect("it has a QoS") = 1;
    net.give(0, conn(0), &packet);
    net.give(0, conn(0), &[0xe0, 0]);
    net.client(0, conn(1), b'p');
    let count = PURGE_MESSAGES_MAX + 200;
    for n in 1..=count {
        let id = u16::try_from(n).expect("few");
        net.give(0, conn(1), &message("t", &[b'x'; PEEK_PAYLOAD_BYTES_MAX + 1], Some(id)));
        net.keep(0);
        net.output(0, conn(1));
    }
    for _ in 0..2 {
        let (reply, steps) = answer(&mut net, Question::Peek(Peek::new(name("c"), 30)));
        let Reply::Waiting(sheet) = reply else { panic!("{reply:?}") };
        assert_eq!(sheet.rows.len(), 30);
        assert!(steps >= 3, "{steps} steps for {} bytes", 30 * PEEK_PAYLOAD_BYTES_MAX);
        let row = sheet.rows[0];
        assert_eq!(sheet.bytes_of(row.payload).len(), PEEK_PAYLOAD_BYTES_MAX);
        assert_eq!(row.payload_bytes, PEEK_PAYLOAD_BYTES_MAX as u64 + 1);
    }
    let mut ask = asked(Question::Purge(Purge::new(name("c"))));
    let steps = (1..9).find(|_| {
        let waits = step(&mut net, &mut ask) == Step::Wait;
        // The end of the turn appends the purge; nothing is written yet.
        net.turn_without_disk(0);
        waits
    });
    assert_eq!(steps, Some(3));
    assert!(!may_answer(&mut net, &ask));
    (0..3).for_each(|_| net.keep(0));
    assert!(may_answer(&mut net, &ask));
    assert_eq!(step(&mut net, &mut ask), Step::Done);
    let Reply::Purged(Some(purged)) = ask.reply else { panic!("{:?}", ask.reply) };
    assert_eq!(purged, count);
    let mut net = net.crash();
    let (reply, _) = answer(&mut net, Question::Peek(Peek::new(name("c"), 30)));
    assert!(matches!(&reply, Reply::Waiting(sheet) if sheet.rows.is_empty()), "{reply:?}");
    let (reply, _) = answer(&mut net, Question::Purge(Purge::new(name("nobody"))));
    assert!(matches!(reply, Reply::Purged(None)), "{reply:?}");
}

/// A bounded number of closed connections is known, newest first, for any page size.
#[test]
fn closed_connections_are_bounded() {
    let mut net = Net::new(1);
    let count = u32::try_from(CLOSED_MAX).expect("few") + 50;
    for slot in 0..count {
        net.0[0].shard.open(conn(slot), local(), 0);
        net.hand(0, conn(slot), &connect(true, b'a' + u8::try_from(slot % 26).expect("small")));
        net.hand(0, conn(slot), &[0xe0, 0]);
        net.0[0].shard.remove(conn(slot));
    }
    net.0[0].end_turn();
    for limit in [7, 1000] {
        let (mut before, mut numbers) = (None, Vec::new());
        loop {
            let listing = ClosedListing { before, limit, ..Default::default() };
            let (reply, _) = answer(&mut net, Question::Closed(Box::new(listing)));
            let Reply::Closed(sheet) = reply else { panic!("{reply:?}") };
            assert!(sheet.rows.len() <= limit);
            numbers.extend(sheet.rows.iter().map(|row| row.place.number));
            before = sheet.rows.last().map(|row| row.place);
            if sheet.next.is_none() {
                break;
            }
        }
        assert_eq!(numbers, (50..u64::from(count)).rev().collect::<Vec<_>>(), "{limit}");
    }
    let reason = Some("client".into());
    let listing = ClosedListing { limit: 9, id: Some("b".into()), reason, ..Default::default() };
    let (reply, _) = answer(&mut net, Question::Closed(Box::new(listing)));
    let Reply::Closed(sheet) = reply else { panic!("{reply:?}") };
    assert!(sheet.rows.len() == 9 && sheet.rows.iter().all(|row| sheet.text(row.id) == "b"));
}

/// Whether the first shard has an answer now.
fn may_answer(net: &mut Net, ask: &Ask) -> bool {
    let node = &mut net.0[0];
    node.shard.may_answer(ask, &node.out)
}
