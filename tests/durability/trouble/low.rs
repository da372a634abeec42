//! Free space below `--disk-low`: publishers that need the disk wait, and no other client does.

use super::{Filler, expect_nothing_yet, expect_others_go_on, on_tmpfs};
use crate::common::{
    Broker, Client, PINGREQ, PINGRESP, puback, pubcomp, publish, pubrec, pubrel, resume_as,
};

const DISK: &str = "64m";
const LEAST: &str = "24MiB";
const FILLER_BYTES: usize = 44 << 20;

/// Messages that wait when the disk gets low.
const WAITING: u16 = 100;

/// While space is low, publishers that need the disk are not read from, sessions drain and QoS 0
/// passes; with space all continue.
#[test]
fn publishers_wait_for_space() {
    on_tmpfs("trouble::low::publishers_wait_for_space", DISK, || {
        for shards in [1, 2] {
            let broker = Broker::start_with(shards, &["--disk-low", LEAST]);
            resume_as(&broker, "subscriber", false).subscribe_and_leave("queue", 1);
            let mut publisher = Client::connect(&broker, "publisher");
            for number in 0..WAITING {
                publisher.publish(&publish("queue", number.to_string()).qos1(1));
            }
            let filler = Filler::of(FILLER_BYTES);
            // Each shard says so.
            for _ in 0..shards {
                broker.wait_for_line("(--disk-low): publishers that need the disk wait");
            }
            let waiting = [
                [publish("queue", "a").qos1(7).bytes(), puback(7)],
                [publish("kept", "b").qos1(7).retained().bytes(), puback(7)],
                [publish("queue", "c").qos2(7).bytes(), pubrec(7)],
            ];
            let mut publishers = ["one", "two", "three"].map(|id| Client::connect(&broker, id));
            for (client, [packet, _]) in publishers.iter_mut().zip(&waiting) {
                client.send(packet);
                client.send(PINGREQ);
            }
            expect_others_go_on(&broker);
            let mut subscriber = resume_as(&broker, "subscriber", true);
            for number in 0..WAITING {
                subscriber.expect_publish(&publish("queue", number.to_string()).at(1));
            }
            // Its acknowledgements are kept, and so is a session that begins.
            subscriber.leave();
            resume_as(&broker, "late", false).subscribe_and_leave("elsewhere", 1);
            let mut subscriber = resume_as(&broker, "subscriber", true);
            subscriber.expect_silence();
            publishers.iter().for_each(expect_nothing_yet);
            drop(filler);
            for _ in 0..shards {
                broker.wait_for_line("publishers go on");
            }
            for (client, [_, answer]) in publishers.iter_mut().zip(&waiting) {
                // The latter promises nothing, and may be first.
                let mut came = [client.read_packet(), client.read_packet()];
                came.sort();
                assert_eq!(came, [answer, PINGRESP]);
            }
            publishers[2].send(&pubrel(7));
            publishers[2].expect(&pubcomp(7));
            let mut came = [subscriber.read_publish(), subscriber.read_publish()];
            came.sort_by_key(|came| came.payload.clone());
            assert_eq!(came.map(|came| came.payload), [b"a", b"c"]);
        }
    });
}
