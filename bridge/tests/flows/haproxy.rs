//! HAProxy in front of several brokers, with the configuration of the page.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use super::harness::{Broker, Client, Process, TempDir, free_port};

/// The configuration of the page, with these addresses.
pub(crate) fn page_config(listen: &str, broker: impl Fn(usize) -> String) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bridge.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let block = page.split("```haproxy\n").nth(1).expect("it has a configuration");
    let mut text = block.split("```").next().expect("split gives one").to_owned();
    let mut change = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        text = text.replace(from, to);
    };
    change("0.0.0.0:1883", listen);
    for at in 0..3 {
        change(&format!("10.0.0.{}:1883", at + 1), &broker(at));
    }
    text
}

// A client id comes back to its broker and its session there; the ids are spread over all brokers,
// and go on with those that are left when HAProxy starts anew.
#[test]
fn client_ids_keep_their_broker() {
    const CLIENTS: usize = 60;
    let brokers = [Broker::start(), Broker::start(), Broker::start()];
    for (at, broker) in brokers.iter().enumerate() {
        let mut writer = Client::unix(&broker.socket(), "writer", false);
        writer.publish_all(std::iter::once(("node", at.to_string())), true);
    }
    let (directory, port) = (TempDir::new(), free_port());
    let file = directory.join("haproxy.cfg");
    let config = page_config(&format!("127.0.0.1:{port}"), |at| {
        format!("unix@{}", brokers[at].socket().display())
    });
    fs::write(&file, config).expect("the directory is writable");
    let start = || {
        let mut command = Command::new("/usr/sbin/haproxy");
        command.arg("-f").arg(&file).arg("-V");
        Process::spawn(command)
    };
    let node_of = |client: usize| {
        let mut client = Client::tcp_when_up(port, &format!("device-{client}"), true);
        client.subscribe("node");
        client.receive().payload
    };
    let mut proxy = start();
    let nodes: Vec<String> = (0..CLIENTS).map(node_of).collect();
    let used: BTreeSet<&String> = nodes.iter().collect();
    assert_eq!(used.len(), brokers.len(), "{nodes:?}");
    proxy.kill();
    let _proxy = start();
    let again: Vec<String> = (0..CLIENTS).map(node_of).collect();
    assert_eq!(nodes, again);
}
