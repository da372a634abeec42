//! `ringmq-store` with a broker that writes: its output is the committed data.

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::common::{Broker, Client, connect, publish};
use crate::load::{ABSENT, Load, is_absent};
use crate::tools::{files, store, text};

/// Messages after which files have been used again several times on each shard.
const MUCH: u64 = 6_000;

/// While segments are recycled, nothing looks damaged: each command shows the data and reports that
/// a broker is running; the directory is not changed.
#[test]
fn it_tells_what_is_committed() {
    for shards in [1, 2] {
        let broker = Broker::start(shards);
        let dir = text(broker.data_dir()).to_owned();
        let mut keeper = Client::connect_with(&broker, &connect("keeper").persistent());
        for number in 1..=30 {
            keeper.publish(&publish(format!("kept/{number}"), "it").qos1(number).retained());
        }
        let load = Load::start(&broker, 2);
        for _ in 0..8 {
            load.wait_for(MUCH / 8);
            let acked = load.acked();
            let said = store(&["check", "--json", &dir]);
            assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
            assert!(said.err.contains("is in use"), "{}", said.err);
            let told = &said.lines()[0];
            assert!(told["live"] == true && told["damaged"] == false, "{told}");

            let said = store(&["dump", "--session", ABSENT, &dir]);
            assert_eq!(said.code, Some(0), "{}", said.err);
            let lines = said.lines();
            for (publisher, acked) in acked.iter().enumerate() {
                let topic = format!("absent/{publisher}");
                let of_it = lines.iter().filter(|line| line["topic"] == *topic);
                let numbers: Vec<u64> = of_it.map(|line| number(&line["payload"])).collect();
                let expected = (0..).filter(|number| is_absent(*number)).take(numbers.len());
                assert!(numbers.iter().copied().eq(expected), "{topic}: {numbers:?}");
                let least = (0..*acked).filter(|number| is_absent(*number)).count();
                assert!(numbers.len() >= least, "{topic}: {} of {least}", numbers.len());
            }

            let said = store(&["dump", "--retained", "kept/#", &dir]);
            assert_eq!((said.code, said.lines().len()), (Some(0), 30), "{}", said.err);
            let said = store(&["stat", "--json", "--sessions", &dir]);
            let lines = said.lines();
            let total = &lines.last().expect("there is one")["total"];
            assert_eq!((said.code, &total["retained"]), (Some(0), &30.into()), "{}", said.err);
        }
        load.end(&broker);
        broker.stop();
    }
}

fn number(payload: &serde_json::Value) -> u64 {
    let text = payload.as_str().expect("it is text");
    text.split(' ').next().and_then(|number| number.parse().ok()).expect("a number")
}

/// A look at an idle broker's directory leaves every byte as it is, and makes no file.
#[test]
fn it_changes_nothing() {
    let broker = Broker::start(2);
    // It makes files ahead in its own time.
    broker.signal(Signal::STOP);
    let pid = Pid::from_raw(i32::try_from(broker.pid()).expect("it has one"));
    waitpid(pid, WaitOptions::UNTRACED).expect("it is our child");
    let before = files(broker.data_dir());
    for command in ["check", "stat", "dump"] {
        let said = store(&[command, text(broker.data_dir())]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.err.contains("is in use"), "{}", said.err);
    }
    assert!(files(broker.data_dir()) == before);
    broker.signal(Signal::CONT);
    broker.stop();
}

impl Broker {
    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("it has one"), signal).expect("it is our child");
    }
}
