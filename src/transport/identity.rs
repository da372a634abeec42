//! The user that a client certificate names.

use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::oid::db::rfc4519::CN;
use x509_cert::der::{Any, Decode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::limits::CERTIFIED_NAME_BYTES_MAX;

/// The field of a client certificate that holds the user name.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Identity {
    /// The subject's common name, the first if there are several, as in Mosquitto.
    CommonName,
    /// The first alternative name that is a DNS name, a URI or an e-mail address.
    AlternativeName,
    /// None: the user name is that of CONNECT.
    #[default]
    None,
}

/// The user name in a certificate; `None` if it has none, or one that is no valid user name.
pub(super) fn name_of(certificate: &CertificateDer<'_>, identity: Identity) -> Option<Box<str>> {
    if identity == Identity::None {
        return None;
    }
    let certificate = Certificate::from_der(certificate).ok()?;
    let name = match identity {
        Identity::CommonName => common_name(&certificate),
        Identity::AlternativeName => alternative_name(&certificate),
        Identity::None => None,
    };
    // [MQTT-1.5.3-2] A string of MQTT contains no zero.
    let may_be = |name: &String| {
        !name.is_empty() && name.len() <= CERTIFIED_NAME_BYTES_MAX && !name.contains('\0')
    };
    name.filter(may_be).map(String::into_boxed_str)
}

fn common_name(certificate: &Certificate) -> Option<String> {
    let parts = certificate.tbs_certificate.subject.0.iter();
    let mut attributes = parts.flat_map(|part| part.0.iter());
    text(&attributes.find(|attribute| attribute.oid == CN)?.value)
}

fn alternative_name(certificate: &Certificate) -> Option<String> {
    let extensions = certificate.tbs_certificate.extensions.as_ref()?;
    let names = extensions.iter().find(|extension| extension.extn_id == SubjectAltName::OID)?;
    let names = SubjectAltName::from_der(names.extn_value.as_bytes()).ok()?;
    names.0.into_iter().find_map(|name| match name {
        GeneralName::DnsName(name) | GeneralName::Rfc822Name(name) => Some(name.to_string()),
        GeneralName::UniformResourceIdentifier(name) => Some(name.to_string()),
        _ => None,
    })
}

/// The text of an attribute, in whichever of the types of RFC 5280 (4.1.2.4) that hold UTF-8.
fn text(value: &Any) -> Option<String> {
    if let Ok(text) = value.decode_as::<Utf8StringRef<'_>>() {
        Some(text.as_str().to_owned())
    } else if let Ok(text) = value.decode_as::<PrintableStringRef<'_>>() {
        Some(text.as_str().to_owned())
    } else if let Ok(text) = value.decode_as::<Ia5StringRef<'_>>() {
        Some(text.as_str().to_owned())
    } else {
        let text = value.decode_as::<TeletexStringRef<'_>>().ok()?;
        Some(text.as_str().to_owned())
    }
}
