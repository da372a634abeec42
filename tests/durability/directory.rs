//! The data directory as an operator meets it.

use crate::common::{BROKER_ENDS, Broker, Client, End, publish, resume_as, run_to_exit};
use crate::setup::NAMES;

/// A second broker on the directory ends with 1 and names it; the first is not disturbed.
#[test]
fn second_broker_is_refused() {
    let broker = Broker::start(1);
    let dir = broker.data_dir().to_str().expect("it is made of text").to_owned();
    let (code, said) = run_to_exit(&["--listen", "127.0.0.1:0", "--data-dir", &dir]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&dir), "{dir} is not named in: {said}");
    let mut client = resume_as(&broker, "client", false);
    client.subscribe("a", 1);
    Client::connect(&broker, "publisher").publish(&publish("a", "x").qos1(1));
    client.expect_publish(&publish("a", "x").at(1));
}

/// The number of shards is the directory's: another ends the start with 1, none takes it.
#[test]
fn number_of_shards_stays() {
    for end in BROKER_ENDS {
        let mut broker = Broker::start(2);
        for name in NAMES {
            resume_as(&broker, name, false).subscribe_and_leave("a", 1);
        }
        let dir = broker.data_dir().to_str().expect("it is made of text").to_owned();
        broker.end(end);
        for shards in ["1", "3"] {
            let flags = ["--listen", "127.0.0.1:0", "--data-dir", &dir, "--shards", shards];
            let (code, said) = run_to_exit(&flags);
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains("--shards") && said.contains('2'), "{said}");
        }
        broker.start_again();
        for name in NAMES {
            resume_as(&broker, name, true).expect_silence();
        }
    }
}

/// Brokers that are ended again and again, also before anything has happened, start again.
#[test]
fn restarts_in_a_row() {
    for end in [End::Killed, End::Stopped] {
        for shards in [1, 2] {
            let mut broker = Broker::start(shards);
            for round in 0..6 {
                broker.restart(end);
                if round == 3 {
                    resume_as(&broker, "client", false).subscribe_and_leave("a", 1);
                }
            }
            Client::connect(&broker, "publisher").publish(&publish("a", "x").qos1(1));
            resume_as(&broker, "client", true).expect_publish(&publish("a", "x").at(1));
        }
    }
}
