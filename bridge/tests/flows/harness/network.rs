//! Hosts of a network of the test's own: a namespace each, on one switch. The test is on the switch
//! too. See `apart::in_own_network`.

use std::path::Path;
use std::process::Command;

/// Where a program runs.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    /// The address at which its programs listen.
    pub(crate) address: String,
    /// The host's namespace, unless it is that of the test.
    namespace: Option<String>,
}

/// The addresses of the switch, where the test is.
const SWITCH: &str = "10.77.0.254";

impl Host {
    /// The host of the test.
    pub(crate) fn own() -> Self {
        Self { address: "127.0.0.1".to_owned(), namespace: None }
    }

    /// The switch of [`Host::network`].
    pub(crate) fn switch() -> Self {
        Self { address: SWITCH.to_owned(), namespace: None }
    }

    /// So many hosts on a switch. The calling process must be in its own network.
    pub(crate) fn network(count: usize) -> Vec<Self> {
        // No namespace of the system has a name here, and none that is made gets one outside.
        run("mount -t tmpfs ringmq-test /run");
        run("ip link add switch type bridge");
        run(&format!("ip addr add {SWITCH}/24 dev switch"));
        run("ip link set switch up");
        (1..=count).map(Self::attach).collect()
    }

    fn attach(number: usize) -> Self {
        let address = format!("10.77.0.{number}");
        let namespace = format!("node{number}");
        run(&format!("ip netns add {namespace}"));
        let ends = format!("name cable{number} type veth peer name eth0 netns {namespace}");
        run(&format!("ip link add {ends}"));
        run(&format!("ip link set cable{number} master switch up"));
        for inside in ["link set lo up", "link set eth0 up"] {
            run(&format!("ip -n {namespace} {inside}"));
        }
        run(&format!("ip -n {namespace} addr add {address}/24 dev eth0"));
        Self { address, namespace: Some(namespace) }
    }

    /// A program on this host. It keeps its process id: nothing stays around it.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let Some(namespace) = &self.namespace else { return Command::new(program) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(program);
        command
    }
}

/// Runs words that have no spaces of their own.
#[track_caller]
fn run(text: &str) {
    let mut words = text.split(' ');
    let output = Command::new(words.next().expect("split gives one")).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("{text} (iproute2 is needed): {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}: {error}");
}
