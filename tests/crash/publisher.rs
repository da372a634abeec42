//! A publisher with a persistent session: after each end of its connection it sends unacknowledged
//! messages again, in order (4.4).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::common::{Random, pubrel};
use crate::ledger::Ledger;
use crate::link::{Came, Gone, Link};
use crate::scene::{Scene, Theme};

/// A message on its way.
struct Flight {
    /// Its packet identifier.
    id: u16,
    topic: usize,
    number: usize,
    qos: u8,
    /// PUBREC was received: the broker owns the message.
    released: bool,
}

/// See the module.
pub(crate) struct Publisher {
    name: String,
    ledger: Arc<Ledger>,
    topics: Vec<usize>,
    random: Random,
    /// In order of sending.
    flights: VecDeque<Flight>,
    /// By packet identifier less 1: whether it is in use. The lowest free one is next, so that
    /// identifiers are reused as soon as possible.
    taken: Vec<bool>,
    /// Whether the broker has reported a session.
    known: bool,
}

impl Publisher {
    pub(crate) fn new(ledger: &Arc<Ledger>, number: usize, mut random: Random) -> Self {
        let of_ours = |topic: &usize| ledger.topics[*topic].publisher == number;
        let window = [4, 20, 100][random.below(3)];
        Self {
            name: format!("publisher-{number}"),
            ledger: Arc::clone(ledger),
            topics: (0..ledger.topics.len()).filter(of_ours).collect(),
            random,
            flights: VecDeque::new(),
            taken: vec![false; window],
            known: false,
        }
    }

    /// Publishes until the broker is gone; in a scene that drains, until all is acknowledged.
    pub(crate) fn run(&mut self, addr: SocketAddr, scene: &Scene) -> Result<(), String> {
        // Some stay connected and others reconnect often.
        let restless = if self.random.one_in(2) { 0 } else { 200 };
        while !scene.is_over() {
            match self.converse(addr, scene, restless) {
                Ok(Ok(true)) => return Ok(()),
                Ok(Ok(false)) => {}
                Ok(Err(text)) => return Err(format!("{}: {text}", self.name)),
                Err(Gone) => return Ok(()),
            }
        }
        Ok(())
    }

    /// One connection; whether all is done.
    fn converse(
        &mut self,
        addr: SocketAddr,
        scene: &Scene,
        restless: usize,
    ) -> Result<Result<bool, String>, Gone> {
        let (mut link, present) = Link::open(addr, &self.name, false)?;
        if self.known && !present {
            return Ok(Err("its session is lost".to_owned()));
        }
        self.known = true;
        for flight in &self.flights {
            if flight.released {
                link.put(&pubrel(flight.id));
                continue;
            }
            self.ledger.book(flight.topic).sends[flight.number] += 1;
            let message = self.ledger.message(flight.topic, flight.number).again();
            link.put(&with_id(message, flight.id));
        }
        link.flush()?;
        while !scene.is_over() {
            if scene.drains() && self.flights.is_empty() {
                link.leave();
                return Ok(Ok(true));
            }
            while !scene.drains() && self.flights.len() < self.taken.len() {
                self.publish(scene.theme(), &mut link);
            }
            link.flush()?;
            let mut came = link.next()?;
            while let Some(packet) = came {
                if let Err(text) = self.hear(&packet, &mut link) {
                    return Ok(Err(text));
                }
                came = link.next_here();
            }
            if self.random.one_in(restless) {
                if self.random.one_in(2) {
                    link.leave();
                }
                return Ok(Ok(false));
            }
        }
        Ok(Ok(false))
    }

    fn publish(&mut self, theme: Theme, link: &mut Link) {
        let topic = loop {
            let topic = self.random.pick(&self.topics);
            if theme.has(&self.ledger.topics[topic]) {
                break topic;
            }
        };
        let free = self.taken.iter().position(|taken| !taken);
        let at = free.expect("the window has room");
        self.taken[at] = true;
        let id = u16::try_from(at + 1).expect("windows are small");
        let number = self.ledger.begin(topic);
        let message = self.ledger.message(topic, number);
        self.flights.push_back(Flight { id, topic, number, qos: message.qos, released: false });
        link.put(&with_id(message, id));
    }

    fn hear(&mut self, packet: &Came, link: &mut Link) -> Result<(), String> {
        let (id, qos, released) = match packet {
            Came::Puback(id) => (*id, 1, false),
            Came::Pubrec(id) => (*id, 2, false),
            Came::Pubcomp(id) => (*id, 2, true),
            other => return Err(format!("this came: {other:?}")),
        };
        let is_it = |f: &Flight| (f.id, f.qos, f.released) == (id, qos, released);
        let at = self.flights.iter().position(is_it);
        let at = at.ok_or_else(|| format!("nothing waits for {packet:?}"))?;
        let flight = &mut self.flights[at];
        self.ledger.book(flight.topic).acked[flight.number] = true;
        if let Came::Pubrec(_) = packet {
            flight.released = true;
            link.put(&pubrel(id));
        } else {
            self.flights.remove(at);
            self.taken[usize::from(id) - 1] = false;
        }
        Ok(())
    }
}

fn with_id(mut message: crate::common::Publish, id: u16) -> Vec<u8> {
    message.id = id;
    message.bytes()
}
