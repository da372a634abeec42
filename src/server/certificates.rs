//! The certificates and revocation lists that operators see: names and validity. Files that cannot
//! be read are skipped here, because the loader has reported them.

use std::path::Path;

use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use x509_cert::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode;

use crate::admin::CertificateFact;
use crate::config::{HttpIdentity, Options};

use super::tls;

/// All certificates and lists that the options name.
pub(super) fn facts(options: &Options) -> Vec<CertificateFact> {
    let http = options.admin.http_identity(&options.tls);
    // HTTP may use the certificate for clients.
    let http = http.filter(|http| http.flags[0] != "--tls-cert");
    let http = http.map(|HttpIdentity { cert, flags, .. }| (flags[0], cert));
    let options = &options.tls;
    let own = options.cert.as_deref().map(|file| ("--tls-cert", file));
    let named = options.names.iter().map(|name| ("--tls-sni", &*name.cert));
    let ca = options.client_ca.as_deref().map(|file| ("--tls-client-ca", file));
    let files = own.into_iter().chain(named).chain(ca).chain(http);
    let certificates = files.flat_map(|(flag, file)| of_certificates(flag, file));
    certificates.chain(options.crls.iter().flat_map(|file| of_lists(file))).collect()
}

fn of_certificates(flag: &'static str, file: &Path) -> Vec<CertificateFact> {
    let chain = tls::certificates(flag, file).unwrap_or_default();
    let read = chain.iter().filter_map(|certificate| {
        let parsed = Certificate::from_der(certificate).ok()?.tbs_certificate;
        let validity = parsed.validity;
        Some(CertificateFact {
            flag,
            file: file.to_owned(),
            subject: parsed.subject.to_string(),
            not_before_s: validity.not_before.to_unix_duration().as_secs(),
            not_after_s: Some(validity.not_after.to_unix_duration().as_secs()),
        })
    });
    read.collect()
}

fn of_lists(file: &Path) -> Vec<CertificateFact> {
    let flag = "--tls-crl";
    let text = tls::read(flag, file).unwrap_or_default();
    let lists = CertificateRevocationListDer::pem_slice_iter(&text).filter_map(Result::ok);
    let read = lists.filter_map(|list| {
        let parsed = CertificateList::from_der(&list).ok()?.tbs_cert_list;
        Some(CertificateFact {
            flag,
            file: file.to_owned(),
            subject: parsed.issuer.to_string(),
            not_before_s: parsed.this_update.to_unix_duration().as_secs(),
            not_after_s: parsed.next_update.map(|due| due.to_unix_duration().as_secs()),
        })
    });
    read.collect()
}
