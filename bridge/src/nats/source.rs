//! Reads from NATS, and acknowledges to a stream what the driver has confirmed.
//!
//! A durable consumer of the stream is the cursor. Messages are acknowledged to it in order of
//! receipt, each when the broker has acknowledged it. The consumer delivers again what is not
//! acknowledged in time, so messages under way are told to be in work while they wait. What comes
//! again while it is under way, or after it was delivered, is acknowledged and not delivered twice.
//!
//! A consumer delivers new messages before those that an earlier connection did not acknowledge,
//! until `ack_wait` is over. So a new connection waits for so long if there are any: the order is
//! kept.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::{self, AckKind};
use async_nats::{Client, HeaderMap};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::{SelectAll, select_all};
use log::{info, warn};
use ringmq::mqtt::{Property, PropertyId, Value};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::link::NatsLink;
use super::subject::{put_subject, topic_of};
use super::{RETAIN, TOPIC, VIA};
use crate::config::{NatsInput, Retain};
use crate::flow::{Backoff, Budget, Chunk, Position, Progress, Span};
use crate::limits::{NATS_FETCH, NATS_FETCH_BYTES, NATS_FETCH_TIMEOUT};
use crate::metrics::FlowMetrics;
use crate::mqtt::now_ms;
use crate::shown::shortened;
use crate::sinks::MQTT_VIA;

/// The input of a flow.
pub struct NatsSource {
    name: String,
    input: NatsInput,
    chunks: UnboundedSender<Chunk>,
    progress: Rc<Progress>,
    budget: Rc<Budget>,
    metrics: FlowMetrics,
    /// Receipt number of the next new message.
    next: u64,
    /// Received on this connection and not acknowledged yet, in order.
    unacknowledged: VecDeque<(u64, Box<jetstream::Message>)>,
    /// Stream numbers that this process has received and not acknowledged to a server that heard
    /// it, with their receipt numbers.
    known: HashMap<u64, u64>,
    /// For each message that is not confirmed: receipt number behind it, and its time.
    times: VecDeque<(u64, u64)>,
}

/// Where messages come from.
enum Feed {
    Stream(Box<PullConsumer>, Option<Box<pull::Batch>>),
    Subjects(SelectAll<async_nats::Subscriber>),
}

/// One message, of either kind.
enum Arrival {
    Stored(Box<jetstream::Message>),
    Passing(async_nats::Message),
}

impl NatsSource {
    /// A source of a flow.
    pub fn new(
        name: &str,
        input: NatsInput,
        chunks: UnboundedSender<Chunk>,
        (progress, budget): (Rc<Progress>, Rc<Budget>),
        metrics: FlowMetrics,
    ) -> Self {
        Self {
            name: name.to_owned(),
            input,
            chunks,
            progress,
            budget,
            metrics,
            next: 0,
            unacknowledged: VecDeque::new(),
            known: HashMap::new(),
            times: VecDeque::new(),
        }
    }

    /// Runs until the driver closes the progress; connects again whenever the connection ends.
    pub async fn run(mut self) {
        let mut backoff = Backoff::default();
        while !self.progress.is_closed() {
            let lost = match self.connect().await {
                Ok((link, feed)) => {
                    if backoff.attempts() > 0 {
                        info!("{}: reads from NATS again", self.name);
                    }
                    backoff.reset();
                    self.metrics.set_connected(true);
                    match self.serve(&link, feed).await {
                        Ok(()) => return,
                        Err(lost) => lost,
                    }
                }
                Err(lost) => lost,
            };
            self.metrics.set_connected(false);
            self.unacknowledged.clear();
            if backoff.attempts() == 0 {
                let says = shortened(&lost);
                warn!("{}: NATS: {says}; tries again until it answers", self.name);
            }
            self.unless_closed(sleep(backoff.pause())).await;
        }
    }

    /// Waits, unless the driver closes the progress.
    async fn unless_closed(&self, wait: impl Future<Output = ()>) {
        let mut wait = std::pin::pin!(wait);
        while !self.progress.is_closed() {
            tokio::select! {
                () = &mut wait => return,
                () = self.progress.changed() => {}
            }
        }
    }

    async fn connect(&self) -> Result<(NatsLink, Feed), String> {
        let link = NatsLink::open(&self.input.access, &self.name).await?;
        let feed = match &self.input.stream {
            None => Feed::Subjects(self.subscribe(&link.client).await?),
            Some(stream) => Feed::Stream(Box::new(self.consumer(&link, stream).await?), None),
        };
        info!("{}: reads {}", self.name, self.input.subjects.join(", "));
        Ok((link, feed))
    }

    async fn subscribe(
        &self,
        client: &Client,
    ) -> Result<SelectAll<async_nats::Subscriber>, String> {
        let mut all = Vec::new();
        for subject in &self.input.subjects {
            let subscribed = client.subscribe(subject.clone()).await;
            all.push(subscribed.map_err(|error| error.to_string())?);
        }
        // The server has the subscriptions when this is over.
        client.flush().await.map_err(|error| error.to_string())?;
        Ok(select_all(all))
    }

    async fn consumer(&self, link: &NatsLink, stream: &str) -> Result<PullConsumer, String> {
        let found = link.context.get_stream_no_info(stream).await;
        let stream = found.map_err(|error| format!("stream {stream}: {error}"))?;
        let mut config = pull::Config {
            durable_name: Some(self.input.consumer.clone()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.input.ack_wait,
            max_ack_pending: i64::from(self.input.window),
            deliver_policy: match self.input.from_start {
                true => DeliverPolicy::All,
                false => DeliverPolicy::New,
            },
            ..pull::Config::default()
        };
        match self.input.subjects.as_slice() {
            [subject] => config.filter_subject.clone_from(subject),
            subjects => config.filter_subjects = subjects.to_vec(),
        }
        let consumer = stream.create_consumer(config).await;
        let consumer = consumer.map_err(|error| format!("its consumer: {error}"))?;
        if consumer.cached_info().num_ack_pending > 0 {
            // The server's timer has run out for all of them then.
            self.unless_closed(sleep(self.input.ack_wait + Duration::from_millis(500))).await;
        }
        Ok(consumer)
    }

    /// `Ok`: the driver has closed the progress, and all that it confirmed is acknowledged.
    async fn serve(&mut self, link: &NatsLink, mut feed: Feed) -> Result<(), String> {
        let mut ticks = interval(self.input.ack_wait / 3);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.acknowledge().await?;
            if self.progress.is_closed() {
                return link.client.flush().await.map_err(|error| error.to_string());
            }
            let has_room = self.budget.has_room(1);
            if has_room {
                feed.ask().await?;
            }
            tokio::select! {
                biased;
                () = link.lost() => return Err("the connection is lost".to_owned()),
                () = self.progress.changed() => {}
                _ = ticks.tick() => self.keep_in_work().await?,
                () = self.budget.room(1), if !has_room => {}
                arrival = feed.next(), if has_room => {
                    if let Some(arrival) = arrival? {
                        self.take(arrival).await?;
                    }
                }
            }
        }
    }

    /// Acknowledges what is confirmed.
    async fn acknowledge(&mut self) -> Result<(), String> {
        let confirmed = self.progress.confirmed();
        while self.unacknowledged.front().is_some_and(|(receipt, _)| *receipt < confirmed) {
            let (_, message) = self.unacknowledged.pop_front().expect("there is one");
            message.ack().await.map_err(|error| error.to_string())?;
        }
        while self.times.front().is_some_and(|(end, _)| *end <= confirmed) {
            self.times.pop_front();
        }
        self.metrics.set_oldest(self.times.front().map(|(_, time_ms)| *time_ms));
        // What is confirmed and was acknowledged may come once more: a window's worth is kept.
        let kept = u64::from(self.input.window);
        if self.known.len() > 4 * usize::from(self.input.window) {
            self.known.retain(|_, receipt| *receipt + 2 * kept >= confirmed);
        }
        Ok(())
    }

    /// Tells the server that what it has sent is in work.
    async fn keep_in_work(&mut self) -> Result<(), String> {
        for (_, message) in &self.unacknowledged {
            message.ack_with(AckKind::Progress).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn take(&mut self, arrival: Arrival) -> Result<(), String> {
        let (sequence, pending) = match &arrival {
            Arrival::Passing(_) => (0, 0),
            Arrival::Stored(message) => {
                let info = message.info().map_err(|error| error.to_string())?;
                (info.stream_sequence, info.pending)
            }
        };
        self.metrics.set_backlog(pending);
        if let Arrival::Stored(message) = arrival {
            if let Some(receipt) = self.known.get(&sequence) {
                // It is under way, or was delivered; its acknowledgement may have been lost.
                let at = self.unacknowledged.partition_point(|(known, _)| known < receipt);
                self.unacknowledged.insert(at, (*receipt, message));
                return Ok(());
            }
            let Some(chunk) = self.chunk(&message, sequence) else {
                let says = "stands for no topic: it is terminated";
                warn!("{}: message {sequence} of {} {says}", self.name, message.subject);
                self.metrics.dropped(1);
                let ended = message.ack_with(AckKind::Term).await;
                return ended.map_err(|error| error.to_string());
            };
            self.known.insert(sequence, self.next);
            self.unacknowledged.push_back((self.next, message));
            self.hand_on(chunk);
        } else if let Arrival::Passing(message) = arrival {
            match self.chunk(&message, self.next) {
                Some(chunk) => self.hand_on(chunk),
                None => {
                    warn!("{}: {} stands for no topic", self.name, message.subject);
                    self.metrics.dropped(1);
                }
            }
        }
        Ok(())
    }

    fn hand_on(&mut self, (bytes, span): (Bytes, Span)) {
        let lease = self.budget.take(bytes.len() + size_of::<Span>());
        self.metrics.received(1, self.budget.used());
        let first = self.next;
        self.next += 1;
        self.times.push_back((self.next, span.time_ms));
        // The driver may be gone: the flow ends.
        let _ = self.chunks.send(Chunk { bytes, spans: vec![span], first, lease });
    }

    /// The message with the topic of its subject; none if there is none.
    fn chunk(&self, message: &async_nats::Message, number: u64) -> Option<(Bytes, Span)> {
        let headers = message.headers.as_ref();
        let topic = topic(&self.input.prefix, &message.subject, headers)?;
        let header = |name| headers.and_then(|headers| headers.get(name));
        let retain = match self.input.retain {
            Retain::Always => true,
            Retain::Never => false,
            Retain::ByHeader => header(RETAIN).is_some_and(|value| value.as_str() == "1"),
        };
        let mut properties = Vec::new();
        let brokers = header(VIA).map(|value| value.as_str().split(','));
        for broker in brokers.into_iter().flatten() {
            let value = Value::StringPair(MQTT_VIA, broker);
            Property { id: PropertyId::UserProperty, value }.encode(&mut properties);
        }
        let mut bytes = BytesMut::new();
        bytes.extend_from_slice(topic.as_bytes());
        bytes.extend_from_slice(&properties);
        bytes.extend_from_slice(&message.payload);
        let length = |bytes: usize| u32::try_from(bytes).ok();
        let span = Span {
            topic_bytes: u16::try_from(topic.len()).ok()?,
            qos: self.input.qos,
            retain,
            properties_at: length(topic.len())?,
            properties_bytes: length(properties.len())?,
            payload_at: length(topic.len() + properties.len())?,
            payload_bytes: length(message.payload.len())?,
            position: Position { epoch: 0, number },
            time_ms: now_ms(),
            ..Span::default()
        };
        Some((bytes.freeze(), span))
    }
}

impl Feed {
    /// Asks the server for messages, unless it has been asked. Not to be cancelled: the answer to a
    /// request that is given up is lost until `ack_wait` is over.
    async fn ask(&mut self) -> Result<(), String> {
        if let Self::Stream(consumer, batch) = self
            && batch.is_none()
        {
            let asked = consumer.batch().max_messages(NATS_FETCH).max_bytes(NATS_FETCH_BYTES);
            let asked = asked.expires(NATS_FETCH_TIMEOUT).messages().await;
            *batch = Some(Box::new(asked.map_err(|error| error.to_string())?));
        }
        Ok(())
    }

    /// The next message. `None`: the server must be asked again. May be cancelled.
    async fn next(&mut self) -> Result<Option<Arrival>, String> {
        match self {
            Self::Subjects(subscribers) => match subscribers.next().await {
                Some(message) => Ok(Some(Arrival::Passing(message))),
                None => Err("the subscriptions ended".to_owned()),
            },
            Self::Stream(_, batch) => {
                let Some(asked) = batch else { return Ok(None) };
                let arrival = asked.next().await;
                if !matches!(arrival, Some(Ok(_))) {
                    *batch = None;
                }
                let message = arrival.transpose().map_err(|error| error.to_string())?;
                Ok(message.map(|message| Arrival::Stored(Box::new(message))))
            }
        }
    }
}

/// The topic that a subject stands for.
fn topic(prefix: &str, subject: &str, headers: Option<&HeaderMap>) -> Option<String> {
    let subject = subject.strip_prefix(prefix)?.strip_prefix('.')?;
    let told = headers.and_then(|headers| headers.get(TOPIC));
    let Some(told) = told else { return topic_of(subject) };
    // A topic that has another subject would make two subjects of one topic.
    let mut again = String::new();
    put_subject(told.as_str(), &mut again);
    (again == subject).then(|| told.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    // A subject stands for the topic that it was made of, also if only a header tells it.
    #[test]
    fn subjects_have_topics() {
        let long = "l".repeat(3000);
        let mut subject = "mq.".to_owned();
        put_subject(&long, &mut subject);
        let with = |topic: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(TOPIC, topic);
            headers
        };
        assert_eq!(topic("mq", "mq.cmd.a%20b._", None).as_deref(), Some("cmd/a b/"));
        assert_eq!(topic("mq", &subject, Some(&with(&long))), Some(long));
        assert_eq!(topic("mq", &subject, None), None);
        assert_eq!(topic("mq", "mq.a", Some(&with("b"))), None);
        assert_eq!(topic("mq", "mq", None), None);
        assert_eq!(topic("mq", "mqx.a", None), None);
        assert_eq!(topic("mq", "mq.%61", None), None);
    }
}
