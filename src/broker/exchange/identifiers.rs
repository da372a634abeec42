//! Identifiers of a session's subscriptions (MQTT 5, 3.3.2.3.8).
//!
//! They are computed for each topic, when its route is computed or when a waiting message is sent,
//! so messages are stored without them. The exceptions are copies that only some of the matching
//! subscriptions have caused.

use crate::mqtt::{TopicFilter, TopicName};
use crate::store::{Session, Subscriptions};

/// Calls `found` with the identifier of each subscription that matches a topic. `is_own`: the
/// session's own client published the message, so subscriptions with No Local are skipped.
pub(crate) fn find_identifiers(
    subscriptions: &Subscriptions,
    topic: TopicName<'_>,
    is_own: bool,
    mut found: impl FnMut(u32),
) {
    for (filter, options) in subscriptions.iter() {
        if options.identifier > 0 && !(is_own && options.no_local) && matches(filter, topic) {
            found(options.identifier);
        }
    }
}

/// Calls `found` with the identifiers for a session's waiting message: those of the subscriptions
/// that matched its topic when it came.
pub(crate) fn find_waiting_identifiers(
    session: &Session,
    number: u64,
    topic: TopicName<'_>,
    mut found: impl FnMut(u32),
) {
    for (filter, options) in session.subscriptions.iter() {
        let may_carry = options.identifier > 0 && session.may_carry(filter, number);
        if may_carry && matches(filter, topic) {
            found(options.identifier);
        }
    }
}

fn matches(filter: &str, topic: TopicName<'_>) -> bool {
    TopicFilter::parse(filter).expect("it was granted").matches(topic)
}

/// Whether a subscription that matches a topic has an identifier.
pub(crate) fn is_identified(subscriptions: &Subscriptions, topic: TopicName<'_>) -> bool {
    let mut found = false;
    find_identifiers(subscriptions, topic, false, |_| found = true);
    found
}
