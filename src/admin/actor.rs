//! The author of a change, and the audit line of it.

use hyper::StatusCode;
use log::info;

use crate::shown::Shown;

use super::answer::Fault;
use super::guard::{Peer, Who};
use super::operation::Operation;
use super::query::Query;

/// Paths that a token for one vhost may use as well: they concern no vhost, or check it themselves.
const FOR_ALL: &[&str] =
    &["/publish", "/clients/kick", "/openapi.json", "/whoami", "/sign-in", "/dashboard"];

/// The author of a change.
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

    /// Refuses a vhost other than that of the token.
    pub(super) fn check_vhost(&self, vhost: &str) -> Result<(), Fault> {
        match self.who.vhost.as_deref() {
            Some(own) if own != vhost => {
                let message = format!("{} is for vhost {own:?} alone", self.who.name);
                Err(Fault::new(StatusCode::FORBIDDEN, "forbidden", message))
            }
            _ => Ok(()),
        }
    }

    /// Refuses an operation that is not limited to the vhost of the token.
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

    /// Notes a change of an object that is no client.
    pub(super) fn audit_of(&self, action: &str, object: &str, result: &str) {
        let (by, peer) = (&*self.who.name, self.peer);
        let object = Shown(object);
        info!(
            event = "audit", object:%, by, peer:% = peer, action, result;
            "{action} {object} by {by} from {peer}: {result}"
        );
    }

    /// Notes a change of an object in a vhost that is no client.
    pub(super) fn audit_in(&self, action: &str, vhost: &str, object: &str, result: &str) {
        let (by, peer) = (&*self.who.name, self.peer);
        let object = Shown(object);
        info!(
            event = "audit", object:%, vhost, by, peer:% = peer, action, result;
            "{action} {object} by {by} from {peer}: {result}"
        );
    }

    /// Notes a change of a client as an audit line in the log.
    pub(super) fn audit(&self, action: &str, vhost: &str, client: &str, result: &str) {
        let (by, peer) = (&*self.who.name, self.peer);
        info!(
            event = "audit", client, vhost, by, peer:% = peer, action, result;
            "{action} by {by} from {peer}: {result}"
        );
    }
}
