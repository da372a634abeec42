//! The granted options of a subscription that matter for replays.

use crate::mqtt::{QoS, SubscriptionId};

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Granted {
    /// The maximum QoS.
    pub(crate) qos: QoS,
    /// The subscription's identifier (MQTT 5).
    pub(crate) identifier: Option<SubscriptionId>,
}
