//! Messages that operators publish: their receivers, their answers, the rights.

use std::fs;

use crate::common::{Client, DataDir, End, connect, publish, resume_as};
use crate::http::{Door, start};

/// The hash of the token `secret`.
const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

const PUBLISH: &str = "/api/v1/publish";

// A message is delivered to subscribers on every shard, with the lower of its QoS and theirs.
#[test]
fn subscribers_get_it() {
    for shards in [1, 3] {
        let (broker, door) = start(shards, &[]);
        let mut clients: Vec<Client> =
            (0..6).map(|n| Client::connect(&broker, &format!("c{n}"))).collect();
        clients.iter_mut().for_each(|client| client.subscribe("a/+", 1));
        for (qos, granted) in [(0, 0), (1, 1), (2, 1)] {
            let body = format!(r#"{{"topic":"a/b","payload":"héllo","qos":{qos}}}"#);
            let reply = door.send("POST", PUBLISH, &body);
            assert_eq!((reply.status, &reply.json()["matched"]), (200, &true.into()), "{reply:?}");
            for client in &mut clients {
                client.expect_publish(&publish("a/b", "héllo").at(granted));
            }
        }
        let reply = door.send("POST", PUBLISH, r#"{"topic":"b"}"#);
        assert_eq!(reply.json()["matched"], false, "{reply:?}");
        broker.stop();
    }
}

// An answered message survives a killed broker: in absent sessions on every shard, and as a
// retained message; an empty payload clears that.
#[test]
fn answered_is_stored() {
    for shards in [1, 3] {
        let (mut broker, door) = start(shards, &[]);
        let names: Vec<String> = (0..6).map(|n| format!("c{n}")).collect();
        for name in &names {
            let client = Client::connect_with(&broker, &connect(name).persistent());
            client.subscribe_and_leave("a", 1);
        }
        let body = r#"{"topic":"a","payload_base64":"AP8=","qos":1,"retain":true}"#;
        assert_eq!(door.send("POST", PUBLISH, body).status, 200);
        broker.restart(End::Killed);
        let door = Door::of(&broker);
        for name in &names {
            let mut client = resume_as(&broker, name, true);
            client.expect_publish(&publish("a", [0, 255]).at(1));
        }
        let mut client = Client::connect(&broker, "new");
        client.subscribe("a", 0);
        client.expect_publish(&publish("a", [0, 255]).retained());
        let body = r#"{"topic":"a","retain":true}"#;
        assert_eq!(door.send("POST", PUBLISH, body).status, 200);
        broker.restart(End::Killed);
        let mut client = Client::connect(&broker, "newer");
        client.subscribe("a", 0);
        client.expect_silence();
    }
}

// Publishing needs its right. A token for one vhost is valid for no other, and for no operation on
// all vhosts.
#[test]
fn tokens_have_rights_and_vhosts() {
    let files = DataDir::fresh();
    fs::create_dir_all(files.path().join("vhosts/shop")).expect("there is room");
    fs::create_dir_all(files.path().join("vhosts/%2F")).expect("there is room");
    let path = files.path().join("tokens");
    let write = |rights: &str| fs::write(&path, format!("ann:{SECRET}:{rights}\n"));
    write("read").expect("there is room");
    let flags = ["--http-tokens", path.to_str().expect("it is text"), "--vhosts"];
    let vhosts = files.path().join("vhosts");
    let flags = [&flags[..], &[vhosts.to_str().expect("it is text")]].concat();
    let (broker, door) = start(1, &flags);
    let ann = Door { token: "secret".to_owned(), ..door };
    let of_shop = r#"{"topic":"a","vhost":"shop"}"#;
    assert_eq!(ann.send("POST", PUBLISH, of_shop).status, 403);
    write("publish:shop").expect("there is room");
    broker.reload();
    assert_eq!(ann.send("POST", PUBLISH, of_shop).status, 200);
    let reply = ann.send("POST", PUBLISH, r#"{"topic":"a"}"#);
    assert_eq!((reply.status, &*reply.code()), (403, "forbidden"));
    write("operate:shop").expect("there is room");
    broker.reload();
    for (path, status) in [
        ("/api/v1/sessions?vhost=shop", 200),
        ("/api/v1/sessions?vhost=%2F", 403),
        ("/api/v1/sessions", 403),
        ("/api/v1/overview", 403),
        ("/api/v1/session?vhost=shop&id=x", 404),
        ("/api/v1/session?id=x", 403),
    ] {
        assert_eq!(ann.get(path).status, status, "{path}");
    }
    broker.stop();
}
