//! Identifiers of a session's subscriptions (MQTT 5, 3.3.2.3.8).
//!
//! They are computed for each topic, when its route is computed or when a waiting message is sent,
//! so messages are stored without them. The exceptions are copies that only some of the matching
//! subscriptions have caused.

use crate::mqtt::{TopicFilter, TopicName};
use crate::store::Subscriptions;

/// Calls `found` with the identifier of each subscription that matches a topic. `is_own`: the
/// session's own client published the message, so subscriptions with No Local are skipped.
pub(crate) fn find_identifiers(
    subscriptions: &Subscriptions,
    topic: TopicName<'_>,
    is_own: bool,
    mut found: impl FnMut(u32),
) {
    for (filter, options) in subscriptions.iter() {
        if options.identifier > 0 && !(is_own && options.no_local) {
            let filter = TopicFilter::parse(filter).expect("it was granted");
            if filter.matches(topic) {
                found(options.identifier);
            }
        }
    }
}

/// Whether a subscription that matches a topic has an identifier.
pub(crate) fn is_identified(subscriptions: &Subscriptions, topic: TopicName<'_>) -> bool {
    let mut found = false;
    find_identifiers(subscriptions, topic, false, |_| found = true);
    found
}
