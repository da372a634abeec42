//! User properties that the broker itself takes and gives (MQTT 5); `docs/mqtt5.md` has them.

/// In CONNECT, with the value `1`: the client wants to know the positions of its messages.
pub(crate) const POSITION_PROPERTY: &str = "ringmq-position";

/// In PUBLISH, and in the CONNACK to a client that wants positions: its session's epoch.
pub(crate) const EPOCH_PROPERTY: &str = "ringmq-epoch";

/// In PUBLISH: the number of the message in its session's queue.
pub(crate) const NUMBER_PROPERTY: &str = "ringmq-number";

/// In PUBLISH: when the message came, milliseconds since 1970.
pub(crate) const STORED_PROPERTY: &str = "ringmq-stored";

/// In a message at a dead-letter topic: the whole filter of the group that it was in.
pub(crate) const GROUP_PROPERTY: &str = "ringmq-group";

/// In the same: the topic that it was published to.
pub(crate) const TOPIC_PROPERTY: &str = "ringmq-topic";

/// In the same: why it is there.
pub(crate) const REASON_PROPERTY: &str = "ringmq-reason";
