//! What a subscription was granted, as far as replays are concerned.

use crate::mqtt::{QoS, SubscriptionId};

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Granted {
    /// The highest QoS.
    pub(crate) qos: QoS,
    /// The subscription's identifier (MQTT 5).
    pub(crate) identifier: Option<SubscriptionId>,
}
