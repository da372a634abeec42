//! Listeners and connections. The number of connections is bounded, and none may be idle or slow
//! for long.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use log::{debug, warn};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_local;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::limits::{
    HTTP_CONNECTIONS_MAX, HTTP_HEADER_BYTES_MAX, HTTP_HEADER_MS_MAX, HTTP_HEADERS_MAX,
    HTTP_WRITE_MS_MAX,
};

use super::guard::Peer;
use super::routes;
use super::state::Admin;

/// The time until the next try after accepting failed (most likely for lack of descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Begins to accept connections.
pub(super) fn open(
    tcp: Option<TcpListener>,
    unix: Option<UnixListener>,
    admin: &Rc<Admin>,
) -> io::Result<()> {
    if let Some(listener) = tcp {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        spawn_local(accept(admin.clone(), serve_tcp, async move || {
            let (stream, address) = listener.accept().await?;
            // Answers are sent without delay.
            stream.set_nodelay(true)?;
            Ok((stream, Peer::Tcp(address)))
        }));
    }
    if let Some(listener) = unix {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(listener)?;
        spawn_local(accept(admin.clone(), serve, async move || {
            let (stream, _) = listener.accept().await?;
            let peer = Peer::Unix(stream.peer_cred()?.uid());
            Ok((stream, peer))
        }));
    }
    Ok(())
}

async fn accept<S, F>(
    admin: Rc<Admin>,
    serve: impl Fn(S, Peer, Rc<Admin>, OwnedSemaphorePermit) -> F,
    next: impl AsyncFn() -> io::Result<(S, Peer)>,
) where
    F: Future<Output = ()> + 'static,
{
    let room = Arc::new(Semaphore::new(HTTP_CONNECTIONS_MAX));
    loop {
        // Without a free place nothing is accepted; waiting connections take kernel memory only.
        let Ok(place) = room.clone().acquire_owned().await else { return };
        match next().await {
            Ok((stream, peer)) => {
                spawn_local(serve(stream, peer, admin.clone(), place));
            }
            Err(error) => {
                warn!("accepting an operator's connection failed: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Uses TLS if there is a certificate. A handshake may take as long as a request's header.
async fn serve_tcp(
    stream: tokio::net::TcpStream,
    peer: Peer,
    admin: Rc<Admin>,
    place: OwnedSemaphorePermit,
) {
    let Some(tls) = admin.condition().tls else { return serve(stream, peer, admin, place).await };
    let accepting = TlsAcceptor::from(tls).accept(Impatient::new(stream));
    match timeout(Duration::from_millis(HTTP_HEADER_MS_MAX), accepting).await {
        Ok(Ok(stream)) => serve(stream, peer, admin, place).await,
        Ok(Err(error)) => debug!("a connection of {peer} ended: {error}"),
        Err(_) => debug!("a connection of {peer} ended: no TLS handshake came in time"),
    }
}

async fn serve<S>(stream: S, peer: Peer, admin: Rc<Admin>, place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(|request| {
        let admin = admin.clone();
        async move { Ok::<_, Infallible>(routes::answer(&admin, request, peer).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HTTP_HEADER_MS_MAX))
        .max_headers(HTTP_HEADERS_MAX)
        .max_buf_size(HTTP_HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(Impatient::new(stream)), service)
        .await;
    if let Err(error) = served {
        debug!("a connection of {peer} ended: {error}");
    }
    drop(place);
}

/// A stream that fails when its peer accepts no bytes for [`HTTP_WRITE_MS_MAX`].
struct Impatient<S> {
    stream: S,
    /// The deadline of a write that waits.
    patience: Option<Pin<Box<Sleep>>>,
}

impl<S> Impatient<S> {
    fn new(stream: S) -> Self {
        Self { stream, patience: None }
    }

    /// The result, or an error after the time has passed.
    fn bounded<T>(
        &mut self,
        poll: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.patience = None;
            return poll;
        }
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(HTTP_WRITE_MS_MAX))));
        patience.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(poll, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.bounded(poll, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bounded(poll, context)
    }
}
