//! `dump`: sessions with their messages, and retained messages, as lines of JSON.

use std::ops::ControlFlow;

use ringmq::mqtt::{TopicFilter, TopicName};
use ringmq::store::{MessageRecord, Position, Queue, QueueItem, Session, Store};
use serde_json::{Map, Value, json};

use crate::options::DumpFlags;
use crate::output::{Output, Stop, field};
use crate::session::Summary;
use crate::shards::{self, Shards};

/// Writes what was asked for; whether something of it cannot be read.
pub(crate) fn run(flags: &DumpFlags, output: &mut Output) -> Result<bool, Stop> {
    let shards = Shards::open(&flags.dir)?;
    let mut dump = Dump { output, shards: &shards, damaged: false };
    let mut sessions = 0;
    for shard in shards.numbers().filter(|_| flags.retained.is_none()) {
        let store = shards.store(shard)?;
        for session in shards::keys(&store).map(|key| store.catalog.sessions().get(key)) {
            if flags.session.as_ref().is_none_or(|id| **id == *session.client_id) {
                sessions += 1;
                dump.session(session, shard, &store)?;
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
        dump.retained(filter, shard, &shards.store(shard)?)?;
    }
    Ok(dump.damaged)
}

struct Dump<'a> {
    output: &'a mut Output,
    shards: &'a Shards,
    damaged: bool,
}

impl Dump<'_> {
    fn session(&mut self, session: &Session, shard: u16, store: &Store) -> Result<(), Stop> {
        let summary = Summary::of(session, shard, store, self.shards);
        self.output.json(&summary.json(&session.queue))?;
        let mut result = Ok(());
        let _whole = session.queue.visit(&store.logs, &mut |item| {
            result = self.item(item, session, store);
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        result
    }

    fn item(&mut self, item: QueueItem, session: &Session, store: &Store) -> Result<(), Stop> {
        let (number, state) = match item {
            QueueItem::Message { number, sent: true, .. } => (number, "sent"),
            QueueItem::Message { number, .. } => (number, "waiting"),
            QueueItem::Released { number } => (number, "released"),
            QueueItem::Lost { first, .. } => (first, "lost"),
            QueueItem::Block { .. } => return Ok(()),
        };
        let mut line = Map::new();
        line.insert("message_of".into(), Value::from(&*session.client_id));
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
                self.content(position, store, &mut line);
            }
            QueueItem::Lost { count, .. } => {
                self.damaged = true;
                line.insert("count".into(), count.into());
            }
            QueueItem::Released { .. } | QueueItem::Block { .. } => {}
        }
        self.output.json(&Value::Object(line))
    }

    /// Adds what stands in the log.
    fn content(&mut self, position: Position, store: &Store, line: &mut Map<String, Value>) {
        let Some(message) = store.logs.disk.message(position) else {
            self.damaged = true;
            line.insert("state".into(), "lost".into());
            return;
        };
        let MessageRecord { topic, payload, qos, time_ms, .. } = message;
        line.insert("topic".into(), topic.into());
        line.insert("published_qos".into(), qos.into());
        line.insert("time_ms".into(), store.catalog.timeline.wall_ms(time_ms).into());
        line.extend([field("payload", payload)]);
    }

    fn retained(
        &mut self,
        filter: Option<TopicFilter<'_>>,
        shard: u16,
        store: &Store,
    ) -> Result<(), Stop> {
        let matches = |topic: &str| {
            let topic = TopicName::parse(topic);
            filter.is_none_or(|filter| topic.is_ok_and(|topic| filter.matches(topic)))
        };
        for (vhost, retained) in shards::retained(store) {
            let name = self.shards.vhost_name(vhost);
            for (topic, kept) in retained.iter().filter(|(topic, _)| matches(topic)) {
                let line = json!({
                    "retained": topic, "vhost": vhost, "vhost_name": name, "shard": shard
                });
                let Value::Object(mut line) = line else { unreachable!("it is written as one") };
                self.content(kept.position, store, &mut line);
                line.remove("topic");
                if let Some(qos) = line.remove("published_qos") {
                    line.insert("qos".into(), qos);
                }
                self.output.json(&Value::Object(line))?;
            }
        }
        Ok(())
    }
}
