//! Byte streams to a broker: a Unix socket, TCP, or TLS over TCP.

use std::io;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::config::{Address, TlsFiles};

/// The system's certificates, at the paths of Debian, Alpine and others, and of Fedora.
const SYSTEM_ROOTS: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

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
    let config = client_config(tls)?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// The client's TLS configuration. The files are read at each connection, so that a renewed
/// certificate is used.
pub(crate) fn client_config(tls: &TlsFiles) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let files: Vec<&str> = match &tls.ca {
        Some(file) => vec![file.as_str()],
        None => SYSTEM_ROOTS.to_vec(),
    };
    for file in files {
        let found = certificates(file);
        match found {
            Ok(certificates) => {
                roots.add_parsable_certificates(certificates);
            }
            Err(error) if tls.ca.is_some() => return Err(error),
            Err(_) => {}
        }
    }
    if roots.is_empty() {
        return Err(io::Error::other("there are no certificates to trust: set `ca_file`"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots);
    match &tls.identity {
        Some((chain, key)) => {
            let named = |error| io::Error::other(format!("{key}: {error}"));
            let key = PrivateKeyDer::from_pem_file(key).map_err(named)?;
            builder.with_client_auth_cert(certificates(chain)?, key).map_err(io::Error::other)
        }
        None => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(file: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let named = |error| io::Error::other(format!("{file}: {error}"));
    CertificateDer::pem_file_iter(file).map_err(named)?.collect::<Result<_, _>>().map_err(named)
}
