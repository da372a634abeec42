//! Three hosts with a broker, a bridge and a server of NATS each, and HAProxy before them: the
//! configuration that the page recommends. Each host has its own network, on a switch of the
//! test's own.

use std::fs;
use std::process::Command;

use super::haproxy::page_config;
use super::harness::{
    Bridge, Broker, Client, Cluster, Edition, Host, Process, TempDir, free_port, in_own_network,
};

const NODES: usize = 3;
/// Devices of the short form. `scripts/bridge-test` has more.
const DEVICES: usize = 300;
/// Devices of one HAProxy, which needs two open files for each: 20,000 are enough for it.
const DEVICES_OF_PROXY: usize = 5000;

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
    proxies: Vec<Proxy>,
}

/// HAProxy on the switch.
struct Proxy {
    port: u16,
    _process: Process,
    _directory: TempDir,
}

impl Proxy {
    fn start(hosts: &[Host]) -> Self {
        let (directory, port) = (TempDir::new(), free_port());
        let address = Host::switch().address;
        let mut text =
            page_config(&format!("{address}:{port}"), |at| format!("{}:1883", hosts[at].address));
        // Clients wait for their node, where their session is.
        assert!(text.contains(" check"), "{text}");
        text = text.replace(" check", "");
        let file = directory.join("haproxy.cfg");
        let maxconn = DEVICES_OF_PROXY + 100;
        fs::write(&file, format!("global\n    maxconn {maxconn}\n{text}    retries 3\n"))
            .expect("the directory is writable");
        let mut command = Command::new("/usr/sbin/haproxy");
        command.arg("-f").arg(&file).arg("-V");
        Self { port, _process: Process::spawn(command), _directory: directory }
    }
}

impl Fleet {
    /// Hosts and proxies for so many devices.
    fn start(devices: usize) -> Self {
        let hosts = Host::network(NODES);
        let cluster = Cluster::start_on(Edition::Newest, &hosts);
        cluster.make_stream("commands", "mq.cmd.>");
        cluster.make_stream("telemetry", "mq.m.>");
        let servers = cluster.servers();
        let nodes = hosts.iter().enumerate().map(|(at, host)| Node::start(at, host, &servers));
        let nodes = nodes.collect();
        // One that fails must have another one beside it, which sends clients to the same nodes.
        let count = devices.div_ceil(DEVICES_OF_PROXY).max(2);
        Self { cluster, nodes, proxies: (0..count).map(|_| Proxy::start(&hosts)).collect() }
    }

    /// A device, and the node at which it is. It subscribes to its commands. `turn` tells which
    /// proxy it uses.
    fn device(&self, number: usize, turn: usize) -> (Client, usize) {
        let (address, id) = (Host::switch().address, format!("device-{number}"));
        let proxy = &self.proxies[(number + turn) % self.proxies.len()];
        let mut client = Client::at_when_up(&address, proxy.port, &id, true);
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

// A command that is published once into NATS reaches its device, at whichever node it is, while all
// devices are connected. Each comes back to its node, through the other HAProxy.
#[test]
fn commands_reach_devices() {
    in_own_network("nodes::commands_reach_devices", || {
        let count = devices();
        let fleet = Fleet::start(count);
        let mut clients: Vec<(Client, usize)> = (0..count).map(|at| fleet.device(at, 0)).collect();
        let commanded = (0..count).step_by(count.div_ceil(300));
        for device in commanded.clone() {
            fleet.command(device, "1");
        }
        for device in commanded {
            expect_command(&mut clients[device].0, device, "1");
        }
        let mut of_node = [0; NODES];
        for (device, (client, node)) in clients.iter_mut().enumerate() {
            of_node[*node] += 1;
            let again;
            (*client, again) = fleet.device(device, 1);
            assert_eq!(again, *node, "device {device}");
        }
        assert!(of_node.iter().all(|count| *count > 0), "{of_node:?}");
        eprintln!("{count} clients came back to their node, which have {of_node:?}");
    });
}

// A node is killed with everything on it, and started again: what its broker had acknowledged is in
// the stream, once, and what was commanded meanwhile reaches its devices.
#[test]
fn killed_node_loses_nothing() {
    const MESSAGES: usize = 3000;
    in_own_network("nodes::killed_node_loses_nothing", || {
        let mut fleet = Fleet::start(12);
        let mut clients: Vec<(Client, usize)> = (0..12).map(|at| fleet.device(at, 0)).collect();
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
                    (*client, *node) = fleet.device(device, victim);
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
