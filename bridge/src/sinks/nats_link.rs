//! A connection to a NATS server. When it is lost, unsent messages are discarded with it.
//!
//! The client would reconnect by itself and send the messages that it still holds. They would
//! arrive before the unacknowledged messages that must be sent again, which breaks the order of
//! topics. So the client has its own thread and runtime, which end with the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};

use crate::limits::{BATCH_MESSAGES_MAX, NATS_ACK_TIMEOUT};

/// The client's delay before it reconnects; its thread ends before that.
const NEVER: Duration = Duration::from_hours(1);

/// A connection.
pub(super) struct NatsLink {
    pub(super) context: Context,
    lost: watch::Receiver<bool>,
    /// Dropping it ends the thread.
    _end: oneshot::Sender<()>,
}

impl NatsLink {
    /// Connects.
    pub(super) async fn open(
        options: ConnectOptions,
        servers: Vec<ServerAddr>,
        name: &str,
    ) -> Result<Self, String> {
        let (tell_lost, lost) = watch::channel(false);
        let connected = Arc::new(AtomicBool::new(false));
        let has_connected = connected.clone();
        let delay = move |_| match has_connected.load(Ordering::Acquire) {
            true => NEVER,
            false => Duration::ZERO,
        };
        let tell_lost = Arc::new(tell_lost);
        let options = options
            .max_reconnects(servers.len())
            .reconnect_delay_callback(delay)
            .event_callback(move |event| {
                let tell_lost = tell_lost.clone();
                async move {
                    if matches!(event, Event::Disconnected | Event::Closed) {
                        tell_lost.send_replace(true);
                    }
                }
            });
        let (answer, answered) = oneshot::channel::<Result<Client, String>>();
        let (end, ended) = oneshot::channel::<()>();
        let run = move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(answer.send(Err(error.to_string()))),
            };
            runtime.block_on(async {
                let client = options.connect(servers).await.map_err(|error| error.to_string());
                connected.store(true, Ordering::Release);
                // The flow may have given up.
                if answer.send(client).is_ok() {
                    // The sender is dropped to end this.
                    let _ = ended.await;
                }
            });
        };
        let builder = thread::Builder::new().name(format!("{name}-nats"));
        builder.spawn(run).map_err(|error| error.to_string())?;
        let client = answered.await.map_err(|_| "its thread ended".to_owned())??;
        let context = ContextBuilder::new()
            .timeout(NATS_ACK_TIMEOUT)
            .ack_timeout(NATS_ACK_TIMEOUT + Duration::from_secs(1))
            .max_ack_inflight(BATCH_MESSAGES_MAX + 1)
            .backpressure_on_inflight(true)
            .build(client);
        Ok(Self { context, lost, _end: end })
    }

    /// Returns when the connection is lost.
    pub(super) async fn lost(&self) {
        // Without a sender the client has ended too.
        let _ = self.lost.clone().wait_for(|lost| *lost).await;
    }
}
