//! Requests of `ringmq session delete`: from the data directory to the shards.

use std::path::Path;
use std::sync::Arc;

use log::{error, warn};

use crate::broker::SessionName;
use crate::disk::Deletion;
use crate::reactor::ControlMessage;

use super::Control;
use super::access::Access;

/// Deletes all sessions that were requested since the last time. The home shard of a session logs
/// the result.
pub(super) fn forward(data_dir: &Path, access: &Access, controls: &mut [Control]) {
    let requests = match Deletion::take_all(data_dir) {
        Ok(requests) => requests,
        Err(error) => return error!("no session was deleted: {error}"),
    };
    let vhosts = access.vhosts();
    let named = requests.into_iter().filter_map(|Deletion { vhost, client_id }| {
        let found = vhosts.iter().find(|(_, name)| *name == vhost);
        if found.is_none() {
            warn!("the session of client {client_id:?} is not deleted: no vhost {vhost:?}");
        }
        found.map(|(vhost, _)| SessionName { vhost: *vhost, client_id })
    });
    let named: Arc<[SessionName]> = named.collect();
    if !named.is_empty() {
        controls.iter_mut().for_each(|control| control.send(ControlMessage::Delete(named.clone())));
    }
}
