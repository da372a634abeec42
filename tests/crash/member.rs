//! Members of one consumer group, and what they must get between them: each message once or more,
//! those of a topic in order, none left out.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use crate::common::{PATIENCE, Publish, Random, puback, subscribe};
use crate::ledger::{Kind, Ledger};
use crate::link::{Came, Gone, Link};
use crate::scene::Scene;

/// Members there are.
pub(crate) const MEMBERS: usize = 4;

const FILTER: &str = "$share/crash/m/#";

/// What a member does in a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    /// Answers at once.
    Prompt,
    /// Answers late and in any order.
    Lazy,
    /// Reads and answers nothing.
    Mute,
    /// Comes and goes.
    Restless,
    /// Does not come.
    Away,
}

const MOODS: [Mood; 8] = [
    Mood::Prompt,
    Mood::Prompt,
    Mood::Lazy,
    Mood::Lazy,
    Mood::Mute,
    Mood::Restless,
    Mood::Restless,
    Mood::Away,
];

/// What the members have of one topic.
#[derive(Default)]
struct Seen {
    /// Messages below this number came.
    next: usize,
    /// A member has answered it.
    answered: Vec<bool>,
}

/// What the group has got.
pub(crate) struct Group {
    ledger: Arc<Ledger>,
    /// By topic; `None` for those it does not have.
    seen: Mutex<Vec<Option<Seen>>>,
}

impl Group {
    pub(crate) fn new(ledger: &Arc<Ledger>) -> Self {
        let is_its = |kind: Kind| (kind == Kind::Live).then(Seen::default);
        let seen = ledger.topics.iter().map(|topic| is_its(topic.kind)).collect();
        Self { ledger: Arc::clone(ledger), seen: Mutex::new(seen) }
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Option<Seen>>> {
        self.seen.lock().expect("no holder panics")
    }

    /// What no member has answered of what the broker has taken over.
    pub(crate) fn missing(&self) -> Vec<String> {
        let seen = self.seen();
        let lines = seen.iter().enumerate().filter_map(|(topic, seen)| {
            let answered = &seen.as_ref()?.answered;
            let book = self.ledger.book(topic);
            let is_missing = |at: &usize| book.acked[*at] && answered.get(*at) != Some(&true);
            let missing: Vec<usize> = (0..book.acked.len()).filter(is_missing).collect();
            let (first, name) = (missing.first()?, &self.ledger.topics[topic].name);
            Some(format!("group: {name} from {first} on, {} acked", missing.len()))
        });
        lines.collect()
    }

    fn has_all(&self) -> bool {
        let seen = self.seen();
        let mut all = seen.iter().enumerate().filter_map(|(at, seen)| Some((at, seen.as_ref()?)));
        all.all(|(topic, seen)| {
            let count = self.ledger.book(topic).sends.len();
            seen.answered.len() == count && seen.answered.iter().all(|answered| *answered)
        })
    }

    /// A message came to a member.
    fn take(&self, topic: usize, number: usize, what: &str) -> Result<(), String> {
        let mut seen = self.seen();
        let seen = seen[topic].as_mut().ok_or_else(|| format!("{what}: not of the group"))?;
        if number > seen.next {
            return Err(format!("{what}: due is {}", seen.next));
        }
        if number == seen.next {
            seen.next += 1;
            seen.answered.push(false);
        }
        Ok(())
    }

    fn note_answered(&self, topic: usize, number: usize) {
        if let Some(seen) = &mut self.seen()[topic] {
            seen.answered[number] = true;
        }
    }
}

/// See the module.
pub(crate) struct Member {
    name: String,
    /// Its session ends with its connection.
    clean: bool,
    group: Arc<Group>,
    random: Random,
    /// Messages that it has not answered: identifier, topic and number.
    held: Vec<(u16, usize, usize)>,
}

impl Member {
    pub(crate) fn new(group: &Arc<Group>, number: usize, random: Random) -> Self {
        let (name, group) = (format!("member-{number}"), Arc::clone(group));
        Self { name, clean: number == 1, group, random, held: Vec::new() }
    }

    /// Joins, which must succeed: the broker lives.
    pub(crate) fn settle(&mut self, addr: SocketAddr) -> Result<(), String> {
        let (mut link, _) = Link::open(addr, &self.name, self.clean).map_err(|_| "refused")?;
        self.join(&mut link).map_err(|_| "refused")?;
        while !matches!(link.next().map_err(|_| "refused")?, Some(Came::Suback)) {}
        link.leave();
        Ok(())
    }

    /// Receives until the broker is gone; in a scene that drains, until the group has all.
    pub(crate) fn run(&mut self, addr: SocketAddr, scene: &Scene) -> Result<(), String> {
        let mood = if scene.drains() { Mood::Prompt } else { self.random.pick(&MOODS) };
        while mood != Mood::Away && !scene.is_over() {
            match self.converse(addr, scene, mood) {
                Ok(Ok(true)) => return Ok(()),
                Ok(Ok(false)) => {}
                Ok(Err(text)) => return Err(format!("{} ({mood:?}): {text}", self.name)),
                Err(Gone) => return Ok(()),
            }
        }
        Ok(())
    }

    fn join(&self, link: &mut Link) -> Result<(), Gone> {
        link.put(&subscribe(1, &[(FILTER, 1)]));
        link.flush()
    }

    /// One connection; whether all is done.
    fn converse(
        &mut self,
        addr: SocketAddr,
        scene: &Scene,
        mood: Mood,
    ) -> Result<Result<bool, String>, Gone> {
        let (mut link, present) = Link::open(addr, &self.name, self.clean)?;
        if !self.clean && !present {
            return Ok(Err("its session is lost".to_owned()));
        }
        // As clients do that cannot know.
        if self.clean || self.random.one_in(2) {
            self.join(&mut link)?;
        }
        self.held.clear();
        let mut heard = Instant::now();
        while !scene.is_over() {
            let mut came = link.next()?;
            while let Some(packet) = came {
                heard = Instant::now();
                if let Err(text) = self.hear(&packet, &mut link, mood) {
                    return Ok(Err(text));
                }
                came = link.next_here();
            }
            if mood == Mood::Lazy && self.random.one_in(10) {
                self.answer_some(&mut link);
            }
            link.flush()?;
            if scene.drains() {
                if self.group.has_all() {
                    link.leave();
                    return Ok(Ok(true));
                }
                if heard.elapsed() > PATIENCE {
                    return Ok(Err(format!("nothing comes: {:?}", self.group.missing())));
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

    fn hear(&mut self, packet: &Came, link: &mut Link, mood: Mood) -> Result<(), String> {
        let message = match packet {
            Came::Publish(message) => message,
            Came::Suback => return Ok(()),
            other => return Err(format!("this came: {other:?}")),
        };
        let (topic, number) = self.receive(message)?;
        match mood {
            Mood::Mute => {}
            Mood::Lazy => self.held.push((message.id, topic, number)),
            _ => self.answer((message.id, topic, number), link),
        }
        Ok(())
    }

    fn receive(&self, message: &Publish) -> Result<(usize, usize), String> {
        let ledger = &self.group.ledger;
        let name = String::from_utf8_lossy(&message.topic).into_owned();
        let topic = ledger.find(&message.topic).ok_or(format!("a topic {name:?}"))?;
        let number = ledger.number(topic, &message.payload);
        let number = number.ok_or_else(|| format!("{name}: another payload: {message:?}"))?;
        let what = format!("{name} {number} (id {}, dup {})", message.id, message.dup);
        if message.qos != 1 || message.retain || message.dup && self.clean {
            return Err(format!("{what}: QoS {}, retain {}", message.qos, message.retain));
        }
        self.group.take(topic, number, &what)?;
        Ok((topic, number))
    }

    fn answer(&self, (id, topic, number): (u16, usize, usize), link: &mut Link) {
        // Others may get what is behind it as soon as the broker has the answer.
        self.group.note_answered(topic, number);
        link.put(&puback(id));
    }

    /// Answers some of what it holds back, in any order.
    fn answer_some(&mut self, link: &mut Link) {
        for _ in 0..self.random.below(self.held.len() + 1) {
            let at = self.random.below(self.held.len());
            let held = self.held.swap_remove(at);
            self.answer(held, link);
        }
    }
}
