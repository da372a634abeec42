//! Clients that connect, disconnect and end their sessions: they check whether a session is
//! present, and exercise the broker's tables.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::common::{Publish, Random, puback, pubcomp, pubrec, subscribe, unsubscribe};
use crate::ledger::{Kind, Ledger};
use crate::link::{Came, Gone, Link};
use crate::scene::Scene;

/// Client ids that one vagrant has.
const NAMES: usize = 8;

/// See the module.
pub(crate) struct Vagrant {
    number: usize,
    ledger: Arc<Ledger>,
    random: Random,
    /// By client id: whether it has a session, if known.
    sessions: [Option<bool>; NAMES],
}

impl Vagrant {
    pub(crate) fn new(ledger: &Arc<Ledger>, number: usize, random: Random) -> Self {
        let ledger = Arc::clone(ledger);
        Self { number, ledger, random, sessions: [Some(false); NAMES] }
    }

    /// Goes on until the broker is gone.
    pub(crate) fn run(&mut self, addr: SocketAddr, scene: &Scene) -> Result<(), String> {
        while !scene.is_over() && !scene.drains() {
            match self.visit(addr, scene) {
                Ok(Ok(())) => {}
                Ok(Err(text)) => return Err(format!("vagrant {}: {text}", self.number)),
                Err(Gone) => return Ok(()),
            }
        }
        Ok(())
    }

    fn visit(&mut self, addr: SocketAddr, scene: &Scene) -> Result<Result<(), String>, Gone> {
        let at = self.random.below(NAMES);
        let name = format!("vagrant-{}-{at}", self.number);
        let clean = self.random.one_in(4);
        let known = self.sessions[at].take();
        let (mut link, present) = Link::open(addr, &name, clean)?;
        let expected = if clean { Some(false) } else { known };
        if expected.is_some_and(|expected| expected != present) {
            return Ok(Err(format!("{name}: session present {present}, clean {clean}")));
        }
        self.sessions[at] = Some(!clean);
        for _ in 0..self.random.below(4) {
            let publisher = self.random.below(4);
            let filters = ["r/#", "m/+/0", "m/+/1", "r/+/0", "s/#", "m/none"];
            let any = self.random.pick(&filters);
            let one = format!("m/{publisher}/#");
            let filter = if self.random.one_in(3) { &one } else { any };
            if self.random.one_in(3) {
                link.put(&unsubscribe(2, &[filter]));
            } else {
                let qos = u8::try_from(self.random.below(3)).expect("below 3");
                link.put(&subscribe(2, &[(filter, qos)]));
            }
        }
        link.flush()?;
        for _ in 0..self.random.below(20) {
            if scene.is_over() {
                break;
            }
            let mut came = link.next()?;
            while let Some(packet) = came {
                if let Err(text) = self.hear(&packet, &mut link) {
                    return Ok(Err(format!("{name}: {text}")));
                }
                came = link.next_here();
            }
            link.flush()?;
        }
        if self.random.one_in(2) {
            link.leave();
        }
        Ok(Ok(()))
    }

    fn hear(&mut self, packet: &Came, link: &mut Link) -> Result<(), String> {
        // Some acknowledge nothing for a while.
        let answers = !self.random.one_in(20);
        let answer = match packet {
            Came::Publish(message) => {
                self.check(message)?;
                match message.qos {
                    0 => Vec::new(),
                    1 => puback(message.id),
                    _ => pubrec(message.id),
                }
            }
            Came::Pubrel(id) => pubcomp(*id),
            Came::Suback | Came::Other => Vec::new(),
            other => return Err(format!("this came: {other:?}")),
        };
        if answers {
            link.put(&answer);
        }
        Ok(())
    }

    fn check(&self, message: &Publish) -> Result<(), String> {
        let topic = self.ledger.find(&message.topic);
        let topic = topic.ok_or_else(|| format!("a topic {:?}", message.topic))?;
        let cleared = message.payload.is_empty() && self.ledger.topics[topic].kind == Kind::Cleared;
        match cleared && !message.retain || self.ledger.number(topic, &message.payload).is_some() {
            true => Ok(()),
            false => Err(format!("another payload: {message:?}")),
        }
    }
}
