//! Converts the flags of WebSocket for the transport.

use std::sync::Arc;

use crate::config::{self, Options, PageOrigin};
use crate::transport::{Accepts, Origins, WebSocketSetup};

/// The protocols that a listener accepts.
pub(super) fn accepts(accepts: config::Accepts) -> Accepts {
    match accepts {
        config::Accepts::Both => Accepts::Both,
        config::Accepts::Mqtt => Accepts::Mqtt,
        config::Accepts::WebSocket => Accepts::WebSocket,
    }
}

/// The values that WebSocket requests are checked against.
pub(super) fn setup(options: &Options) -> Arc<WebSocketSetup> {
    let given = &options.websocket;
    let pages = given.origins.iter().filter_map(|origin| match origin {
        PageOrigin::Any => None,
        PageOrigin::Page(page) => Some(page.clone()),
    });
    let origins = match given.origins.as_slice() {
        [] => Origins::ByListener,
        all if all.contains(&PageOrigin::Any) => Origins::Any,
        _ => Origins::Listed(pages.collect()),
    };
    Arc::new(WebSocketSetup { paths: given.paths.clone(), origins })
}
