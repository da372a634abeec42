//! What a copy of a message that waited has for a client of MQTT 5: memory for one after the other.

use crate::mqtt::{SubscriptionId, TopicName};
use crate::store::{Lifetime, Session, StoredMessage};

use super::super::exchange::find_identifiers;
use super::super::output::put_properties;

/// See the module.
#[derive(Default, Debug)]
pub(super) struct OwnParts {
    pub(super) identifiers: Vec<SubscriptionId>,
    pub(super) properties: Vec<u8>,
}

impl OwnParts {
    pub(super) fn note(
        &mut self,
        stored: &StoredMessage<'_>,
        lifetime: Lifetime,
        session: &Session,
        topic: TopicName<'_>,
    ) {
        // One that was sent before goes on when its time is over.
        put_properties(stored.properties, lifetime, &mut self.properties);
        self.identifiers.clear();
        find_identifiers(&session.subscriptions, topic, false, |id| {
            self.identifiers.extend(SubscriptionId::new(id));
        });
    }
}
