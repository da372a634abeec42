//! TLS against rustls' own client, in memory.

mod faults;
mod identity;
mod streams;
mod websocket;

use std::io::{Read, Write};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, Ticketer};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedProtocolVersion,
};

use super::{Beginning, ClientVerifier, Identity, Opened, Then, Tls, TlsSetup, Transport};
use crate::chunk::{Batch, Chunk, ChunkPool};

/// Both versions of TLS, which share little code in rustls.
const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// An authority and its server certificate.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

type Issued = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().expect("keys can be made");
        let certificate = params.self_signed(&key).expect("is complete").der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A certificate for a common name and alternative names.
    fn issue(&self, common_name: &str, names: Vec<SanType>) -> Issued {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.subject_alt_names = names;
        let key = KeyPair::generate().expect("keys can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("is complete");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("is PKCS #8");
        (vec![certificate.der().clone()], key)
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("is an authority");
        Arc::new(roots)
    }

    /// A server that accepts clients without a certificate and with one of this authority.
    fn setup(&self, identity: Identity) -> TlsSetup {
        let name = SanType::DnsName("localhost".try_into().expect("a name"));
        let (chain, key) = self.issue("server", vec![name]);
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider());
        let verifier = verifier.allow_unauthenticated().build().expect("is complete");
        let verifier = Arc::new(ClientVerifier::new(verifier, identity));
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&VERSIONS)
            .expect("the provider has both")
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .expect("they belong together");
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.ticketer = Ticketer::new().expect("random numbers");
        TlsSetup { server: Arc::new(server), identity }
    }

    fn client(&self, version: &'static SupportedProtocolVersion, own: Option<Issued>) -> Client {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .expect("the provider has both")
            .with_root_certificates(self.roots());
        let config = match own {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).expect("a pair"),
            None => builder.with_no_client_auth(),
        };
        Client::new(&Arc::new(config))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The client side.
struct Client {
    tls: ClientConnection,
}

impl Client {
    fn new(config: &Arc<ClientConfig>) -> Self {
        let name = "localhost".try_into().expect("a name");
        let mut tls = ClientConnection::new(config.clone(), name).expect("a good configuration");
        tls.set_buffer_limit(None);
        Self { tls }
    }

    fn write(&mut self, plain: &[u8]) {
        self.tls.writer().write_all(plain).expect("no limit");
    }

    /// Bytes that it has to send.
    fn wire(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut wire).expect("memory");
        }
        wire
    }

    /// Takes bytes that were sent to it; returns the application bytes in them.
    fn read(&mut self, mut wire: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        while !wire.is_empty() {
            self.tls.read_tls(&mut wire).expect("memory");
            let state = self.tls.process_new_packets().expect("the server keeps the rules");
            let mut part = vec![0; state.plaintext_bytes_to_read()];
            self.tls.reader().read_exact(&mut part).expect("they are there");
            plain.extend(part);
        }
        plain
    }
}

/// The transport with the buffers that a reactor has for it.
struct Server {
    transport: Transport,
    room: Vec<u8>,
    pool: ChunkPool,
    /// Application bytes that were opened.
    plain: Vec<u8>,
}

impl Server {
    fn new(setup: &TlsSetup) -> Self {
        let tls = Tls::new(setup).expect("a good configuration");
        let (room, pool) = (Vec::new(), ChunkPool::default());
        let transport = Transport::new(Some(tls), Beginning::default());
        Self { transport, room, pool, plain: Vec::new() }
    }

    /// Receives one piece.
    fn receive(&mut self, wire: &[u8]) -> Then {
        let mut wire = wire.to_vec();
        let Opened { bytes, then } = self.transport.open(&mut wire, &mut self.room);
        self.plain.extend_from_slice(bytes);
        then
    }

    /// The bytes of one send of `plain` and of waiting bytes.
    fn send(&mut self, plain: Batch, last: bool) -> Batch {
        self.transport.seal(plain, last, &mut self.room, &mut self.pool)
    }

    /// Makes all sends without application bytes; none of them counts as application bytes.
    fn flush(&mut self) -> Vec<u8> {
        let mut wire = Vec::new();
        while self.transport.has_output() {
            let sealed = self.send(Batch::default(), false);
            assert_eq!(self.transport.on_sent(sealed.bytes()), 0);
            wire.extend(flat(&sealed));
        }
        wire
    }
}

fn flat(batch: &Batch) -> Vec<u8> {
    batch.slices().collect::<Vec<_>>().concat()
}

fn batch(parts: &[&[u8]]) -> Batch {
    let mut batch = Batch::default();
    for part in parts {
        batch.push(Chunk::Owned(part.to_vec()));
    }
    batch
}

/// Bytes that depend on their position.
fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at % 251).to_le_bytes()[0]).collect()
}

/// Exchanges bytes until neither side has any to send; returns the server's last state.
fn converse(client: &mut Client, server: &mut Server) -> Then {
    loop {
        let wire = client.wire();
        if wire.is_empty() && !server.transport.has_output() {
            return Then::More;
        }
        let then = server.receive(&wire);
        let answer = server.flush();
        if !matches!(then, Then::More) {
            return then;
        }
        assert!(client.read(&answer).is_empty(), "nothing was said yet");
    }
}

/// A client and a server after the handshake.
fn connected(version: &'static SupportedProtocolVersion) -> (Client, Server) {
    let authority = Authority::new();
    let mut server = Server::new(&authority.setup(Identity::None));
    let mut client = authority.client(version, None);
    assert!(matches!(converse(&mut client, &mut server), Then::More));
    assert!(!server.transport.is_handshaking());
    (client, server)
}
