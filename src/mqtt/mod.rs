//! Bytes ⇄ MQTT packets, and the topics and filters in them. Pure: no session, socket or time.
//!
//! A packet is found with [`peek_frame`], read with [`decode`] and written with [`Packet::encode`]
//! or the `encode` of its struct. What is decoded borrows from the receive buffer: nothing is
//! copied or allocated. Both directions exist for every packet, since clients and tests use them.
//!
//! Versions: 3.1 (`MQIsdp`, level 3) and 3.1.1 (level 4). The structs do not depend on the version
//! and have room for what MQTT 5 adds ([`Properties`], reason codes), but level 5 is refused with
//! [`DecodeError::UnacceptableVersion`] for now and must not be passed to an encoder.
//!
//! Citations such as `[MQTT-3.3.1-2]` are the normative statements of MQTT 3.1.1 (OASIS Standard,
//! 29 October 2014).
//!
//! ```text
//! bytes ─ peek_frame ─► Frame ─ decode ─► Packet ─ encode ─► bytes
//!                                 Publish ─► PublishTemplate ─ append ─► bytes per receiver
//! ```

mod decode;
mod encode;
mod error;
mod fields;
mod filter;
mod foreign;
mod frame;
mod packet;
mod subscribe;
mod template;
mod topic;
mod wire;

#[cfg(test)]
mod tests;

pub use decode::decode;
pub use error::{DecodeError, InvalidFilter, InvalidFilterReason, InvalidTopic};
pub use fields::{OutOfRange, PacketId, PacketKind, Properties, QoS, Version};
pub use filter::TopicFilter;
pub use foreign::Foreign;
pub use frame::{Frame, peek_frame};
pub use packet::{
    Ack, AckKind, Connack, Connect, ConnectReturn, Disconnect, Packet, Publish, Will,
};
pub use subscribe::{Suback, Subscribe, SubscribeEntry, Unsuback, Unsubscribe};
pub use template::{Delivery, PublishTemplate};
pub use topic::{Levels, TopicName};
