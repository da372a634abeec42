//! `dump`: sessions with their messages, and retained messages, as lines of JSON.

use std::ops::ControlFlow;

use ringmq::data::Snapshot;
use ringmq::limits::LIVE_LOOKS_MAX;
use ringmq::mqtt::{TopicFilter, TopicName};
use ringmq::store::{
    MessageRecord, Position, Queue, QueueItem, Session, Store, expiry_interval_s, lane_of_name,
};
use serde_json::{Map, Value, json};

use crate::options::DumpFlags;
use crate::output::{Output, Stop, field, hex_field};
use crate::session::Summary;
use crate::shards::{self, Shards};

/// Writes the requested data; returns whether a part of it cannot be read.
pub(crate) fn run(flags: &DumpFlags, output: &mut Output) -> Result<bool, Stop> {
    let shards = Shards::open(&flags.dir)?;
    let mut dump = Dump { output, shards: &shards, damaged: false, block: None };
    let mut sessions = 0;
    for shard in shards.numbers().filter(|_| flags.retained.is_none()) {
        let snapshot = shards.snapshot(shard)?;
        let Store { catalog, .. } = &snapshot.store;
        for session in shards::keys(&snapshot.store).map(|key| catalog.sessions().get(key)) {
            if flags.session.as_ref().is_none_or(|id| **id == *session.client_id) {
                sessions += 1;
                dump.session(session, shard, &snapshot)?;
            }
        }
    }
    if let Some(id) = &flags.session {
        return match sessions {
            0 => Err(Stop::Refused(format!("there is no session of {id:?}"))),
            _ => Ok(dump.damaged),
        };
    }
    let filter = flags.retained.as_deref().map(TopicFilter::parse).transpose();
    let filter = filter.map_err(Stop::refused)?;
    for shard in shards.numbers() {
        dump.retained(filter, shard)?;
    }
    Ok(dump.damaged)
}

struct Dump<'a> {
    output: &'a mut Output,
    shards: &'a Shards,
    damaged: bool,
    /// The position of the block that is being read.
    block: Option<Position>,
}

impl Dump<'_> {
    fn session(&mut self, session: &Session, shard: u16, seen: &Snapshot) -> Result<(), Stop> {
        let summary = Summary::of(session, shard, &seen.store, self.shards);
        self.output.json(&summary.json(&session.queue))?;
        let (vhost, client_id) = (session.vhost, session.client_id.clone());
        // A message that has moved since is found at its new position.
        let mut latest: Option<Snapshot> = None;
        let mut looks = Looks::new(0);
        loop {
            let seen = latest.as_ref().unwrap_or(seen);
            let sessions = seen.store.catalog.sessions();
            let Some(key) = sessions.find_any(vhost, &client_id) else { return Ok(()) };
            match self.items(sessions.get(key), looks.from, seen)? {
                None => return Ok(()),
                Some(from) => looks.again(from, self.shards)?,
            }
            latest = Some(self.shards.snapshot(shard)?);
        }
    }

    /// Writes a queue's messages from a number on; returns the number of a message whose position
    /// has become invalid.
    fn items(
        &mut self,
        session: &Session,
        from: u64,
        seen: &Snapshot,
    ) -> Result<Option<u64>, Stop> {
        let mut result = Ok(None);
        let _whole = session.queue.visit(&seen.store.logs, &mut |item| {
            result = self.item(item, session, from, seen);
            match result {
                Ok(None) => ControlFlow::Continue(()),
                Ok(Some(_)) | Err(_) => ControlFlow::Break(()),
            }
        });
        result
    }

    /// Writes a line for a part of a queue.
    fn item(
        &mut self,
        item: QueueItem,
        session: &Session,
        from: u64,
        seen: &Snapshot,
    ) -> Result<Option<u64>, Stop> {
        let (number, state) = match item {
            QueueItem::Message { number, sent: true, .. } => (number, "sent"),
            QueueItem::Message { number, .. } => (number, "waiting"),
            QueueItem::Released { number } => (number, "released"),
            QueueItem::Lost { first, count } if first + u64::from(count) > from => {
                (first.max(from), "lost")
            }
            QueueItem::Lost { first, .. } => (first, "lost"),
            QueueItem::Block { position } => {
                self.block = Some(position);
                return Ok(None);
            }
        };
        if number < from {
            return Ok(None);
        }
        let mut line = Map::new();
        match lane_of_name(&session.client_id) {
            Some((lane, share)) => {
                line.insert("message_of".into(), share.into());
                line.insert("lane".into(), lane.into());
            }
            None => drop(line.insert("message_of".into(), Value::from(&*session.client_id))),
        }
        line.insert("number".into(), number.into());
        line.insert("packet_id".into(), Queue::packet_id(number).into());
        line.insert("state".into(), state.into());
        match item {
            QueueItem::Message { entry, sent, .. } => {
                let terms = entry.terms();
                line.insert("qos".into(), (if terms.exactly_once { 2 } else { 1 }).into());
                line.insert("retain".into(), terms.retain.into());
                line.insert("dup".into(), sent.into());
                let position = entry.position().expect("it is in the log");
                if !self.content(position, seen, &mut line) {
                    return Ok(Some(number));
                }
            }
            QueueItem::Lost { count, .. } => {
                if self.block.is_some_and(|block| seen.is_gone(block)) {
                    return Ok(Some(number));
                }
                self.damaged = true;
                line.insert("count".into(), count.into());
            }
            QueueItem::Released { .. } | QueueItem::Block { .. } => {}
        }
        self.output.json(&Value::Object(line))?;
        Ok(None)
    }

    /// Adds the message from the log; returns false if it was released in the meantime.
    fn content(
        &mut self,
        position: Position,
        seen: &Snapshot,
        line: &mut Map<String, Value>,
    ) -> bool {
        let Store { logs, catalog, .. } = &seen.store;
        if let Some(message) = logs.disk.message(position) {
            let MessageRecord { topic, payload, qos, time_ms, properties, .. } = message;
            line.insert("topic".into(), topic.into());
            line.insert("published_qos".into(), qos.into());
            line.insert("time_ms".into(), catalog.timeline.wall_ms(time_ms).into());
            line.extend([field("payload", payload)]);
            if !properties.is_empty() {
                line.extend([hex_field("properties", properties)]);
            }
            if let Some(seconds) = expiry_interval_s(properties) {
                line.insert("expiry_interval_s".into(), seconds.into());
            }
            // Checked after the read: until then the file may be reused.
            return !seen.is_gone(position);
        }
        if seen.is_gone(position) {
            return false;
        }
        self.damaged = true;
        line.insert("state".into(), "lost".into());
        true
    }

    fn retained(&mut self, filter: Option<TopicFilter<'_>>, shard: u16) -> Result<(), Stop> {
        let mut looks = Looks::new((0, String::new()));
        loop {
            let seen = self.shards.snapshot(shard)?;
            match self.retained_from(&looks.from, filter, shard, &seen)? {
                None => return Ok(()),
                Some(from) => looks.again(from, self.shards)?,
            }
        }
    }

    /// Writes retained messages from a topic of a vhost on; returns a topic whose message's
    /// position has become invalid.
    fn retained_from(
        &mut self,
        from: &(u16, String),
        filter: Option<TopicFilter<'_>>,
        shard: u16,
        seen: &Snapshot,
    ) -> Result<Option<(u16, String)>, Stop> {
        let matches = |topic: &str| {
            let topic = TopicName::parse(topic);
            filter.is_none_or(|filter| topic.is_ok_and(|topic| filter.matches(topic)))
        };
        for (vhost, retained) in shards::retained(&seen.store) {
            let name = self.shards.vhost_name(vhost);
            let is_due = |topic: &str| (vhost, topic) >= (from.0, from.1.as_str());
            let due = retained.iter().filter(|(topic, _)| is_due(topic) && matches(topic));
            for (topic, kept) in due {
                let line = json!({
                    "retained": topic, "vhost": vhost, "vhost_name": name, "shard": shard
                });
                let Value::Object(mut line) = line else { unreachable!("it is written as one") };
                if !self.content(kept.position, seen, &mut line) {
                    return Ok(Some((vhost, topic.to_owned())));
                }
                line.remove("topic");
                if let Some(qos) = line.remove("published_qos") {
                    line.insert("qos".into(), qos);
                }
                self.output.json(&Value::Object(line))?;
            }
        }
        Ok(None)
    }
}

/// Reads data that changes meanwhile; each attempt continues where the last one ended.
struct Looks<T> {
    from: T,
    /// Attempts in a row without progress.
    vain: u32,
}

impl<T: PartialEq> Looks<T> {
    fn new(from: T) -> Self {
        Self { from, vain: 0 }
    }

    /// Counts an attempt that ended at `from`; an error after too many without progress.
    fn again(&mut self, from: T, shards: &Shards) -> Result<(), Stop> {
        self.vain = if from == self.from { self.vain + 1 } else { 0 };
        self.from = from;
        if self.vain > LIVE_LOOKS_MAX { Err(shards.too_fast()) } else { Ok(()) }
    }
}
