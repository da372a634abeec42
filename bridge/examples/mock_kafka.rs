//! librdkafka's mock broker as a process, for `scripts/bridge-bench`: it prints its address, and
//! ends with its standard input.

use std::io::Read;

use rdkafka::mocking::MockCluster;

const BROKERS: i32 = 1;
const TOPIC: &str = "t";
const PARTITIONS: i32 = 4;

fn main() {
    let cluster = MockCluster::new(BROKERS).expect("the mock broker starts");
    cluster.create_topic(TOPIC, PARTITIONS, BROKERS).expect("the name is one");
    println!("{}", cluster.bootstrap_servers());
    // An error of the input is its end too.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
