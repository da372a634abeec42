//! Three hosts with a broker, a bridge and a server of NATS each, and HAProxy before them: the
//! configuration that the page recommends. Each host has its own network, on a switch of the
//! test's own.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use super::haproxy::page_config;
use super::harness::{
    Bridge, Broker, Client, Cluster, Edition, Host, Process, TempDir, free_port, in_own_network,
};

const NODES: usize = 3;
/// Devices of the short form. `scripts/bridge-test` has more.
const DEVICES: usize = 300;
/// Devices that are connected at a time: the usual bounds of open files are enough for them.
const WAVE: usize = 3000;

/// What is on a host, except for its server of NATS.
struct Node {
    broker: Broker,
    bridge: Bridge,
}

impl Node {
    fn start(at: usize, host: &Host, servers: &str) -> Self {
        let door = format!("{}:1883", host.address);
        let flags = ["--listen", &*door, "--allow-anonymous"];
        let broker = Broker::start_in(TempDir::new(), host.clone(), &flags);
        Client::unix(&broker.socket(), "namer", false)
            .publish_all(std::iter::once(("node", at.to_string())), true);
        let text = format!(
            "[broker]\nurl = \"{}\"\nid = \"node{at}\"\n\
             [[sink]]\nname = \"up{at}\"\nfilters = [\"m/#\"]\nbatch = {{ messages = 100 }}\n\
             [sink.nats]\nservers = [{servers}]\n\
             [[source]]\nname = \"down{at}\"\n[source.nats]\nservers = [{servers}]\n\
             stream = \"commands\"\nsubjects = [\"mq.cmd.>\"]\nack_wait = \"1s\"\n",
            broker.url()
        );
        let bridge = Bridge::start_on(host.clone(), &text);
        bridge.process.wait_for_line(&format!("up{at}: subscribed"));
        Self { broker, bridge }
    }
}

/// Three hosts behind one address.
struct Fleet {
    cluster: Cluster,
    nodes: Vec<Node>,
    _proxy: Process,
    _directory: TempDir,
    port: u16,
}

impl Fleet {
    fn start() -> Self {
        let hosts = Host::network(NODES);
        let cluster = Cluster::start_on(Edition::Newest, &hosts);
        cluster.make_stream("commands", "mq.cmd.>");
        cluster.make_stream("telemetry", "mq.m.>");
        let servers = cluster.servers();
        let nodes = hosts.iter().enumerate().map(|(at, host)| Node::start(at, host, &servers));
        let nodes = nodes.collect();
        let (directory, port) = (TempDir::new(), free_port());
        let address = Host::switch().address;
        let mut text =
            page_config(&format!("{address}:{port}"), |at| format!("{}:1883", hosts[at].address));
        // Clients wait for their node, where their session is.
        assert!(text.contains(" check"), "{text}");
        text = text.replace(" check", "");
        let file = directory.join("haproxy.cfg");
        fs::write(&file, format!("global\n    maxconn 4000\n{text}    retries 3\n"))
            .expect("the directory is writable");
        let mut command = Command::new("/usr/sbin/haproxy");
        command.arg("-f").arg(&file).arg("-V");
        let proxy = Process::spawn(command);
        Self { cluster, nodes, _proxy: proxy, _directory: directory, port }
    }

    /// A device, and the node at which it is. The first time it subscribes to its commands.
    fn device(&self, number: usize) -> (Client, usize) {
        let (address, id) = (Host::switch().address, format!("device-{number}"));
        let mut client = Client::at_when_up(&address, self.port, &id, true);
        client.subscribe("node");
        let node = client.receive_on("node").payload.parse().expect("a number");
        client.subscribe(&format!("cmd/{number}/#"));
        (client, node)
    }

    fn command(&self, device: usize, text: &str) {
        self.cluster.nodes[0].publish(&format!("mq.cmd.{device}.set"), text, &[]);
    }
}

/// Receives a command, which may come again.
fn expect_command(client: &mut Client, device: usize, text: &str) {
    let topic = format!("cmd/{device}/set");
    while client.receive_on(&topic).payload != text {}
}

fn devices() -> usize {
    std::env::var("BRIDGE_TEST_DEVICES").map_or(DEVICES, |text| text.parse().expect("a number"))
}

// A command that is published once into NATS reaches its device, at whichever node it is. Clients
// come back to their node through HAProxy.
#[test]
fn commands_reach_devices() {
    in_own_network("nodes::commands_reach_devices", || {
        let (fleet, count) = (Fleet::start(), devices());
        let all: Vec<usize> = (0..count).collect();
        let mut nodes = Vec::new();
        for wave in all.chunks(WAVE) {
            let mut clients: Vec<(Client, usize)> =
                wave.iter().map(|device| fleet.device(*device)).collect();
            let commanded = (0..wave.len()).step_by(wave.len().div_ceil(100));
            for at in commanded.clone() {
                fleet.command(wave[at], "1");
            }
            for at in commanded {
                expect_command(&mut clients[at].0, wave[at], "1");
            }
            nodes.extend(clients.iter().map(|(_, node)| *node));
        }
        let used: BTreeSet<usize> = nodes.iter().copied().collect();
        assert_eq!(used.len(), NODES);
        let again: Vec<usize> = (0..count).map(|at| fleet.device(at).1).collect();
        assert_eq!(nodes, again);
        eprintln!("{count} clients came back to their node");
    });
}

// A node is killed with everything on it, and started again: what its broker had acknowledged is in
// the stream, once, and what was commanded meanwhile reaches its devices.
#[test]
fn killed_node_loses_nothing() {
    const MESSAGES: usize = 3000;
    in_own_network("nodes::killed_node_loses_nothing", || {
        let mut fleet = Fleet::start();
        let mut clients: Vec<(Client, usize)> = (0..12).map(|at| fleet.device(at)).collect();
        for victim in 0..NODES {
            for (at, (client, _)) in clients.iter_mut().enumerate() {
                let topic = format!("m/{at}");
                let numbers = victim * MESSAGES / 12..(victim + 1) * MESSAGES / 12;
                let messages = numbers.map(|number| (&*topic, number.to_string()));
                client.publish_all(messages, false);
            }
            let node = &mut fleet.nodes[victim];
            node.broker.kill();
            node.bridge.kill();
            fleet.cluster.nodes[victim].kill();
            let text = format!("after kill {victim}");
            let other = &fleet.cluster.nodes[(victim + 1) % NODES];
            for device in 0..12 {
                other.publish_when_led(&format!("mq.cmd.{device}.set"), &text);
            }
            fleet.cluster.nodes[victim].start_again();
            let node = &mut fleet.nodes[victim];
            node.broker.start_again();
            node.bridge.start_again();
            for (device, (client, node)) in clients.iter_mut().enumerate() {
                if *node == victim {
                    (*client, *node) = fleet.device(device);
                    assert_eq!(*node, victim);
                }
                expect_command(client, device, &text);
            }
        }
        let mut next = [0; 12];
        fleet.cluster.nodes[0].visit("telemetry", |stored| {
            let at: usize = stored.subject["mq.m.".len()..].parse().expect("a number");
            let number = std::str::from_utf8(&stored.payload).expect("is text");
            assert_eq!(number, next[at].to_string(), "of device {at}");
            next[at] += 1;
            !(stored.is_last && next.iter().all(|next| *next == NODES * MESSAGES / 12))
        });
    });
}
