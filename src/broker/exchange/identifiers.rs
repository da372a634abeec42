//! Identifiers of a session's subscriptions (MQTT 5, 3.3.2.3.8).
//!
//! They are found again for each topic: by the route, which is remembered, and for each message
//! that waited in a session. So no message is stored with them.

use crate::mqtt::{TopicFilter, TopicName};
use crate::store::Subscriptions;

/// Appends the identifiers of the subscriptions that match a topic; without those that have No
/// Local if `is_own`: the session's own client published it.
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
