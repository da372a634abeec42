//! Who changes something, and the note of it.

use hyper::StatusCode;
use log::info;

use crate::shown::Shown;

use super::answer::Fault;
use super::guard::{Peer, Who};
use super::operation::Operation;
use super::query::Query;

/// What a token for one vhost may do as well: that is about no vhost, or checks it by itself.
const FOR_ALL: &[&str] =
    &["/publish", "/clients/kick", "/openapi.json", "/whoami", "/sign-in", "/dashboard"];

/// Who changes something.
pub(super) struct Actor {
    who: Who,
    peer: Peer,
}

impl Actor {
    pub(super) fn new(who: Who, peer: Peer) -> Self {
        Self { who, peer }
    }

    pub(super) fn who(&self) -> &Who {
        &self.who
    }

    /// The name of the token, or of the user at the socket.
    pub(super) fn name(&self) -> &str {
        &self.who.name
    }

    /// Refuses a vhost that a token is not for.
    pub(super) fn check_vhost(&self, vhost: &str) -> Result<(), Fault> {
        match self.who.vhost.as_deref() {
            Some(own) if own != vhost => {
                let message = format!("{} is for vhost {own:?} alone", self.who.name);
                Err(Fault::new(StatusCode::FORBIDDEN, "forbidden", message))
            }
            _ => Ok(()),
        }
    }

    /// Refuses what a token for one vhost may not have done: what is about all of them, or another.
    pub(super) fn check_scope(
        &self,
        operation: &Operation,
        query: &Query<'_>,
    ) -> Result<(), Fault> {
        if self.who.vhost.is_none() || FOR_ALL.contains(&operation.path) {
            return Ok(());
        }
        let takes_one = operation.parameters.iter().any(|it| it.name == "vhost");
        match query.get("vhost").filter(|_| takes_one) {
            Some(vhost) => self.check_vhost(vhost),
            None => {
                let own = self.who.vhost.as_deref().unwrap_or_default();
                let message = format!("{} is for vhost {own:?} alone", self.who.name);
                let fault = Fault::new(StatusCode::FORBIDDEN, "forbidden", message);
                Err(fault.hint("say which vhost you mean; what is about all is for other tokens"))
            }
        }
    }

    /// The same for what is done to something else than a client.
    pub(super) fn audit_of(&self, action: &str, object: &str, result: &str) {
        let (by, peer) = (&*self.who.name, self.peer);
        let object = Shown(object);
        info!(
            event = "audit", object:%, by, peer:% = peer, action, result;
            "{action} {object} by {by} from {peer}: {result}"
        );
    }

    /// The same for what is done to something of a vhost that is no client.
    pub(super) fn audit_in(&self, action: &str, vhost: &str, object: &str, result: &str) {
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
