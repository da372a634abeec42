//! Consumer groups: what operators are told of them and of their members.

use serde_json::Value;

use crate::common::{Broker, Client, End, connack, connect, puback, publish, until};
use crate::http::{Door, start};
use crate::metrics::value;

const GROUP: &str = "$share/g/t/#";
/// The same in a query.
const OF_GROUP: &str = "group=$share/g/t/%23";

/// A session that stays and is a member, whose client has left.
pub(crate) fn leave_member(broker: &Broker, id: &str, share: &str) {
    Client::connect_with(broker, &connect(id).persistent()).subscribe_and_leave(share, 1);
}

/// The client of such a session.
pub(crate) fn return_as(broker: &Broker, id: &str) -> Client {
    let mut client = Client::open(broker);
    client.send(&connect(id).persistent().bytes());
    client.expect(&connack(true, 0));
    client
}

/// Publishes so many messages, on some topics.
pub(crate) fn publish_some(broker: &Broker, count: u16) {
    let mut publisher = Client::connect(broker, "publisher");
    for id in 1..=count {
        publisher.publish(&publish(format!("t/{}", id % 4), format!("number {id}")).qos1(id));
    }
    publisher.leave();
}

pub(crate) fn group(door: &Door) -> Value {
    let reply = door.get(&format!("/api/v1/group?{OF_GROUP}"));
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

fn members(door: &Door) -> Vec<Value> {
    door.items(&format!("/api/v1/group/members?{OF_GROUP}"))
}

// What waits in a group, what members have and what became of the rest is told, for all shards
// together; of a member, what it has.
#[test]
fn groups_are_told() {
    for shards in [1, 3] {
        let (broker, door) = start(shards, &[]);
        assert_eq!(door.items("/api/v1/groups?vhost=/"), Vec::<Value>::new());
        assert_eq!(door.get(&format!("/api/v1/group?{OF_GROUP}")).status, 404);
        leave_member(&broker, "fern", GROUP);
        leave_member(&broker, "hazel", GROUP);
        publish_some(&broker, 8);
        // Other shards hear later that they have left.
        until("both are away", || group(&door)["connected"] == 0);
        let told = group(&door);
        for (field, wanted) in [
            ("/group", Value::from(GROUP)),
            ("/vhost", "/".into()),
            ("/name", "g".into()),
            ("/filter", "t/#".into()),
            ("/order", "topic".into()),
            ("/durable", true.into()),
            ("/members", 2.into()),
            ("/connected", 0.into()),
            ("/inflight", 0.into()),
            ("/backlog/messages", 8.into()),
            ("/delivered", 0.into()),
        ] {
            assert_eq!(told.pointer(field), Some(&wanted), "{field} {told}");
        }
        assert!(told["backlog"]["bytes"].as_u64() > Some(8 * 8), "{told}");
        assert!(told["backlog"]["lag_seconds"].is_number(), "{told}");
        let mut client = return_as(&broker, "fern");
        let ids: Vec<u16> = (0..8).map(|_| client.read_publish().id).collect();
        let told = group(&door);
        let figures = |told: &Value| {
            ["/inflight", "/backlog/messages", "/delivered", "/acknowledged"]
                .map(|field| told.pointer(field).and_then(Value::as_u64).expect("a number"))
        };
        assert_eq!(figures(&told), [8, 0, 8, 0], "{told}");
        let listed = members(&door);
        assert_eq!(listed.len(), 2, "{listed:?}");
        let of = |id: &str| listed.iter().find(|it| it["id"] == id).expect("a member");
        for (field, fern, hazel) in [
            ("state", Value::from("ok"), Value::from("absent")),
            ("connected", true.into(), false.into()),
            ("qos", 1.into(), 1.into()),
            ("clean", false.into(), false.into()),
            ("inflight", 8.into(), 0.into()),
            ("inflight_all", 8.into(), 0.into()),
            ("window", 1000.into(), 0.into()),
        ] {
            assert_eq!((&of("fern")[field], &of("hazel")[field]), (&fern, &hazel), "{field}");
        }
        assert!(of("fern")["lanes"].as_u64() >= Some(1), "{listed:?}");
        ids.iter().take(5).for_each(|id| client.send(&puback(*id)));
        // Lanes may be at other shards, which hear of it later.
        until("answers at all shards", || figures(&group(&door)) == [3, 0, 8, 5]);
        client.unsubscribe(GROUP);
        until("it has left", || {
            members(&door).iter().any(|it| it["state"] == "left" && it["inflight"] == 3)
        });
        broker.stop();
    }
}

// Lanes are sessions for the store alone: no list of sessions or of subscriptions has them, and
// nobody reaches one by its name.
#[test]
fn lanes_are_no_sessions() {
    let (broker, door) = start(2, &[]);
    leave_member(&broker, "fern", GROUP);
    publish_some(&broker, 8);
    let sessions = door.items("/api/v1/sessions?limit=100");
    let ids: Vec<&Value> = sessions.iter().map(|session| &session["id"]).collect();
    assert_eq!(ids, ["fern"]);
    let text = door.ask("GET", "/metrics", &[]).body;
    assert_eq!(value(&text, "ringmq_sessions{state=\"absent\",kind=\"durable\"}"), 1.0);
    assert_eq!(value(&text, "ringmq_sessions"), 1.0);
    assert_eq!(value(&text, "ringmq_shard_sessions"), 1.0);
    assert_eq!(value(&text, "ringmq_groups"), 1.0);
    assert_eq!(value(&text, "ringmq_session_backlog_bytes"), 0.0);
    assert!(value(&text, "ringmq_group_backlog_bytes") > 8.0 * 8.0, "{text}");
    let overview = door.get("/api/v1/overview").json();
    assert_eq!(overview.pointer("/metrics/sessions/absent/durable"), Some(&1.into()), "{overview}");
    let shards = door.get("/api/v1/shards").json();
    let of_shards = shards["items"].as_array().expect("a list").iter();
    assert_eq!(of_shards.filter_map(|shard| shard["sessions"].as_u64()).sum::<u64>(), 1);
    let top = door.get("/api/v1/top?by=backlog_bytes").json();
    assert_eq!(top["items"], Value::Array(Vec::new()), "the backlog is the group's");
    let lane = "id=%00d00$share/g/t/%23";
    for path in ["session", "session/messages", "client"] {
        assert_eq!(door.get(&format!("/api/v1/{path}?{lane}")).status, 404, "{path}");
        assert_eq!(door.delete(&format!("/api/v1/{path}?{lane}")).status, 404, "{path}");
    }
    assert_eq!(group(&door)["backlog"]["messages"], 8);
    broker.stop();
}

// A list of groups is read page by page, in order; what is no group's name is refused.
#[test]
fn groups_are_listed() {
    let (broker, door) = start(2, &[]);
    let mut client = Client::connect(&broker, "fern");
    let names: Vec<String> = (0..7).map(|n| format!("$share/g{n}/a/+")).collect();
    names.iter().for_each(|name| client.subscribe(name, 1));
    for path in ["/api/v1/groups?limit=2", "/api/v1/groups?vhost=/&limit=3"] {
        let listed = door.items(path);
        let listed: Vec<&Value> = listed.iter().map(|group| &group["group"]).collect();
        assert_eq!(listed, names.iter().collect::<Vec<_>>(), "{path}");
    }
    let page = door.get("/api/v1/groups?limit=2").json();
    assert_eq!(page["items"].as_array().expect("a list").len(), 2);
    assert_eq!(page["items"][0]["durable"], false);
    for path in [
        "/groups?cursor=x",
        "/group?group=a/b",
        "/group?group=$share/a",
        "/group?group=$share/a%2B/b",
        "/group",
        "/group/members?group=$share/g0/a/%2B&cursor=c1.1",
    ] {
        let reply = door.get(&format!("/api/v1{path}"));
        assert_eq!((reply.status, reply.code()), (422, "invalid".to_owned()), "{path}");
    }
    assert_eq!(door.get("/api/v1/groups?vhost=nowhere").status, 404);
    assert_eq!(door.get("/api/v1/group/members?group=$share/none/a").status, 404);
    broker.stop();
}

// Groups that are watched have metrics of their own; all count in the totals.
#[test]
fn lag_of_groups() {
    let watched = ["--watch-session", "//$share/g/*", "--watch-session", "//$share/h/u"];
    let (broker, door) = start(2, &watched);
    for (id, share) in [("fern", GROUP), ("hazel", "$share/h/t/#"), ("kale", "$share/h/u")] {
        leave_member(&broker, id, share);
    }
    publish_some(&broker, 6);
    let text = door.ask("GET", "/metrics/sessions", &[]).body;
    let of = |name: &str, group: &str| {
        value(&text, &format!("ringmq_watched_group_{name}{{vhost=\"/\",group=\"{group}\"}}"))
    };
    assert_eq!(of("lag_messages", GROUP), 6.0);
    assert_eq!(of("lag_messages", "$share/h/u"), 0.0);
    assert!(of("lag_bytes", GROUP) > 6.0 * 8.0, "{text}");
    assert_eq!(of("members_connected", GROUP), 0.0);
    assert!(!text.contains("$share/h/t/#"), "{text}");
    assert_eq!(value(&text, "ringmq_watched_groups_left_out"), 0.0);
    assert_eq!(value(&text, "ringmq_group_backlog_messages"), 12.0);
    assert_eq!(value(&text, "ringmq_session_backlog_messages"), 0.0);
    broker.stop();
}

// What waits in a group is dropped as an operator asks, also for a broker that is killed then; what
// comes later waits again, and what members have is theirs.
#[test]
fn groups_are_purged() {
    for shards in [1, 2] {
        let (mut broker, door) = start(shards, &[]);
        leave_member(&broker, "fern", GROUP);
        publish_some(&broker, 9);
        let purge = format!("/api/v1/group/messages?{OF_GROUP}");
        assert_eq!(door.delete(&purge).json()["purged"], 9);
        assert_eq!(door.delete(&purge).json()["purged"], 0);
        let told = group(&door);
        assert_eq!(
            (&told["backlog"]["messages"], &told["backlog"]["bytes"]),
            (&0.into(), &0.into())
        );
        assert_eq!(told["dropped"]["purged"], 9);
        broker.wait_for_line("purge group");
        broker.restart(End::Killed);
        let door = Door::of(&broker);
        publish_some(&broker, 2);
        let mut client = return_as(&broker, "fern");
        let mut came = [client.read_publish().payload, client.read_publish().payload];
        came.sort_unstable();
        assert_eq!(came, [b"number 1", b"number 2"]);
        assert_eq!(door.delete(&purge).json()["purged"], 0, "the client has them");
        client.expect_silence();
        assert_eq!(door.delete("/api/v1/group/messages?group=$share/none/a").status, 404);
        broker.stop();
    }
}

// A group ends with what waits in it, and stays ended for a broker that is killed then. One with
// members does not, unless they are to be unsubscribed: they get nothing more of it.
#[test]
fn groups_are_ended() {
    for shards in [1, 3] {
        let (mut broker, mut door) = start(shards, &[]);
        let path = format!("/api/v1/group?{OF_GROUP}");
        assert_eq!(door.delete(&path).status, 404);
        leave_member(&broker, "fern", GROUP);
        let mut clients = ["hazel", "kale", "nettle"].map(|id| Client::connect(&broker, id));
        clients.iter_mut().for_each(|client| client.subscribe(GROUP, 1));
        let refused = door.delete(&path);
        assert_eq!((refused.status, refused.code()), (409, "has_members".to_owned()));
        let ended = door.delete(&format!("{path}&members=unsubscribe"));
        assert_eq!((ended.status, &ended.json()["members"]), (200, &4.into()), "{ended:?}");
        assert_eq!(door.get(&path).status, 404);
        broker.wait_for_line("delete group");
        assert_eq!(door.get("/api/v1/session?id=fern").json()["subscriptions"], 0);
        publish_some(&broker, 4);
        clients.iter_mut().for_each(Client::expect_silence);
        broker.restart(End::Killed);
        door = Door::of(&broker);
        assert_eq!(door.get(&path).status, 404);
        // A clean session in its place ends the session: nobody is left, and the group stays.
        leave_member(&broker, "willow", GROUP);
        Client::connect(&broker, "willow").leave();
        publish_some(&broker, 4);
        until("its last session has ended", || group(&door)["members"] == 0);
        assert_eq!(door.delete(&path).json()["messages"], 4);
        assert_eq!(door.get(&path).status, 404);
        let mut client = Client::connect(&broker, "kale");
        client.subscribe(GROUP, 1);
        client.expect_silence();
        broker.stop();
    }
}

// Members are listed page by page, each once, however many are in other groups.
#[test]
fn members_are_listed() {
    let (broker, door) = start(2, &[]);
    let others: Vec<Client> = (0..150)
        .map(|n| {
            let mut client = Client::connect(&broker, &format!("other-{n}"));
            client.subscribe("$share/other/t/#", 1);
            client
        })
        .collect();
    let names: Vec<String> = (0..5).map(|n| format!("own-{n}")).collect();
    let own: Vec<Client> = names
        .iter()
        .map(|id| {
            let mut client = Client::connect(&broker, id);
            client.subscribe(GROUP, 1);
            client
        })
        .collect();
    let ids = |path: &str| {
        let listed = door.items(path);
        let mut ids: Vec<String> =
            listed.iter().map(|it| it["id"].as_str().expect("an id").to_owned()).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(&format!("/api/v1/group/members?{OF_GROUP}&limit=2")), names);
    assert_eq!(ids("/api/v1/group/members?group=$share/other/t/%23&limit=40").len(), 150);
    drop((others, own));
    broker.stop();
}
