//! The bridge as a client of NATS: connections, subjects, and the input that reads from streams.

mod link;
mod source;
mod subject;

pub(crate) use link::NatsLink;
pub use source::NatsSource;
pub(crate) use subject::put_subject;

/// Header of a message whose subject does not tell its topic.
pub(crate) const TOPIC: &str = "Mqtt-Topic";
/// Header of a message that was retained, or is to be: `1`.
pub(crate) const RETAIN: &str = "Mqtt-Retain";
/// Header with the brokers and clusters that the message has left over a bridge, with commas
/// between.
pub(crate) const VIA: &str = "Mqtt-Via";
