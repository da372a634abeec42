//! A message that an operator publishes.

use crate::mqtt::{QoS, TopicName};

/// See the module.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The number of the vhost.
    pub vhost: u16,
    /// The topic, a valid topic name.
    pub topic: Box<str>,
    /// The payload.
    pub payload: Box<[u8]>,
    /// The QoS.
    pub qos: QoS,
    /// Whether it becomes the topic's retained message.
    pub retain: bool,
    /// The marks for which the answer waits, after the message was routed.
    pub(crate) awaited: Option<Awaited>,
}

impl Publication {
    /// A message to be published at a QoS from 0 to 2.
    ///
    /// # Errors
    /// The fault of its topic.
    ///
    /// # Panics
    /// If the QoS is above 2.
    pub fn new(
        vhost: u16,
        topic: &str,
        payload: Vec<u8>,
        (qos, retain): (u8, bool),
    ) -> Result<Self, String> {
        TopicName::parse(topic).map_err(|invalid| invalid.to_string())?;
        let qos = QoS::try_from(qos).expect("the caller knows the qualities");
        let (topic, payload) = (topic.into(), payload.into_boxed_slice());
        Ok(Self { vhost, topic, payload, qos, retain, awaited: None })
    }

    /// Whether it was not routed yet.
    pub fn is_new(&self) -> bool {
        self.awaited.is_none()
    }
}

/// The marks that logs must reach before a message is kept wherever it must be.
#[derive(Clone, Debug)]
pub(crate) struct Awaited {
    /// By shard: the messages that must be settled there.
    pub(crate) marks: Box<[u64]>,
    /// The place up to which this shard's log must be committed.
    pub(crate) log: u64,
    /// Whether a session has subscribed to it.
    pub(crate) matched: bool,
}

/// The result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Published {
    /// It is kept wherever it must be.
    Done {
        /// Whether a session has subscribed to it.
        matched: bool,
    },
    /// The disk has no room for it now. It was not routed.
    NoRoom,
    /// Its topic has too many levels, or is a system topic.
    Denied,
    /// The vhost does not exist any more.
    NoVhost,
}
