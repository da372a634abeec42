//! Many clients at once: 10,000 connect, communicate and leave together; then the broker has no
//! more descriptors and hardly more memory than before.

use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::common::{
    Broker, Client, Resources, connack, connect, publish, resume_as, socket_from, until,
};

const CLIENTS: usize = 10_000;
const THREADS: usize = 4;

/// The memory that the allocator may keep after the first crowd: about 6 KiB for each client. The
/// second crowd must reuse it.
const KEPT_BYTES_MAX: u64 = 64 * 1024 * 1024;
const KEPT_AGAIN_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Allows as many descriptors as the system does; the broker inherits the limit.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("up to the maximum");
    let enough = u64::try_from(CLIENTS + 1_000).expect("small");
    assert!(
        maximum.is_none_or(|count| count >= enough),
        "this test needs {enough} descriptors, the hard limit is {maximum:?}: see ulimit -Hn"
    );
}

/// Connects the whole crowd, each with a subscription, then drops all at once.
fn come_and_go(broker: &Broker, idle: Resources) {
    let crowd: Vec<Client> = thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|worker| {
                scope.spawn(move || {
                    (worker..CLIENTS)
                        .step_by(THREADS)
                        .map(|number| {
                            let id = format!("crowd-{number}");
                            let source = u8::try_from(1 + number % 200).expect("at most 200");
                            let socket = socket_from([127, 0, 2, source], broker.addr());
                            let mut client = Client::over(socket);
                            client.send(&connect(&id).bytes());
                            client.expect(&connack(false, 0));
                            client.subscribe(&format!("crowd/{number}"), 1);
                            client
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("connects")).collect()
    });
    let full = broker.resources();
    assert!(full.fds >= idle.fds + CLIENTS, "{full:?} with {CLIENTS} clients");
    println!("full: {full:?}");
    let mut publisher = Client::connect(broker, "publisher");
    for number in [0, CLIENTS / 2, CLIENTS - 1] {
        publisher.publish(&publish(format!("crowd/{number}"), "x").qos1(1));
    }
    drop(crowd);
    // The publisher asks until the last descriptor is gone; a leak makes it ask in vain.
    until("the last descriptor is gone", || {
        publisher.expect_silence();
        broker.resources().fds <= idle.fds + 1
    });
}

/// Waits until the broker has less memory than this, which it returns step by step after clients
/// have gone. Returns what it has then.
fn shrinks_to(broker: &Broker, bytes: u64) -> Resources {
    let mut asker = Client::connect(broker, "asker");
    let mut now = broker.resources();
    until("memory is given back", || {
        asker.expect_silence();
        now = broker.resources();
        now.rss_bytes < bytes
    });
    asker.leave();
    now
}

/// After 10,000 clients have gone, so have their descriptors and their memory.
#[test]
fn ten_thousand_come_and_go() {
    raise_descriptor_limit();
    for shards in [1, 2] {
        let broker = Broker::start(shards);
        let fds = broker.resources().fds;
        // The memory that is allocated for the first client belongs to the idle state.
        Client::connect(&broker, "first").leave();
        let rss_bytes = broker.resources().rss_bytes;
        let idle = Resources { fds, rss_bytes };
        come_and_go(&broker, idle);
        let once = shrinks_to(&broker, idle.rss_bytes + KEPT_BYTES_MAX);
        println!("idle: {idle:?}, after the first crowd: {once:?}");
        come_and_go(&broker, idle);
        let twice = shrinks_to(&broker, once.rss_bytes + KEPT_AGAIN_BYTES_MAX);
        println!("after the second: {twice:?}");
        // And it works.
        let mut client = resume_as(&broker, "after", false);
        client.subscribe("crowd/#", 0);
        client.publish(&publish("crowd/0", "x"));
        client.expect_publish(&publish("crowd/0", "x"));
        broker.stop();
    }
}
