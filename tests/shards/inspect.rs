//! Asks: their answers, the bounds of their steps, and that only a kick changes anything.

use ringmq::broker::inspect::{
    Ask, Backlog, Filter, Kick, Kicked, Listing, Measure, Pace, Page, Publication, Published,
    Question, Reply, Row, Sampling, SessionPattern, Shed, Step, Top, Waiting, Watch, Watched,
};
use ringmq::broker::{ClientAddress, ConnId, Context, Event, SessionName};
use ringmq::limits::{
    ASK_READS_MAX, ASK_SLOTS_MAX, ASK_STEPS_MAX, DRAIN_CLOSES_MAX, PAGE_BYTES_MAX, PAGE_ROWS_MAX,
    RATE_SAMPLE_MS_MAX, WATCHED_SESSIONS_MAX,
};

use super::net::{Net, publish, subscribe};

/// A client that is accepted without a user.
fn local() -> ClientAddress {
    ClientAddress { local: true, ..ClientAddress::default() }
}

fn conn(slot: u32) -> ConnId {
    ConnId { slot, generation: 0 }
}

/// CONNECT with clean session or without.
fn connect(clean: bool, id: &str) -> Vec<u8> {
    let mut packet = vec![0x10, 12 + u8::try_from(id.len()).expect("short"), 0, 4];
    packet.extend(b"MQTT");
    packet.extend([4, if clean { 2 } else { 0 }, 0, 60, 0, u8::try_from(id.len()).expect("short")]);
    packet.extend(id.as_bytes());
    packet
}

/// One shard with `count` clients with permanent sessions, by slot; those with odd numbers are
/// absent.
fn crowd(count: u32) -> Net {
    let mut net = Net::new(1);
    for slot in 0..count {
        net.0[0].shard.open(conn(slot), local(), 0);
        net.hand(0, conn(slot), &connect(false, &format!("c{slot:05}")));
    }
    net.0[0].end_turn();
    net.keep(0);
    for slot in (1..count).step_by(2) {
        net.hand(0, conn(slot), &[0xe0, 0]);
    }
    net.0[0].end_turn();
    net
}

/// Puts a question to a shard of a net; its answer and the steps that it took.
fn ask(net: &mut Net, at: usize, question: Question) -> (Reply, u32) {
    ask_later(net, at, question, 0)
}

/// The same at a time.
fn ask_later(net: &mut Net, at: usize, question: Question, now_ms: u64) -> (Reply, u32) {
    let mut ask = Ask { id: 0, question, reply: Reply::None };
    for steps in 1.. {
        let node = &mut net.0[at];
        let mut context = Context { now_ms, peers: &mut node.out };
        if node.shard.answer(&mut ask, &mut context) == Step::Done {
            return (ask.reply, steps);
        }
    }
    unreachable!("an answer ends")
}

fn page(net: &mut Net, question: Question) -> Page {
    match ask(net, 0, question) {
        (Reply::Page(page), _) => page,
        (other, _) => panic!("{other:?} is no page"),
    }
}

fn ids(page: &Page) -> Vec<&str> {
    page.rows.iter().map(|row| page.text(row.id)).collect()
}

fn name(client_id: &str) -> SessionName {
    SessionName { vhost: 0, client_id: client_id.to_owned() }
}

/// Successive pages have every session once, in order; a step visits at most the bound of slots.
#[test]
fn pages_have_every_session_once() {
    let count = 2_148;
    let mut net = crowd(count);
    for limit in [1, 7, 999, PAGE_ROWS_MAX, usize::MAX] {
        let (mut from, mut found) = (Some(0), Vec::new());
        while let Some(at) = from {
            let listing = Listing { from: at, limit, ..Listing::default() };
            let page = page(&mut net, Question::Listing(listing));
            assert!(page.rows.len() <= limit.min(PAGE_ROWS_MAX));
            found.extend(ids(&page).into_iter().map(str::to_owned));
            from = page.next;
            if limit == 1 && found.len() == 20 {
                break;
            }
        }
        let wanted = if limit == 1 { 20 } else { count };
        let all: Vec<String> = (0..wanted).map(|slot| format!("c{slot:05}")).collect();
        assert_eq!(found, all, "pages of {limit}");
    }
    // Without a match all slots are visited, in as many steps as needed.
    let filter = Filter { id_prefix: "x".into(), ..Filter::default() };
    let listing = Listing { limit: 10, filter, ..Listing::default() };
    let (reply, steps) = ask(&mut net, 0, Question::Listing(listing));
    assert!(matches!(reply, Reply::Page(page) if page.rows.is_empty() && page.next.is_none()));
    assert_eq!(steps, count.div_ceil(ASK_SLOTS_MAX));
}

/// A listing with few matches ends after some steps, and the next one continues there.
#[test]
fn sparse_listings_end() {
    let mut net = crowd(ASK_SLOTS_MAX * 2 + 1);
    let filter = Filter { id_prefix: "x".into(), ..Filter::default() };
    let steps = ASK_STEPS_MAX - 1;
    let listing = Listing { limit: 10, filter, steps, ..Listing::default() };
    let page = page(&mut net, Question::Listing(listing));
    assert_eq!((page.rows.len(), page.next), (0, Some(ASK_SLOTS_MAX)));
}

/// A page of large names ends before it has too many bytes, and none is left out.
#[test]
fn pages_of_large_names_are_bounded() {
    let mut net = Net::new(1);
    let count = 2 * PAGE_BYTES_MAX / 200;
    for slot in 0..u32::try_from(count).expect("some thousand") {
        net.0[0].shard.open(conn(slot), local(), 0);
        let id = format!("{slot:0115}");
        net.hand(0, conn(slot), &connect(true, &id));
    }
    net.0[0].end_turn();
    let (mut from, mut found) = (Some(0), 0);
    while let Some(at) = from {
        let listing = Listing { from: at, limit: usize::MAX, ..Listing::default() };
        let page = page(&mut net, Question::Listing(listing));
        let bytes: usize =
            page.rows.iter().map(|row| size_of::<Row>() + page.text(row.id).len() + 1).sum();
        let last = size_of::<Row>() + 115 + 1;
        assert!(bytes <= PAGE_BYTES_MAX + last, "{bytes} bytes");
        assert!(!page.rows.is_empty(), "there is progress");
        (from, found) = (page.next, found + page.rows.len());
    }
    assert_eq!(found, count);
}

/// Filters are exact, and all of them hold.
#[test]
fn filters_hold() {
    let mut net = crowd(20);
    let nobody = Filter::default();
    for (filter, wanted) in [
        (Filter { connected: Some(true), ..nobody.clone() }, 10),
        (Filter { connected: Some(false), ..nobody.clone() }, 10),
        (Filter { id_prefix: "c0001".into(), ..nobody.clone() }, 10),
        (Filter { id_prefix: "c0001".into(), connected: Some(true), ..nobody.clone() }, 5),
        (Filter { pace: Some(Pace::Free), ..nobody.clone() }, 10),
        (Filter { pace: Some(Pace::Slow), ..nobody.clone() }, 0),
        (Filter { user: Some("".into()), ..nobody.clone() }, 20),
        (Filter { user: Some("ann".into()), ..nobody.clone() }, 0),
        (Filter { vhost: Some(0), ..nobody.clone() }, 20),
        (Filter { vhost: Some(1), ..nobody.clone() }, 0),
        (Filter { backlog_min: 1, ..nobody.clone() }, 0),
        (Filter { dropped_min: 1, ..nobody }, 0),
    ] {
        let listing = Listing { limit: 100, filter: filter.clone(), ..Listing::default() };
        assert_eq!(page(&mut net, Question::Listing(listing)).rows.len(), wanted, "{filter:?}");
    }
}

/// A session's backlog is in its row, and larger ones are first.
#[test]
fn top_ranks_by_backlog() {
    let mut net = Net::new(1);
    let qos1 = |topic: u8, id: u8| vec![0x32, 6, 0, 1, topic, 0, id, b'x'];
    for (slot, id) in [(0, "none"), (1, "one"), (2, "two")] {
        net.0[0].shard.open(conn(slot), local(), 0);
        net.give(0, conn(slot), &connect(false, id));
        net.keep(0);
    }
    for (slot, topics) in [(1, &b"a"[..]), (2, b"ab")] {
        for topic in topics {
            let mut packet = subscribe(*topic);
            *packet.last_mut().expect("it has a QoS") = 1;
            net.give(0, conn(slot), &packet);
        }
        net.give(0, conn(slot), &[0xe0, 0]);
    }
    net.give(0, conn(0), &qos1(b'a', 1));
    net.give(0, conn(0), &qos1(b'b', 2));
    net.keep(0);
    for (by, wanted) in [
        (Measure::BacklogMessages, &["two", "one"][..]),
        (Measure::BacklogBytes, &["two", "one"]),
        (Measure::Dropped, &[]),
        (Measure::Inflight, &[]),
    ] {
        assert_eq!(ids(&page(&mut net, Question::Top(Top::new(by, 10)))), wanted, "{by:?}");
    }
    let first = page(&mut net, Question::Top(Top::new(Measure::BacklogMessages, 1)));
    assert_eq!(ids(&first), ["two"]);
    let row = first.rows[0];
    assert_eq!((row.backlog_messages, row.subscriptions, row.inflight), (2, 2, 0));
    assert_eq!((row.client, row.lag_ms), (None, Some(0)));
    assert!(row.backlog_bytes > 0);
}

/// Sessions are ranked by how long their oldest message has waited, a look at one message a step.
#[test]
fn the_longest_wait_is_found() {
    let count = 8;
    let mut net = crowd(count);
    let mut packet = subscribe(b'a');
    *packet.last_mut().expect("it has a QoS") = 1;
    for slot in [0, 2, 4] {
        net.give(0, conn(slot), &packet);
    }
    let qos1 = |id: u8| vec![0x32, 6, 0, 1, b'a', 0, id, b'x'];
    net.give(0, conn(6), &qos1(1));
    net.give(0, conn(0), &[0x40, 2, 0, 1]);
    net.0[0].now_ms = 5_000;
    net.give(0, conn(6), &qos1(2));
    let top = |count| Question::Top(Top::new(Measure::Lag, count));
    let (reply, steps) = ask_later(&mut net, 0, top(2), 7_000);
    let Reply::Page(found) = reply else { panic!("{reply:?} is no page") };
    assert_eq!(ids(&found), ["c00002", "c00004"]);
    assert_eq!(found.rows.iter().map(|row| row.lag_ms).collect::<Vec<_>>(), [Some(7_000); 2]);
    assert!(steps >= 3 + 2, "{steps}");
    let (reply, _) = ask_later(&mut net, 0, top(9), 7_000);
    let Reply::Page(found) = reply else { panic!("{reply:?} is no page") };
    assert_eq!((ids(&found)[2], found.rows[2].lag_ms), ("c00000", Some(2_000)));
}

/// Clients are ranked by what they have sent and received since they were looked at, and one that
/// has connected since by what it has since then. A look is good for some time.
#[test]
fn rates_are_taken_between_two_looks() {
    let mut net = crowd(6);
    net.0[0].shard.count_received(conn(0), 1_000_000);
    let sample = || Question::Sample(Sampling::default());
    let age = |net: &mut Net, now_ms| match ask_later(net, 0, sample(), now_ms).0 {
        Reply::Sampled(age_ms) => age_ms,
        other => panic!("{other:?} is no age"),
    };
    assert_eq!(age(&mut net, 10_000), 0);
    net.0[0].shard.count_received(conn(2), 6_000);
    net.0[0].shard.count_received(conn(4), 3_000);
    net.0[0].now_ms = 11_000;
    net.0[0].shard.open(conn(7), local(), 11_000);
    net.hand(0, conn(7), &connect(true, "new"));
    net.0[0].shard.count_received(conn(7), 100_000);
    assert_eq!(age(&mut net, 13_000), 3_000);
    let rates = |net: &mut Net, now_ms| {
        let question = Question::Top(Top::new(Measure::Rate, 9));
        let Reply::Page(found) = ask_later(net, 0, question, now_ms).0 else {
            panic!("it is a page")
        };
        let rate = |row: &Row| (found.text(row.id).to_owned(), row.bytes_per_second);
        found.rows.iter().map(rate).collect::<Vec<_>>()
    };
    let found = rates(&mut net, 13_000);
    let named = |id: &str, rate| (id.to_owned(), Some(rate));
    assert_eq!(found[1..], [named("c00002", 2_000), named("c00004", 1_000)]);
    let (id, rate) = &found[0];
    // Its CONNACK counts when it is sent.
    assert_eq!((&**id, rate.map(|rate| rate / 1_000)), ("new", Some(50)));
    // After a while it is too old, and the next look is a new one.
    assert_eq!(age(&mut net, 10_000 + RATE_SAMPLE_MS_MAX), RATE_SAMPLE_MS_MAX);
    assert_eq!(age(&mut net, 10_001 + RATE_SAMPLE_MS_MAX), 0);
    assert_eq!(rates(&mut net, 12_000 + RATE_SAMPLE_MS_MAX), []);
}

/// A kick ends the connection and, on request, the session; other clients are not affected.
#[test]
fn kicks_end_what_they_name() {
    for (deletes_session, id, wanted) in [
        (false, "c00000", Kicked { found: true, closed: true, ended: false }),
        (true, "c00000", Kicked { found: true, closed: true, ended: true }),
        (false, "c00001", Kicked { found: true, closed: false, ended: false }),
        (true, "c00001", Kicked { found: true, closed: false, ended: true }),
        (true, "nobody", Kicked { found: false, closed: false, ended: false }),
    ] {
        let mut net = crowd(4);
        let kick = Kick { name: name(id), deletes_session, discards_will: false };
        let (reply, _) = ask(&mut net, 0, Question::Kick(kick));
        assert!(matches!(reply, Reply::Kicked(kicked) if kicked == wanted), "{id}: {reply:?}");
        let node = &mut net.0[0];
        let mut context = Context { now_ms: 0, peers: &mut node.out };
        let mut closes = Vec::new();
        while let Some(event) = node.shard.next_event(&mut context) {
            closes.extend(matches!(event, Event::Close(_)).then_some(event));
        }
        let own = closes.iter().any(|event| *event == Event::Close(conn(0)));
        assert_eq!(own, wanted.closed, "{id}: {closes:?}");
        assert_eq!(node.shard.stats().closed_kicked, u64::from(wanted.closed), "{id}");
        let listing = Listing { limit: 100, ..Listing::default() };
        let left = page(&mut net, Question::Listing(listing)).rows.len();
        assert_eq!(left, 4 - usize::from(wanted.ended), "{id}");
    }
}

/// Figures are those of the moment; a question changes none of them.
#[test]
fn figures_are_told() {
    let mut net = crowd(4);
    net.give(0, conn(0), &publish(b'a', b'x'));
    for _ in 0..2 {
        let (reply, steps) = ask(&mut net, 0, Question::Figures);
        let Reply::Figures(snapshot) = reply else { panic!("{reply:?} has no figures") };
        assert_eq!((snapshot.gauges.clients, snapshot.gauges.sessions), (2, 4));
        assert_eq!((snapshot.gauges.retained, snapshot.stats.publishes_in), (1, 1));
        assert_eq!((snapshot.stats.clients_accepted, snapshot.stats.closed_by_client), (4, 2));
        assert_eq!(steps, 1);
    }
    let (reply, _) = ask(&mut net, 0, Question::Vhosts(0));
    let Reply::Vhosts(vhosts) = reply else { panic!("{reply:?} has no vhosts") };
    assert_eq!(vhosts.iter().map(|vhost| &*vhost.vhost).collect::<Vec<_>>(), ["/"]);
    let one = page(&mut net, Question::Session(name("c00002")));
    let client = one.rows[0].client.expect("it is connected");
    assert_eq!((client.keep_alive_s, client.version, client.waits().count()), (60, "3.1.1", 0));
    assert!(page(&mut net, Question::Session(name("C00002"))).rows.is_empty());
}

/// Backlogs are summed, the worst session is found, and a step visits few messages.
#[test]
fn backlogs_are_found() {
    let count = 48;
    let mut net = crowd(count);
    let mut packet = subscribe(b'a');
    *packet.last_mut().expect("it has a QoS") = 1;
    for slot in (0..count).step_by(2) {
        net.give(0, conn(slot), &packet);
    }
    let (reply, steps) = ask(&mut net, 0, Question::Backlog(Backlog::default()));
    assert!(matches!(reply, Reply::Backlog(found) if found == Waiting::default()), "{reply:?}");
    assert_eq!(steps, 1, "empty ones cost no look");
    let qos1 = |id: u8| vec![0x32, 6, 0, 1, b'a', 0, id, b'x'];
    net.give(0, conn(0), &qos1(1));
    net.give(0, conn(0), &[0xe0, 0]);
    net.give(0, conn(2), &qos1(1));
    let question = Question::Backlog(Backlog::default());
    let mut ask = Ask { id: 0, question, reply: Reply::None };
    let mut steps = 1;
    loop {
        let node = &mut net.0[0];
        let mut context = Context { now_ms: 7_000, peers: &mut node.out };
        if node.shard.answer(&mut ask, &mut context) == Step::Done {
            break;
        }
        steps += 1;
    }
    let Reply::Backlog(found) = ask.reply else { panic!("{:?} is no backlog", ask.reply) };
    let messages = u64::from(count / 2) * 2;
    // Of the first session, whose client has left, nothing is in flight.
    let expected = Waiting {
        messages,
        messages_max: 2,
        inflight: messages - 2,
        lag_ms_max: 7_000,
        ..Waiting::default()
    };
    assert_eq!(found, expected);
    assert!(steps >= count / 2 / ASK_READS_MAX, "{steps} for {} sessions", count / 2);
}

/// Sessions that patterns name are found once, in full or by their beginning, and no others; those
/// that are too many are counted.
#[test]
fn watched_sessions_are_found() {
    let count = u32::try_from(WATCHED_SESSIONS_MAX).expect("some hundred") + 20;
    let mut net = crowd(count);
    let pattern = |id: &str, is_prefix| SessionPattern { vhost: 0, id: id.into(), is_prefix };
    let mut watched = |patterns: &[SessionPattern]| {
        let question = Question::Watch(Box::new(Watch::new(patterns.into())));
        match ask(&mut net, 0, question) {
            (Reply::Watched(watched), steps) => (watched, steps),
            (other, _) => panic!("{other:?} has no sessions"),
        }
    };
    let elsewhere = SessionPattern { vhost: 1, ..pattern("c00001", false) };
    for (patterns, wanted) in [
        (vec![], &[][..]),
        (vec![pattern("c00001", false), pattern("c0000", false)], &["c00001"]),
        (vec![pattern("c0001", true), pattern("c00011", false)], &["c00010", "c00011"][..]),
        (vec![elsewhere, pattern("x", true)], &[]),
    ] {
        let (Watched { page, left_out }, _) = watched(&patterns);
        assert_eq!(left_out, 0);
        let found = ids(&page);
        assert!(found.starts_with(wanted), "{patterns:?}: {found:?}");
        let all = if wanted.len() == 2 { 10 } else { wanted.len() };
        assert_eq!(found.len(), all, "{patterns:?}: {found:?}");
    }
    let (Watched { page, left_out }, steps) = watched(&[pattern("", true)]);
    assert_eq!((page.rows.len(), left_out), (WATCHED_SESSIONS_MAX, 20));
    assert!(steps > 7, "a step reads few messages: {steps}");
}

/// A drain ends the requested number of connections, some in each step, and returns how many are
/// left.
#[test]
fn drains_end_some_in_each_step() {
    let mut net = crowd(400);
    let shed = |keep| Question::Shed(Shed { keep, ..Shed::default() });
    for (keep, left, least) in [(usize::MAX, 200, 1), (50, 50, 150), (50, 50, 1), (0, 0, 50)] {
        let (reply, steps) = ask(&mut net, 0, shed(keep));
        assert!(matches!(reply, Reply::Shed(count) if count == left), "{keep}: {reply:?}");
        let needed = u32::try_from(least / DRAIN_CLOSES_MAX).expect("few");
        assert!(steps > needed, "{keep}: {steps} steps");
    }
}

/// An operator's message waits for the log if an absent session must have it; otherwise it waits
/// for nothing. One that may not be published is delivered to no client.
#[test]
fn messages_of_operators_wait_for_the_log() {
    let mut net = crowd(2);
    let message = |topic: &str| {
        let publication = Publication::new(0, topic, b"x".to_vec(), (1, false));
        Question::Publish(Box::new(publication.expect("it is a topic")))
    };
    let (reply, _) = ask(&mut net, 0, message("a"));
    assert!(matches!(reply, Reply::Published(Published::Done { matched: false })), "{reply:?}");
    let (reply, _) = ask(&mut net, 0, message("$SYS/a"));
    assert!(matches!(reply, Reply::Published(Published::Denied)), "{reply:?}");
    net.0[0].shard.open(conn(7), local(), 0);
    net.hand(0, conn(7), &connect(false, "away"));
    net.hand(0, conn(7), &subscribe_at_1(b'a'));
    net.hand(0, conn(7), &[0xe0, 0]);
    net.0[0].end_turn();
    net.keep(0);
    let mut ask = Ask { id: 0, question: message("a"), reply: Reply::None };
    for _ in 0..3 {
        let node = &mut net.0[0];
        let mut context = Context { now_ms: 0, peers: &mut node.out };
        assert_eq!(node.shard.answer(&mut ask, &mut context), Step::Wait);
        assert!(!node.shard.may_answer(&ask, &node.out));
    }
    net.0[0].end_turn();
    net.keep(0);
    let node = &mut net.0[0];
    assert!(node.shard.may_answer(&ask, &node.out));
    let mut context = Context { now_ms: 0, peers: &mut node.out };
    assert_eq!(node.shard.answer(&mut ask, &mut context), Step::Done);
    let Ask { reply, .. } = ask;
    assert!(matches!(reply, Reply::Published(Published::Done { matched: true })), "{reply:?}");
}

/// SUBSCRIBE to a topic of one letter at QoS 1.
fn subscribe_at_1(topic: u8) -> [u8; 8] {
    [0x82, 6, 0, 1, 0, 1, topic, 1]
}
