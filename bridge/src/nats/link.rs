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

use crate::config::NatsAccess;
use crate::limits::{BATCH_MESSAGES_MAX, CONNECT_TIMEOUT, NATS_ACK_TIMEOUT};

/// The client's delay before it reconnects; its thread ends before that.
const NEVER: Duration = Duration::from_hours(1);

/// A connection.
pub(crate) struct NatsLink {
    pub(crate) client: Client,
    pub(crate) context: Context,
    lost: watch::Receiver<bool>,
    /// Dropping it ends the thread.
    _end: oneshot::Sender<()>,
}

impl NatsLink {
    /// Connects.
    pub(crate) async fn open(access: &NatsAccess, name: &str) -> Result<Self, String> {
        let servers = access.servers.iter().map(|server| server.parse::<ServerAddr>());
        let servers: Vec<ServerAddr> =
            servers.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let options = options(access, name).await?;
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
            .build(client.clone());
        Ok(Self { client, context, lost, _end: end })
    }

    /// Returns when the connection is lost.
    pub(crate) async fn lost(&self) {
        // Without a sender the client is gone too.
        let _ = self.lost.clone().wait_for(|lost| *lost).await;
    }
}

/// What the client connects with.
async fn options(access: &NatsAccess, name: &str) -> Result<ConnectOptions, String> {
    let mut options = ConnectOptions::new()
        .name(format!("ringmq-bridge {name}"))
        .connection_timeout(CONNECT_TIMEOUT)
        .client_capacity(BATCH_MESSAGES_MAX);
    if let (Some(user), password) = (&access.user, &access.password) {
        let password = password.as_ref().map(|secret| secret.0.clone()).unwrap_or_default();
        options = options.user_and_password(user.clone(), password);
    }
    if let Some(token) = &access.token {
        options = options.token(token.0.clone());
    }
    if let Some(file) = &access.credentials_file {
        let told = |error: std::io::Error| format!("{file}: {error}");
        options = options.credentials_file(file).await.map_err(told)?;
    }
    if let Some(ca) = &access.tls.ca {
        options = options.add_root_certificates(ca.into());
    }
    if let Some((chain, key)) = &access.tls.identity {
        options = options.add_client_certificate(chain.into(), key.into());
    }
    Ok(options)
}
