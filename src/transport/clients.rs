//! Verifies client certificates. One is accepted if a trusted authority issued it and it has the
//! user name that `--tls-identity` asks for. A refusal says the reason in words.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme,
};
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::Decode;

use super::identity::{Identity, name_of};

/// See the module. rustls' own verifier checks the chain to an authority.
#[derive(Debug)]
pub struct ClientVerifier {
    authorities: Arc<dyn ClientCertVerifier>,
    identity: Identity,
}

impl ClientVerifier {
    /// Accepts certificates that `authorities` accepts and that have the name `identity` asks for.
    pub fn new(authorities: Arc<dyn ClientCertVerifier>, identity: Identity) -> Self {
        Self { authorities, identity }
    }
}

/// Why a client certificate is refused, in addition to the reasons of rustls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refusal {
    /// It has no name that is a valid user name.
    Nameless(Identity),
    /// It, or the certificate of an issuer, is of X.509 version 1.
    Version1,
    /// Its signature, or the algorithm of its key, is not supported.
    Unsupported,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nameless(Identity::AlternativeName) => {
                "it has no alternative name that could be a user name (a DNS name, a URI or an \
                 e-mail address), which --tls-identity san takes"
            }
            Self::Nameless(_) => {
                "it has no common name that could be a user name, which --tls-identity cn takes"
            }
            Self::Version1 => {
                "it, or that of an issuer, is an X.509 certificate of version 1; make it again as \
                 version 3: openssl x509 -req … -extfile FILE, with a line \
                 extendedKeyUsage=clientAuth in FILE"
            }
            Self::Unsupported => {
                "its signature, or that of an issuer, is of a kind that is not supported (P-521, \
                 SHA-1 or RSA below 2048 bits, say); make it again with keys of P-256, P-384, \
                 Ed25519, or RSA from 2048 bits"
            }
        })
    }
}

impl Error for Refusal {}

impl From<Refusal> for rustls::Error {
    fn from(refusal: Refusal) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
    }
}

/// An error of rustls about a client certificate in words; `None` for any other error.
pub(super) fn words(error: &rustls::Error) -> Option<String> {
    use CertificateError as E;
    let rustls::Error::InvalidCertificate(error) = error else { return None };
    Some(match error {
        E::Expired | E::ExpiredContext { .. } => "it has expired".to_owned(),
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "it is not valid yet; are the clocks right?".to_owned()
        }
        E::Revoked => "it is revoked (--tls-crl)".to_owned(),
        E::UnknownIssuer => "no authority of --tls-client-ca has issued it".to_owned(),
        E::UnknownRevocationStatus => {
            "none of the lists of --tls-crl is of its issuer: add the one that is".to_owned()
        }
        E::BadSignature => "its signature is wrong: it was changed, or signed by another key than \
                            that of the authority it names"
            .to_owned(),
        E::BadEncoding => "it is no X.509 certificate".to_owned(),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "it is not for clients: it has extendedKeyUsage without clientAuth".to_owned()
        }
        E::UnhandledCriticalExtension => {
            "it has a critical extension that is not supported".to_owned()
        }
        E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            Refusal::Unsupported.to_string()
        }
        E::Other(OtherError(error)) => error.to_string(),
        other => other.to_string(),
    })
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        self.authorities.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.authorities.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authorities.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.authorities.verify_client_cert(end_entity, intermediates, now);
        let verified = verified.map_err(|error| match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(_))
                if is_version_1(end_entity) || intermediates.iter().any(is_version_1) =>
            {
                Refusal::Version1.into()
            }
            error => error,
        })?;
        if self.identity != Identity::None && name_of(end_entity, self.identity).is_none() {
            return Err(Refusal::Nameless(self.identity).into());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

fn is_version_1(certificate: &CertificateDer<'_>) -> bool {
    Certificate::from_der(certificate)
        .is_ok_and(|parsed| parsed.tbs_certificate.version == Version::V1)
}
