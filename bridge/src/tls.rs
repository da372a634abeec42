//! The client side of TLS: which certificates a target must have, and the bridge's own.
//!
//! The files are read at each connection, so that a renewed certificate is used.

use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::config::TlsFiles;

/// The system's certificates, at the paths of Debian, Alpine and others, and of Fedora.
const SYSTEM_ROOTS: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// What is verified of a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verify {
    /// An authority has signed it for the server's name.
    Full,
    /// An authority has signed it, for any name.
    Chain,
    /// Nothing: the connection is encrypted, but the server may be another.
    Nothing,
}

/// The configuration of a client.
///
/// # Errors
/// A file cannot be read or has no certificate, or there is none to trust.
pub(crate) fn client_config(tls: &TlsFiles, verify: Verify) -> io::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = match verify {
        Verify::Nothing => RootCertStore::empty(),
        Verify::Full | Verify::Chain => roots(tls)?,
    };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let builder = match verify {
        Verify::Full => {
            let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
            builder.with_webpki_verifier(verifier.build().map_err(io::Error::other)?)
        }
        Verify::Chain | Verify::Nothing => {
            let roots = (verify == Verify::Chain).then_some(roots);
            let verifier = AnyName { roots, provider };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    match &tls.identity {
        Some((chain, key)) => {
            let named = |error| io::Error::other(format!("{key}: {error}"));
            let key = PrivateKeyDer::from_pem_file(key).map_err(named)?;
            builder.with_client_auth_cert(certificates(chain)?, key).map_err(io::Error::other)
        }
        None => Ok(builder.with_no_client_auth()),
    }
}

fn roots(tls: &TlsFiles) -> io::Result<RootCertStore> {
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
    Ok(roots)
}

fn certificates(file: &str) -> io::Result<Vec<CertificateDer<'static>>> {
    let named = |error| io::Error::other(format!("{file}: {error}"));
    CertificateDer::pem_file_iter(file).map_err(named)?.collect::<Result<_, _>>().map_err(named)
}

/// Accepts any name in a certificate and, without roots, any certificate. The server must have its
/// key in any case.
#[derive(Debug)]
struct AnyName {
    roots: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                roots,
                intermediates,
                now,
                algorithms,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
