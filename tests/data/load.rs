//! A busy broker: segments fill, are released and used again all the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use crate::common::{Broker, Client, PATIENCE, connect, puback, publish, resume_as};

/// Messages that a publisher has under way.
const WINDOW: u16 = 32;

/// Bytes of a payload: some hundred messages fill a part of a segment.
const PAYLOAD_BYTES: usize = 4000;

/// One in this many messages is for the session of the absent client.
const ABSENT_ONE_IN: u64 = 8;

/// Acknowledged messages by publisher, with a signal after each change.
#[derive(Default)]
struct Acked(Mutex<Vec<u64>>, Condvar);

/// Publishers, and a consumer that acknowledges its messages.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    acked: Arc<Acked>,
    publishers: Vec<JoinHandle<()>>,
    consumer: JoinHandle<()>,
}

/// The topic of the last message for the consumer.
const LAST: &str = "passing/last";

/// The session whose client is away.
pub(crate) const ABSENT: &str = "absent";

impl Load {
    /// Starts it.
    pub(crate) fn start(broker: &Broker, publishers: usize) -> Self {
        let absent = Client::connect_with(broker, &connect(ABSENT).persistent());
        absent.subscribe_and_leave("absent/#", 1);
        let mut consumer = Client::connect_with(broker, &connect("consumer").persistent());
        consumer.subscribe("passing/#", 1);
        let consumer = thread::spawn(move || consume(&mut consumer));
        let stop = Arc::new(AtomicBool::new(false));
        let acked = Arc::new(Acked(Mutex::new(vec![0; publishers]), Condvar::new()));
        let publishers = (0..publishers).map(|at| {
            let mut client = resume_as(broker, &format!("publisher-{at}"), false);
            let (acked, stop) = (acked.clone(), stop.clone());
            thread::spawn(move || publish_all(&mut client, at, &acked, &stop))
        });
        let publishers = publishers.collect();
        Self { stop, acked, publishers, consumer }
    }

    /// The numbers of acknowledged messages so far, by publisher.
    pub(crate) fn acked(&self) -> Vec<u64> {
        self.acked.0.lock().expect("no holder panics").clone()
    }

    /// Waits until `more` further messages were acknowledged in all.
    pub(crate) fn wait_for(&self, more: u64) {
        let Acked(counts, signal) = &*self.acked;
        let mut counts = counts.lock().expect("no holder panics");
        let end = counts.iter().sum::<u64>() + more;
        while counts.iter().sum::<u64>() < end {
            let (next, waited) = signal.wait_timeout(counts, PATIENCE).expect("no holder panics");
            assert!(!waited.timed_out(), "no publisher goes on");
            counts = next;
        }
    }

    /// Ends it.
    pub(crate) fn end(self, broker: &Broker) {
        self.stop.store(true, Ordering::SeqCst);
        for publisher in self.publishers {
            publisher.join().expect("it came to its end");
        }
        Client::connect(broker, "last").publish(&publish(LAST, "").qos1(1));
        self.consumer.join().expect("it came to its end");
    }
}

/// Whether a publisher's message is for the session whose client is away.
pub(crate) fn is_absent(number: u64) -> bool {
    number.is_multiple_of(ABSENT_ONE_IN)
}

fn publish_all(client: &mut Client, at: usize, acked: &Acked, stop: &AtomicBool) {
    let mut number = 0_u64;
    while !stop.load(Ordering::SeqCst) {
        for id in 1..=WINDOW {
            let topic = if is_absent(number) { "absent" } else { "passing" };
            let payload = format!("{number} {}", "x".repeat(PAYLOAD_BYTES));
            client.send(&publish(format!("{topic}/{at}"), payload).qos1(id).bytes());
            number += 1;
        }
        for id in 1..=WINDOW {
            client.expect(&puback(id));
        }
        acked.0.lock().expect("no holder panics")[at] = number;
        acked.1.notify_all();
    }
}

fn consume(client: &mut Client) {
    loop {
        let message = client.read_publish();
        client.send(&puback(message.id));
        if message.topic == LAST.as_bytes() {
            return;
        }
    }
}
