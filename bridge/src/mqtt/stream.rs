//! Byte streams to a broker: a Unix socket, TCP, or TLS over TCP.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::config::{Address, TlsFiles};
use crate::tls::{Verify, client_config};

/// A bidirectional stream.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// Opens a stream.
///
/// # Errors
/// An error of the system or of TLS, or a file of certificates that cannot be read.
pub(crate) async fn open(address: &Address, tls: &TlsFiles) -> io::Result<Box<dyn Stream>> {
    match address {
        Address::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        Address::Tcp { host, port, tls: is_tls } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            if !is_tls {
                return Ok(Box::new(stream));
            }
            Ok(Box::new(secure(stream, host, tls).await?))
        }
    }
}

/// Opens TLS on a connection.
///
/// # Errors
/// As [`open`].
pub(crate) async fn secure(
    stream: TcpStream,
    host: &str,
    tls: &TlsFiles,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let config = client_config(tls, Verify::Full)?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}
