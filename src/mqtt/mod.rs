//! Bytes ⇄ MQTT packets, and the topics and filters in them. Pure: no session, socket or time.
//!
//! A packet is found with [`peek_frame`], read with [`decode()`] and written with
//! [`Packet::encode`] or the `encode` of its struct. A decoded packet borrows from the receive
//! buffer: no bytes are copied and no memory is allocated. Each packet can be both read and
//! written, since clients and tests need that.
//!
//! Versions: 3.1 (`MQIsdp`, level 3), 3.1.1 (level 4) and 5 (level 5). The structs are the same for
//! all. Fields of MQTT 5 are empty in other versions and not written for them. Properties are
//! defined in one table ([`PROPERTIES`]), which decoder, encoder and `docs/mqtt5.md` share, and
//! reason codes in another ([`REASON_CODES`]). Packets keep properties as checked bytes;
//! [`ConnectProperties`] and similar types read and write them as values.
//!
//! Citations such as `[MQTT-3.3.1-2]` are the normative statements of MQTT 3.1.1 (OASIS Standard,
//! 29 October 2014). Those followed by `v5` are of MQTT 5.0 (OASIS Standard, 7 March 2019).
//!
//! ```text
//! bytes ─ peek_frame ─► Frame ─ decode ─► Packet ─ encode ─► bytes
//!                                 Publish ─► PublishTemplate ─ append ─► bytes per receiver
//!                                            PublishHead ─ append ─► bytes before a shared tail
//! ```

mod ack_run;
mod blocks;
mod connection_properties;
mod decode;
mod encode;
mod error;
mod fields;
mod filter;
mod foreign;
mod frame;
mod layout;
mod message_properties;
mod packet;
mod properties;
mod property;
mod publish_head;
mod reason;
mod shared_filter;
mod subscribe;
mod template;
mod topic;
mod wire;

#[cfg(test)]
mod tests;

pub use ack_run::AckRun;
pub use connection_properties::{
    AuthProperties, ConnackProperties, ConnectProperties, DisconnectProperties,
    SESSION_NEVER_EXPIRES, UserProperties,
};
pub use decode::{connect_version, decode, decode_from_client};
pub use error::{DecodeError, InvalidFilter, InvalidFilterReason, InvalidTopic};
pub use fields::{OutOfRange, PacketId, PacketKind, QoS, SubscriptionId, TopicAlias, Version};
pub use filter::TopicFilter;
pub use foreign::Foreign;
pub use frame::{Frame, peek_frame};
pub use message_properties::{
    PublishProperties, WillProperties, append_user_property, expiry, forwarded_list, set_expiry,
};
pub use packet::{
    Ack, AckKind, Auth, Connack, Connect, ConnectReturn, Disconnect, Packet, Publish, Will,
};
pub use properties::{Properties, Property, Value};
pub use property::{Carrier, PROPERTIES, PropertyId, PropertyRow, Sender, ValueRule, ValueType};
pub use publish_head::PublishHead;
pub use reason::{REASON_CODES, ReasonCode, ReasonRow};
pub use shared_filter::{InvalidShare, SharedFilter};
pub use subscribe::{RetainHandling, Suback, Subscribe, SubscribeEntry, Unsuback, Unsubscribe};
pub use template::{Delivery, MessageParts, PublishTemplate};
pub use topic::{Levels, TopicName};
