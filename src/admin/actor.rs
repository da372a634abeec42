//! Who changes something, and the note of it.

use log::info;

use crate::shown::Shown;

use super::guard::{Peer, Who};

/// Who changes something.
pub(super) struct Actor {
    who: Who,
    peer: Peer,
}

impl Actor {
    pub(super) fn new(who: Who, peer: Peer) -> Self {
        Self { who, peer }
    }

    /// The same for what is done to something else than a client.
    pub(super) fn audit_of(&self, action: &str, vhost: &str, object: &str, result: &str) {
        let (by, peer) = (&*self.who.name, self.peer);
        let object = Shown(object);
        info!(
            event = "audit", object:%, vhost, by, peer:% = peer, action, result;
            "{action} {object} by {by} from {peer}: {result}"
        );
    }

    /// Notes what was done, for whoever looks for it later.
    pub(super) fn audit(&self, action: &str, vhost: &str, client: &str, result: &str) {
        let (by, peer) = (&*self.who.name, self.peer);
        info!(
            event = "audit", client, vhost, by, peer:% = peer, action, result;
            "{action} by {by} from {peer}: {result}"
        );
    }
}
