//! Why TLS ended a link, with advice.

use std::fmt;

use rustls::{AlertDescription, PeerIncompatible};

use super::clients;

/// Why TLS ended a link.
#[derive(Debug)]
pub enum TlsFault {
    /// The peer broke the protocol, shares no version or cipher with us, or is not trusted.
    Refused(rustls::Error),
    /// More bytes than a record may have came without a whole record.
    Oversized,
    /// rustls reached a state that this code does not use.
    Unknown,
}

impl TlsFault {
    /// Whether the client's certificate is refused, which its owner or the operator can mend.
    pub fn is_certificate(&self) -> bool {
        matches!(self, Self::Refused(rustls::Error::InvalidCertificate(_)))
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => match clients::words(error) {
                Some(words) => write!(f, "the client's certificate is refused: {words}"),
                None => write_refusal(f, error),
            },
            Self::Unknown => f.write_str("a state that is not known"),
            Self::Oversized => f.write_str("more than one record's bytes, and no whole message"),
        }
    }
}

/// An error of rustls about a handshake in words, with the side that ended it and the flag that
/// concerns it.
fn write_refusal(f: &mut fmt::Formatter<'_>, error: &rustls::Error) -> fmt::Result {
    use AlertDescription as A;
    use PeerIncompatible as P;
    match error {
        rustls::Error::AlertReceived(alert) => {
            let why = match alert {
                A::UnknownCA => "the client does not know who has issued the server's certificate",
                A::BadCertificate
                | A::CertificateExpired
                | A::CertificateRevoked
                | A::CertificateUnknown
                | A::UnsupportedCertificate => "the client refuses the server's certificate",
                _ => "the client ended it",
            };
            write!(f, "{why} (its alert: {alert:?})")
        }
        rustls::Error::NoCertificatesPresented => {
            f.write_str("the client shows no certificate (see --tls-client)")
        }
        rustls::Error::NoApplicationProtocol => {
            f.write_str("the client asks for another protocol than MQTT (ALPN)")
        }
        rustls::Error::PeerIncompatible(
            P::Tls12NotOffered
            | P::Tls12NotOfferedOrEnabled
            | P::SupportedVersionsExtensionRequired,
        ) => f.write_str("the client offers no version of TLS that is allowed (see --tls-min)"),
        other => write!(f, "{other}"),
    }
}
