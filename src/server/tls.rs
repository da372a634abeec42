//! Certificates, keys and revocation lists from files, for TLS listeners.
//!
//! Loading is all or nothing: a faulty file is named, and none of the loaded files is used. A new
//! setup has new ticket keys, so that a client that is no longer trusted cannot resume with an old
//! ticket.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use log::warn;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{self, Ticketer};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, InconsistentKeys, RootCertStore, ServerConfig, version};
use x509_cert::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::der::{Decode, Encode};

use crate::config::{Fault, HttpIdentity, Options, TlsClients, TlsIdentity, TlsMin, TlsOptions};
use crate::limits::{CERTIFICATE_DAYS_MIN, TLS_FILE_BYTES_MAX};
use crate::transport::{ClientVerifier, Identity, TlsSetup};

const DAY_S: u64 = 24 * 60 * 60;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A fault of one TLS file, or of several together.
#[derive(Debug)]
pub struct TlsError {
    flag: &'static str,
    file: Option<PathBuf>,
    says: String,
    is_denied: bool,
}

impl TlsError {
    /// The fault as data.
    pub(super) fn fault(&self) -> Fault {
        let (file, key) = (self.file.clone(), Some(self.flag.to_owned()));
        Fault { file, line: None, key, says: self.says.clone() }
    }

    /// Whether the system does not let this process read the file.
    pub(super) fn is_denied(&self) -> bool {
        self.is_denied
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{} {}: {}", self.flag, file.display(), self.says),
            None => write!(f, "{}: {}", self.flag, self.says),
        }
    }
}

impl std::error::Error for TlsError {}

/// Whether user names are taken from client certificates.
pub fn names_clients(options: &TlsOptions) -> bool {
    options.client_ca.is_some() && options.identity != TlsIdentity::None
}

/// Whether every TLS client must have a certificate.
pub fn requires_certificates(options: &TlsOptions) -> bool {
    options.client_ca.is_some() && options.clients == TlsClients::Required
}

/// The setup of TLS listeners; `None` if there is no such listener.
///
/// # Errors
/// Names the flag, the file and the fault.
pub fn load(options: &TlsOptions) -> Result<Option<Arc<TlsSetup>>, TlsError> {
    let (Some(cert), Some(key)) = (&options.cert, &options.key) else {
        return Ok(None);
    };
    let provider = Arc::new(ring::default_provider());
    let own = Pair { cert_flag: "--tls-cert", key_flag: "--tls-key", cert, key };
    let mut names = Names::new(own.load(&provider)?);
    for name in &options.names {
        let flag = "--tls-sni";
        let pair = Pair { cert_flag: flag, key_flag: flag, cert: &name.cert, key: &name.key };
        names.add(&name.host, pair.load(&provider)?);
    }
    let versions: &[_] = match options.min {
        TlsMin::V12 => &[&version::TLS13, &version::TLS12],
        TlsMin::V13 => &[&version::TLS13],
    };
    let failed = |error: rustls::Error| TlsError {
        flag: "--tls-listen",
        file: None,
        says: error.to_string(),
        is_denied: false,
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(failed)?;
    let builder = match verifier(options, &provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut server = builder.with_cert_resolver(Arc::new(names));
    // A browser that opens a WebSocket offers only the latter.
    server.alpn_protocols = vec![b"mqtt".to_vec(), b"http/1.1".to_vec()];
    // Only tickets: they need no memory for each client, and every shard accepts them.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.ticketer = Ticketer::new().map_err(failed)?;
    server.send_tls13_tickets = 1;
    Ok(Some(Arc::new(TlsSetup { server: Arc::new(server), identity: identity(options) })))
}

/// The setup of HTTP over TLS; `None`: plain HTTP.
///
/// # Errors
/// Names the flag, the file and the fault.
pub(super) fn load_http(options: &Options) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    let failed =
        |says: String| TlsError { flag: "--http-listen", file: None, says, is_denied: false };
    let Some(HttpIdentity { cert, key, flags }) = options.admin.http_identity(&options.tls) else {
        return match options.admin.is_reached_by_others() {
            true => Err(failed("other hosts reach it, and --http-cert is gone".to_owned())),
            false => Ok(None),
        };
    };
    let provider = Arc::new(ring::default_provider());
    let pair = Pair { cert_flag: flags[0], key_flag: flags[1], cert, key };
    let names = Names::new(pair.load(&provider)?);
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(|error| failed(error.to_string()))?;
    let mut server = builder.with_no_client_auth().with_cert_resolver(Arc::new(names));
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Arc::new(server)))
}

fn identity(options: &TlsOptions) -> Identity {
    match options.identity {
        TlsIdentity::Cn => Identity::CommonName,
        TlsIdentity::San => Identity::AlternativeName,
        TlsIdentity::None => Identity::None,
    }
}

/// The verifier of client certificates; without issuers no certificate is requested.
fn verifier(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let Some(ca) = &options.client_ca else {
        return Ok(None);
    };
    let flag = "--tls-client-ca";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(flag, ca)? {
        let added = roots.add(certificate);
        added.map_err(|_| fault(flag, ca, "a block in it is no X.509 certificate".to_owned()))?;
    }
    let roots = Arc::new(roots);
    let mut lists = Vec::new();
    for file in &options.crls {
        let found = revocation_lists(file)?;
        let builder = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone());
        builder.with_crls(found.clone()).build().map_err(|_| {
            let says = "a block in it is no list of revoked certificates that can be used";
            fault("--tls-crl", file, says.to_owned())
        })?;
        lists.extend(found);
    }
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
        .with_crls(lists)
        .only_check_end_entity_revocation();
    let builder = match options.clients {
        TlsClients::Required => builder,
        TlsClients::Optional => builder.allow_unauthenticated(),
    };
    let authorities = builder.build().map_err(|error| fault(flag, ca, error.to_string()))?;
    Ok(Some(Arc::new(ClientVerifier::new(authorities, identity(options)))))
}

fn revocation_lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let flag = "--tls-crl";
    let text = read(flag, file)?;
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&text).collect();
    match lists {
        Ok(lists) if lists.is_empty() => {
            Err(fault(flag, file, "has no PEM block X509 CRL".to_owned()))
        }
        Ok(lists) => {
            lists.iter().for_each(|list| warn_if_overdue(file, list));
            Ok(lists)
        }
        Err(error) => Err(broken(flag, file, &error)),
    }
}

/// An outdated list is still used: it rejects the certificates on it, but not those that were
/// revoked since.
fn warn_if_overdue(file: &Path, list: &CertificateRevocationListDer<'_>) {
    let Ok(parsed) = CertificateList::from_der(list) else { return };
    let Ok(now) = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) else { return };
    let due = parsed.tbs_cert_list.next_update.map(|due| due.to_unix_duration());
    if let Some(overdue) = due.and_then(|due| now.checked_sub(due)) {
        let days = overdue.as_secs() / DAY_S;
        warn!(
            "--tls-crl {}: should have been renewed {days} days ago: clients that were revoked \
             since are let in",
            file.display()
        );
    }
}

/// A certificate and its key, and the flags that name them.
struct Pair<'a> {
    cert_flag: &'static str,
    key_flag: &'static str,
    cert: &'a Path,
    key: &'a Path,
}

impl Pair<'_> {
    fn load(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
        let chain = certificates(self.cert_flag, self.cert)?;
        if let Some(first) = chain.first() {
            self.warn_if_invalid(first);
        }
        let text = read(self.key_flag, self.key)?;
        let of_key = |says: String| fault(self.key_flag, self.key, says);
        let key = PrivateKeyDer::from_pem_slice(&text);
        let key = key.map_err(|error| of_key(super::pem::no_key(&text, &error)))?;
        let unusable = || of_key(super::pem::unusable_key(&key));
        let signer = provider.key_provider.load_private_key(key.clone_key());
        let certified = CertifiedKey::new(chain, signer.map_err(|_| unusable())?);
        let matches = match certified.keys_match() {
            Err(rustls::Error::InvalidCertificate(_)) => self.match_version_1(&certified),
            other => other,
        };
        match matches {
            // A key without its public part cannot be compared.
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
                Ok(Arc::new(certified))
            }
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(of_key(format!("is not the key of the certificate {}", self.cert.display())))
            }
            Err(_) => {
                let says = "its first certificate is no X.509 certificate that can be used";
                Err(fault(self.cert_flag, self.cert, says.to_owned()))
            }
        }
    }

    /// As above, for a certificate that rustls cannot parse. rustls still sends it, and clients
    /// with OpenSSL accept it.
    fn match_version_1(&self, certified: &CertifiedKey) -> Result<(), rustls::Error> {
        let unreadable = || rustls::Error::InvalidCertificate(CertificateError::BadEncoding);
        let parsed = certified.end_entity_cert()?;
        let parsed = Certificate::from_der(parsed).map_err(|_| unreadable())?.tbs_certificate;
        if parsed.version != x509_cert::certificate::Version::V1 {
            return Err(unreadable());
        }
        let public = parsed.subject_public_key_info.to_der().map_err(|_| unreadable())?;
        if certified.key.public_key().is_some_and(|own| *own != *public) {
            return Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch));
        }
        warn!(
            "{} {}: an X.509 certificate of version 1, which has no names of hosts: many clients \
             will refuse it; make it again as version 3: openssl x509 -req … -extfile FILE, with \
             a line subjectAltName=DNS:NAME in FILE",
            self.cert_flag,
            self.cert.display()
        );
        Ok(())
    }

    /// A certificate outside its validity is used although clients refuse it: that is better than
    /// no broker.
    fn warn_if_invalid(&self, certificate: &CertificateDer<'_>) {
        let Ok(parsed) = Certificate::from_der(certificate) else { return };
        let Ok(now) = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) else { return };
        let validity = parsed.tbs_certificate.validity;
        let (flag, file) = (self.cert_flag, self.cert.display());
        let since = |bound: Duration| now.abs_diff(bound).as_secs() / DAY_S;
        if validity.not_after.to_unix_duration() < now {
            let days = since(validity.not_after.to_unix_duration());
            warn!("{flag} {file}: expired {days} days ago: clients will refuse it");
        } else if validity.not_before.to_unix_duration() > now {
            let days = since(validity.not_before.to_unix_duration());
            warn!("{flag} {file}: valid in {days} days only: clients will refuse it until then");
        } else if since(validity.not_after.to_unix_duration()) < CERTIFICATE_DAYS_MIN {
            let days = since(validity.not_after.to_unix_duration());
            warn!("{flag} {file}: expires in {days} days: renew it");
        }
    }
}

/// The certificates in a file, in order; at least one.
pub(super) fn certificates(
    flag: &'static str,
    file: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(flag, file)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => {
            Err(fault(flag, file, "has no PEM block CERTIFICATE".to_owned()))
        }
        chain => chain.map_err(|error| broken(flag, file, &error)),
    }
}

pub(super) fn read(flag: &'static str, file: &Path) -> Result<Vec<u8>, TlsError> {
    let mut text = Vec::new();
    let read = File::open(file)
        .and_then(|opened| opened.take(TLS_FILE_BYTES_MAX + 1).read_to_end(&mut text));
    match read {
        Ok(bytes) if bytes as u64 <= TLS_FILE_BYTES_MAX => {
            // Editors on Windows write a byte order mark there.
            if text.starts_with(BYTE_ORDER_MARK) {
                text.drain(..BYTE_ORDER_MARK.len());
            }
            Ok(text)
        }
        Ok(_) => Err(fault(flag, file, format!("is larger than {TLS_FILE_BYTES_MAX} bytes"))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(fault(flag, file, "there is no such file".to_owned()))
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let says = "cannot be read: permission denied".to_owned();
            Err(TlsError { is_denied: true, ..fault(flag, file, says) })
        }
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            Err(fault(flag, file, "is no file".to_owned()))
        }
        Err(error) => Err(fault(flag, file, format!("cannot be read: {error}"))),
    }
}

fn broken(flag: &'static str, file: &Path, error: &pem::Error) -> TlsError {
    fault(flag, file, super::pem::broken(error))
}

fn fault(flag: &'static str, file: &Path, says: String) -> TlsError {
    TlsError { flag, file: Some(file.to_owned()), says, is_denied: false }
}

/// Certificates by the host name that clients request.
#[derive(Debug)]
struct Names {
    /// For all other names, and for clients that request none.
    rest: Arc<CertifiedKey>,
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By the part of the name after its first label and dot.
    wildcards: HashMap<String, Arc<CertifiedKey>>,
}

impl Names {
    fn new(rest: Arc<CertifiedKey>) -> Self {
        Self { rest, exact: HashMap::new(), wildcards: HashMap::new() }
    }

    fn add(&mut self, host: &str, key: Arc<CertifiedKey>) {
        match host.strip_prefix("*.") {
            Some(parent) => self.wildcards.insert(parent.to_owned(), key),
            None => self.exact.insert(host.to_owned(), key),
        };
    }

    fn get(&self, host: &str) -> &Arc<CertifiedKey> {
        let host = host.to_ascii_lowercase();
        let wildcard = || self.wildcards.get(host.split_once('.')?.1);
        self.exact.get(&host).or_else(wildcard).unwrap_or(&self.rest)
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(hello.server_name().map_or(&self.rest, |host| self.get(host))))
    }
}
