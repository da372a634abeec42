//! A message that an operator publishes.

use crate::mqtt::{QoS, TopicName};

/// See the module.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The number of the vhost.
    pub vhost: u16,
    /// The topic. It must be one that can be published to.
    pub topic: Box<str>,
    /// The payload.
    pub payload: Box<[u8]>,
    /// At which quality.
    pub qos: QoS,
    /// It becomes the topic's retained message.
    pub retain: bool,
    /// What the answer waits for, when the message was passed on.
    pub(crate) awaited: Option<Awaited>,
}

impl Publication {
    /// One that is still to be passed on, at a quality from 0 to 2.
    ///
    /// # Errors
    /// What is wrong with its topic.
    ///
    /// # Panics
    /// If there is no such quality.
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

    /// Whether it was not passed on yet.
    pub fn is_new(&self) -> bool {
        self.awaited.is_none()
    }
}

/// How far logs must be before a message is kept wherever it must be.
#[derive(Clone, Debug)]
pub(crate) struct Awaited {
    /// By shard: messages that must be settled there.
    pub(crate) marks: Box<[u64]>,
    /// How far this shard's log must be committed.
    pub(crate) log: u64,
    /// Somebody has subscribed to it.
    pub(crate) matched: bool,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Published {
    /// It is wherever it must be.
    Done {
        /// Somebody has subscribed to it.
        matched: bool,
    },
    /// The disk has no room or time for it now. It went nowhere.
    NoRoom,
    /// Its topic has more levels than one may have, or is one of the broker's own.
    Denied,
    /// There is no such vhost any more.
    NoVhost,
}
