//! A subscriber with a persistent session, and its expectations: each message once or more, those
//! of a topic in order, without a gap.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::{PATIENCE, Publish, Random, puback, pubcomp, pubrec, subscribe};
use crate::ledger::Ledger;
use crate::link::{Came, Gone, Link};
use crate::scene::Scene;

/// The behaviour of a subscriber in a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    /// Acknowledges at once.
    Prompt,
    /// Acknowledges late and in any order.
    Lazy,
    /// Reads and acknowledges nothing.
    Mute,
    /// Does not even read.
    Deaf,
    /// Reconnects often.
    Restless,
    /// Connects late.
    Late,
    /// Does not connect.
    Away,
}

const MOODS: [Mood; 10] = [
    Mood::Prompt,
    Mood::Prompt,
    Mood::Lazy,
    Mood::Lazy,
    Mood::Mute,
    Mood::Deaf,
    Mood::Restless,
    Mood::Restless,
    Mood::Late,
    Mood::Away,
];

/// The received messages of one topic.
#[derive(Default)]
struct Seen {
    /// Messages below this number were received.
    next: usize,
    /// How often each was received without DUP.
    fresh: Vec<u16>,
}

/// See the module.
pub(crate) struct Subscriber {
    name: String,
    filter: String,
    granted: u8,
    ledger: Arc<Ledger>,
    random: Random,
    /// The broker has said that there is a session.
    known: bool,
    subscribed: bool,
    /// By topic; `None` for topics without a subscription.
    seen: Vec<Option<Seen>>,
    /// QoS 2 messages that were received and not released: topic and number.
    received: HashMap<u16, (usize, usize)>,
    /// Acknowledgements that are delayed.
    held: Vec<Vec<u8>>,
}

impl Subscriber {
    pub(crate) fn new(
        ledger: &Arc<Ledger>,
        number: usize,
        filter: &str,
        granted: u8,
        random: Random,
    ) -> Self {
        let stem = filter.trim_end_matches('#');
        let has = |name: &str| name.starts_with(stem);
        let seen = ledger.topics.iter().map(|topic| has(&topic.name).then(Seen::default));
        Self {
            name: format!("subscriber-{number}"),
            filter: filter.to_owned(),
            granted,
            seen: seen.collect(),
            ledger: Arc::clone(ledger),
            random,
            known: false,
            subscribed: false,
            received: HashMap::new(),
            held: Vec::new(),
        }
    }

    /// Subscribes, which must succeed: the broker lives.
    pub(crate) fn settle(&mut self, addr: SocketAddr) -> Result<(), String> {
        let (mut link, _) = Link::open(addr, &self.name, false).map_err(|_| "refused")?;
        link.put(&subscribe(1, &[(&self.filter, self.granted)]));
        link.flush().map_err(|_| "refused")?;
        while !matches!(link.next().map_err(|_| "refused")?, Some(Came::Suback)) {}
        self.known = true;
        self.subscribed = true;
        link.leave();
        Ok(())
    }

    /// Receives until the broker is gone; in a scene that drains, until it has all.
    pub(crate) fn run(&mut self, addr: SocketAddr, scene: &Scene) -> Result<(), String> {
        let mood = if scene.drains() { Mood::Prompt } else { self.random.pick(&MOODS) };
        if mood == Mood::Away {
            return Ok(());
        }
        if mood == Mood::Late {
            let ms = self.random.below(500) as u64;
            std::thread::sleep(Duration::from_millis(ms));
        }
        while !scene.is_over() {
            match self.converse(addr, scene, mood) {
                Ok(Ok(true)) => return Ok(()),
                Ok(Ok(false)) => {}
                Ok(Err(text)) => return Err(format!("{} ({mood:?}): {text}", self.name)),
                Err(Gone) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Acknowledged messages that it has not received.
    pub(crate) fn missing(&self) -> Vec<String> {
        let lines = self.seen.iter().enumerate().filter_map(|(topic, seen)| {
            let next = seen.as_ref()?.next;
            let book = self.ledger.book(topic);
            let acked = book.acked[next..].iter().filter(|acked| **acked).count();
            let name = &self.ledger.topics[topic].name;
            let text = || format!("{}: {name} from message {next} on, {acked} acked", self.name);
            (acked > 0).then(text)
        });
        lines.collect()
    }

    fn has_all(&self) -> bool {
        let done = |(topic, seen): (usize, &Option<Seen>)| {
            seen.as_ref().is_none_or(|seen| seen.next == self.ledger.book(topic).sends.len())
        };
        self.received.is_empty() && self.seen.iter().enumerate().all(done)
    }

    /// One connection; whether all is done.
    fn converse(
        &mut self,
        addr: SocketAddr,
        scene: &Scene,
        mood: Mood,
    ) -> Result<Result<bool, String>, Gone> {
        let (mut link, present) = Link::open(addr, &self.name, false)?;
        if self.known && !present {
            return Ok(Err("its session is lost".to_owned()));
        }
        assert!(self.subscribed, "settled at the start");
        self.held.clear();
        let mut heard = Instant::now();
        let mut pinged = false;
        while !scene.is_over() {
            if mood == Mood::Deaf {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            let mut came = link.next()?;
            if came.is_some() {
                heard = Instant::now();
            }
            while let Some(packet) = came {
                match self.hear(&packet, &mut link, mood) {
                    Ok(true) if pinged && self.has_all() => {
                        link.leave();
                        return Ok(Ok(true));
                    }
                    Ok(_) => {}
                    Err(text) => return Ok(Err(text)),
                }
                came = link.next_here();
            }
            if mood == Mood::Lazy && self.random.one_in(10) {
                self.release_some(&mut link);
            }
            link.flush()?;
            if scene.drains() {
                // An unexpected message would arrive before the answer.
                if !pinged && self.has_all() {
                    link.ping()?;
                    pinged = true;
                }
                if heard.elapsed() > PATIENCE {
                    return Ok(Err(format!("nothing comes: {:?}", self.missing())));
                }
            }
            if mood == Mood::Restless && self.random.one_in(50) {
                if self.random.one_in(2) {
                    link.leave();
                }
                return Ok(Ok(false));
            }
        }
        Ok(Ok(false))
    }

    /// Takes a packet; whether it is the answer to a PINGREQ.
    fn hear(&mut self, packet: &Came, link: &mut Link, mood: Mood) -> Result<bool, String> {
        let answer = match packet {
            Came::Publish(message) => self.receive(message)?,
            Came::Pubrel(id) => {
                self.received.remove(id);
                pubcomp(*id)
            }
            Came::Pingresp => return Ok(true),
            other => return Err(format!("this came: {other:?}")),
        };
        match mood {
            Mood::Lazy => self.held.push(answer),
            Mood::Mute | Mood::Deaf => {}
            _ => link.put(&answer),
        }
        Ok(false)
    }

    /// Sends some of the delayed acknowledgements, in any order.
    fn release_some(&mut self, link: &mut Link) {
        for _ in 0..self.random.below(self.held.len() + 1) {
            let at = self.random.below(self.held.len());
            link.put(&self.held.swap_remove(at));
        }
    }

    /// Takes a message; returns the answer.
    fn receive(&mut self, message: &Publish) -> Result<Vec<u8>, String> {
        let name = String::from_utf8_lossy(&message.topic).into_owned();
        let topic = self.ledger.find(&message.topic).ok_or(format!("a topic {name:?}"))?;
        let number = self.ledger.number(topic, &message.payload);
        let number = number.ok_or_else(|| format!("{name}: another payload: {message:?}"))?;
        let what = format!("{name} {number} (id {}, dup {})", message.id, message.dup);
        let qos = self.ledger.topics[topic].qos.min(self.granted);
        if message.qos != qos || message.retain {
            return Err(format!("{what}: QoS {}, retain {}", message.qos, message.retain));
        }
        if qos == 1 {
            self.take(topic, number, message.dup, &what)?;
            return Ok(puback(message.id));
        }
        match self.received.get(&message.id) {
            // It was received before, and is not passed on again [MQTT-4.3.3-2].
            Some(known) if *known == (topic, number) && message.dup => {}
            Some((known, as_number)) => {
                let known = &self.ledger.topics[*known].name;
                return Err(format!("{what}: the id is taken by {known} {as_number}"));
            }
            None => {
                self.take(topic, number, message.dup, &what)?;
                self.received.insert(message.id, (topic, number));
            }
        }
        Ok(pubrec(message.id))
    }

    fn take(&mut self, topic: usize, number: usize, dup: bool, what: &str) -> Result<(), String> {
        let qos = self.ledger.topics[topic].qos;
        let book = self.ledger.book(topic);
        let seen = self.seen[topic].as_mut().ok_or_else(|| format!("{what}: no such filter"))?;
        if number > seen.next {
            let acked = &book.acked[seen.next..number];
            return Err(format!("{what}: due is {}, acked: {acked:?}", seen.next));
        }
        let is_new = number == seen.next;
        if is_new {
            seen.next += 1;
            seen.fresh.push(0);
        }
        if self.granted == 2 && qos == 2 && !is_new {
            return Err(format!("{what}: came twice, due is {}", seen.next));
        }
        seen.fresh[number] += u16::from(!dup);
        // A message that the publisher sends again may be new to a broker that lost the first one.
        let most = book.sends[number];
        if seen.fresh[number] > most {
            let count = seen.fresh[number];
            return Err(format!("{what}: came {count} times without DUP, sent {most} times"));
        }
        Ok(())
    }
}
