//! A broker with a TLS listener, and a client that sends exactly the given bytes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use crate::authority::{Authority, Pair, text};
use crate::common::{Broker, PATIENCE, connack, connect};

pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A broker with a plain and a TLS listener.
pub(crate) struct Doors {
    pub(crate) broker: Broker,
    pub(crate) addr: SocketAddr,
}

impl Doors {
    /// Starts a broker with these additional flags.
    #[track_caller]
    pub(crate) fn open(shards: usize, server: &Pair, flags: &[&str]) -> Self {
        Self::open_with(shards, &server.cert, &server.key, flags)
    }

    /// The same with these files.
    #[track_caller]
    pub(crate) fn open_with(shards: usize, cert: &Path, key: &Path, flags: &[&str]) -> Self {
        let (cert, key) = (text(cert), text(key));
        let mut all = vec!["--tls-listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key];
        all.extend(flags);
        let broker = Broker::start_with(shards, &all);
        let addr = broker.tls_addr();
        Self { broker, addr }
    }
}

/// One connection.
pub(crate) struct Secure {
    pub(crate) tls: StreamOwned<ClientConnection, TcpStream>,
}

/// A client's configuration: it trusts `authority`, and shows `own`.
pub(crate) fn config(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    own: Option<&Pair>,
) -> Arc<ClientConfig> {
    let own = own.map(|pair| (pair.cert.as_path(), pair.key.as_path()));
    config_of(&authority.file, versions, own)
}

/// The same from files: the authority's certificate, the client's certificate and its key.
pub(crate) fn config_of(
    authority: &Path,
    versions: &[&'static SupportedProtocolVersion],
    own: Option<(&Path, &Path)>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_file(authority).expect("was written");
    roots.add(root).expect("is an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("the provider has both")
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = vec![CertificateDer::from_pem_file(cert).expect("was written")];
            let key = PrivateKeyDer::from_pem_file(key).expect("was written");
            builder.with_client_auth_cert(chain, key).expect("a pair")
        }
    };
    Arc::new(config)
}

impl Secure {
    /// Shakes hands with a server that must prove to be `host`.
    pub(crate) fn open(
        addr: SocketAddr,
        config: &Arc<ClientConfig>,
        host: &str,
    ) -> io::Result<Self> {
        let mut socket = TcpStream::connect(addr)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let name = host.to_owned().try_into().expect("a name");
        let mut tls = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        Ok(Self { tls: StreamOwned::new(tls, socket) })
    }

    /// Opens, and is accepted as `id`; with TLS 1.3 a server that does not want this client says
    /// so only now.
    pub(crate) fn connect(
        addr: SocketAddr,
        config: &Arc<ClientConfig>,
        id: &str,
    ) -> io::Result<Self> {
        let mut client = Self::open(addr, config, "localhost")?;
        client.tls.write_all(&connect(id).bytes())?;
        let mut answer = [0; 4];
        client.tls.read_exact(&mut answer)?;
        assert_eq!(answer.as_slice(), connack(false, 0));
        Ok(client)
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.tls.write_all(bytes).expect("the connection is open");
    }

    /// The next bytes must be these.
    #[track_caller]
    pub(crate) fn expect(&mut self, bytes: &[u8]) {
        let mut came = vec![0; bytes.len()];
        self.tls.read_exact(&mut came).expect("the connection is open");
        assert!(came == bytes, "due: {} bytes, came others", bytes.len());
    }

    /// The broker ends the connection with close_notify; rustls reports an end without it.
    #[track_caller]
    pub(crate) fn expect_goodbye(&mut self) {
        let read = self.tls.read(&mut [0]);
        assert!(matches!(read, Ok(0)), "a goodbye was due, this came: {read:?}");
    }
}
