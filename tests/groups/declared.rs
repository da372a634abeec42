//! Groups that a file declares: they exist without members, and set aside what no member takes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::common::v5::{self, Publish, ack, props};
use crate::common::{Broker, Client, DataDir, End, publish};
use crate::{assert_all, gather, member, publish_all};

/// A file of groups; it is removed with its directory.
struct File {
    _directory: DataDir,
    path: PathBuf,
}

impl File {
    fn new(text: &str) -> Self {
        let directory = DataDir::fresh();
        fs::create_dir_all(directory.path()).expect("there is room");
        let path = directory.path().join("groups");
        fs::write(&path, text).expect("there is room");
        Self { _directory: directory, path }
    }

    fn start(&self, shards: usize) -> Broker {
        Broker::start_with(shards, &["--groups", self.text()])
    }

    fn text(&self) -> &str {
        self.path.to_str().expect("it is text")
    }
}

/// A declared group keeps what is published while it has no members, for a broker that is killed
/// too, and does not end by its last UNSUBSCRIBE.
#[test]
fn declared_groups_stay() {
    for (shards, end) in [(1, End::Killed), (2, End::Killed), (2, End::Stopped)] {
        let file = File::new("# ours\ngroup g t/#\n");
        let mut broker = file.start(shards);
        publish_all(&broker, 0..8);
        broker.restart(end);
        publish_all(&broker, 8..12);
        let mut client = member(&broker, "fern", 1);
        let got = gather(&mut [&mut client], 12);
        assert_all(&got, 0..12, true);
        client.unsubscribe("$share/g/t/#");
        client.leave();
        publish_all(&broker, 12..16);
        let mut client = member(&broker, "hazel", 1);
        let got = gather(&mut [&mut client], 4);
        assert_all(&got, 12..16, true);
        broker.stop();
    }
}

/// A reload declares groups, and lets them go: then the last UNSUBSCRIBE ends them. A file that is
/// wrong changes nothing, and is told with its line.
#[test]
fn reload_declares_groups() {
    let file = File::new("");
    let broker = file.start(1);
    fs::write(&file.path, "group g t/#\n").expect("there is room");
    broker.reload();
    // A connection that is made now comes behind the new policy.
    publish_all(&broker, 0..4);
    fs::write(&file.path, "group g t/#\n  order = any\n").expect("there is room");
    broker.hang_up();
    broker.wait_for_line("groups:2: order takes topic, sticky or none");
    publish_all(&broker, 4..6);
    let mut client = member(&broker, "fern", 1);
    let got = gather(&mut [&mut client], 6);
    assert_all(&got, 0..6, true);
    fs::write(&file.path, "").expect("there is room");
    broker.reload();
    publish_all(&broker, 6..8);
    gather(&mut [&mut client], 2);
    client.unsubscribe("$share/g/t/#");
    publish_all(&broker, 8..10);
    member(&broker, "hazel", 1).expect_silence();
    broker.stop();
}

/// `ringmq check` tells what is wrong with a file, and where.
#[test]
fn check_reads_the_file() {
    let file = File::new("group g t/#\ndead-letter = t/dead\n");
    let data = DataDir::fresh();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq"));
    command.args(["check", "--groups", file.text(), "--data-dir"]).arg(data.path());
    let output = command.output().expect("the program is there");
    let says = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(2), "{says}");
    for part in ["groups:2:", "dead-letter \"t/dead\" matches the group's own filter"] {
        assert!(says.contains(part), "{part} is missing in {says}");
    }
}

const DEAD: &str = "group g t/#\n dead-letter = dead/g\n max-deliveries = 3\ngroup d dead/#\n";

/// A member of the group that what no member takes comes to.
fn undertaker(broker: &Broker, name: &str) -> Client {
    let (mut client, _) = Client::connect_v5_with(broker, &v5::connect(name));
    client.subscribe_v5("$share/d/dead/#", 1);
    client
}

/// Each PUBACK promises that the log has what came before; the second, also what the first has let
/// happen.
fn fence(broker: &Broker) {
    let mut publisher = Client::connect(broker, "fence");
    for id in 1..=2 {
        publisher.publish(&publish("dead/fence", "").qos1(id));
    }
    publisher.leave();
}

#[track_caller]
fn expect_dead(client: &mut Client, payload: &str, why: &str) -> Publish {
    let came = loop {
        let came = client.read_publish_v5();
        if came.topic != b"dead/fence" {
            break came;
        }
        client.acknowledge(1, came.id);
    };
    assert_eq!((&*came.topic, &*came.payload), (&b"dead/g"[..], payload.as_bytes()));
    let told = came.props.users();
    for pair in [("ringmq-group", "$share/g/t/#"), ("ringmq-topic", "t/1"), ("ringmq-reason", why)]
    {
        assert!(told.contains(&pair), "{pair:?} is not in {told:?}");
    }
    came
}

/// What a member refuses goes to the dead-letter topic, with its properties, and to no other
/// member; also if the broker is killed then.
#[test]
fn refused_messages_go_to_a_topic() {
    for shards in [1, 2] {
        let file = File::new(DEAD);
        let mut broker = file.start(shards);
        let (mut client, _) = Client::connect_v5_with(&broker, &v5::connect("fern"));
        client.subscribe_v5("$share/g/t/#", 1);
        let mut publisher = Client::connect_v5(&broker, "publisher");
        let bad = v5::publish("t/1", "bad")
            .qos1(1)
            .with(|props| props.four(2, 1000).text(3, "text/x").user("a", "b"));
        assert_eq!(publisher.publish_v5(&bad), 0);
        let came = client.read_publish_v5();
        client.send(&ack(0x40, came.id, 0x83, &props()));
        let mut dead = undertaker(&broker, "hazel");
        let came = expect_dead(&mut dead, "bad", "refused");
        assert_eq!((came.props.str(3), came.props.has(2)), (Some("text/x"), false));
        assert!(came.props.users().contains(&("a", "b")));
        if shards == 1 {
            fence(&broker);
            broker.restart(End::Killed);
            dead = undertaker(&broker, "kale");
            let again = expect_dead(&mut dead, "bad", "refused");
            dead.acknowledge(1, again.id);
            member(&broker, "nettle", 1).expect_silence();
        } else {
            dead.acknowledge(1, came.id);
            publish_all(&broker, 2..3);
            let next = client.read_publish_v5();
            assert_eq!(next.payload, b"number 2", "and nothing before it");
        }
    }
}

/// A message with which members are lost again and again is set aside, and what is behind it goes
/// on; what was counted before a broker was killed counts.
#[test]
fn poison_is_set_aside() {
    for restarts in [false, true] {
        let file = File::new(DEAD);
        let mut broker = file.start(1);
        let mut publisher = Client::connect(&broker, "publisher");
        for (id, payload) in [(1, "poison"), (2, "good")] {
            publisher.publish(&publish("t/1", payload).qos1(id));
        }
        publisher.leave();
        for losses in 0..3 {
            let mut client = member(&broker, "fern", 1);
            assert_eq!(client.read_publish().payload, b"poison");
            if losses < 2 {
                assert_eq!(client.read_publish().payload, b"good");
            } else {
                client.expect_silence();
            }
            client.leave();
            if losses == 1 && restarts {
                fence(&broker);
                broker.restart(End::Killed);
            }
        }
        let mut dead = undertaker(&broker, "hazel");
        let came = expect_dead(&mut dead, "poison", "max-deliveries");
        dead.acknowledge(1, came.id);
        let mut client = member(&broker, "kale", 1);
        let good = client.read_publish();
        assert_eq!(good.payload, b"good");
        client.acknowledge(1, good.id);
        client.expect_silence();
        broker.stop();
    }
}

/// A group that is full drops what its own bound says; one without has the broker's.
#[test]
fn own_bounds() {
    let file = File::new("group g t/#\nmax-bytes = 4KiB\ngroup h t/#\n");
    let broker = file.start(1);
    publish_all(&broker, 0..400);
    let mut small = member(&broker, "fern", 1);
    let mut large = Client::connect(&broker, "hazel");
    large.subscribe("$share/h/t/#", 1);
    let got = gather(&mut [&mut large], 400);
    assert_all(&got, 0..400, true);
    let got = small.read_to_fence().len();
    assert!((10..200).contains(&got), "{got}");
    broker.stop();
}
