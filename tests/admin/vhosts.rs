//! What there is of a vhost: its clients and sessions, in metrics, in the API and at the command
//! line.

use std::fs;

use serde_json::json;

use crate::common::{Client, DataDir, connack, connect, publish, until};
use crate::ctl::ctl;
use crate::http::{Door, start};
use crate::metrics::value;

/// The clients and sessions of a vhost, as metrics and the API tell them.
#[track_caller]
fn counts(door: &Door, vhost: &str) -> [(u64, u64); 2] {
    let text = door.ask("GET", "/metrics/vhosts", &[]).body;
    let of = |name: &str| value(&text, &format!("ringmq_vhost_{name}{{vhost=\"{vhost}\"}}"));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they are counts")]
    let told = (of("connections") as u64, of("sessions") as u64);
    let one = door.get(&format!("/api/v1/vhost?vhost={}", vhost.replace('/', "%2F"))).json();
    let count = |name: &str| one[name].as_u64().unwrap_or_else(|| panic!("no {name}: {one}"));
    [told, (count("connections"), count("sessions"))]
}

// Clients are counted while they are connected, each once, also if one takes over from another;
// their sessions as long as they last.
#[test]
fn clients_of_vhosts() {
    let files = DataDir::fresh();
    let vhosts = files.path().join("vhosts");
    fs::create_dir_all(vhosts.join("shop")).expect("there is room");
    fs::write(vhosts.join("shop/passwords"), "").expect("there is room");
    fs::create_dir_all(vhosts.join("%2F")).expect("there is room");
    let (broker, door) = start(2, &["--vhosts", vhosts.to_str().expect("it is text")]);
    assert_eq!([counts(&door, "shop"), counts(&door, "/")], [[(0, 0); 2]; 2], "nobody is there");
    let user = "/api/v1/user?vhost=shop&name=ann";
    assert_eq!(door.send("PUT", user, &json!({ "password": "x" }).to_string()).status, 200);
    let enter = |id: &str| {
        let mut client = Client::open(&broker);
        client.send(&connect(id).username("shop:ann").password("x").bytes());
        client.expect(&connack(false, 0));
        client
    };
    let first = [enter("a"), enter("b")];
    let _default = Client::connect(&broker, "a");
    assert_eq!(counts(&door, "shop"), [(2, 2); 2]);
    assert_eq!(counts(&door, "/"), [(1, 1); 2]);
    let second = enter("a");
    assert_eq!(counts(&door, "shop"), [(2, 2); 2], "it has taken over");
    drop((first, second));
    until("they have left", || counts(&door, "shop") == [(0, 0); 2]);
    Client::connect_with(&broker, &connect("stays").persistent()).subscribe_and_leave("t", 1);
    Client::connect(&broker, "publisher").publish(&publish("t", "x").qos1(1));
    until("only a session is left", || counts(&door, "/") == [(1, 2); 2]);
    let listed = door.get("/api/v1/vhosts").json();
    let names: Vec<_> = listed["items"].as_array().expect("a list").iter().collect();
    assert_eq!((&names[0]["name"], &names[0]["sessions"]), (&json!("/"), &json!(2)), "{listed}");
    assert!(names[0]["backlog_bytes"].as_u64() > Some(0), "{listed}");
    assert_eq!((&names[1]["name"], &names[1]["connections"]), (&json!("shop"), &json!(0)));
    let said = ctl(&broker, &["vhosts", "ls", "--json"], 0);
    assert!(said.contains("\"connections\":1"), "{said}");
    broker.stop();
}
