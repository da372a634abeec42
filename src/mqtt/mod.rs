//! Bytes ⇄ MQTT packets, and the topics and filters in them. Pure: no session, socket or time.
//!
//! A packet is found with [`peek_frame`], read with [`decode()`] and written with
//! [`Packet::encode`] or the `encode` of its struct. A decoded packet borrows from the receive
//! buffer: no bytes are copied and no memory is allocated. Both directions exist for every packet,
//! since clients and tests use them.
//!
//! Versions: 3.1 (`MQIsdp`, level 3), 3.1.1 (level 4) and 5 (level 5). The structs are the same for
//! all; fields that only MQTT 5 has are empty in other versions and not written for them. Its
//! properties are defined in one table ([`PROPERTIES`]), which decoder, encoder and `docs/mqtt5.md`
//! share, and its reason codes in another ([`REASON_CODES`]). Packets keep properties as the
//! received bytes, checked: [`ConnectProperties`] and its like read and write them as values.
//!
//! Citations such as `[MQTT-3.3.1-2]` are the normative statements of MQTT 3.1.1 (OASIS Standard,
//! 29 October 2014), and those with `v5` behind them of MQTT 5.0 (OASIS Standard, 7 March 2019).
//!
//! ```text
//! bytes ─ peek_frame ─► Frame ─ decode ─► Packet ─ encode ─► bytes
//!                                 Publish ─► PublishTemplate ─ append ─► bytes per receiver
//!                                            PublishHead ─ append ─► bytes before a shared tail
//! ```

mod ack_run;
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
