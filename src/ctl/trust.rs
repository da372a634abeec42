//! Trusted certificates of `ringmq ctl` for TLS: those of `--cacert` or of `RINGMQ_CACERT`, else
//! those of the system. There is no option to trust every certificate.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::limits::TLS_FILE_BYTES_MAX;

use super::error::CtlError;
use super::text::shown;

/// The files of trusted certificates on Debian, Fedora and Alpine.
const USUAL: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// A connector that trusts the certificates of a file, or of the system.
pub(super) fn connector(file: Option<&Path>) -> Result<TlsConnector, CtlError> {
    let path = match file {
        Some(file) => file.to_owned(),
        None => usual()?,
    };
    let mut roots = RootCertStore::empty();
    let found = certificates(&path)?;
    let (added, _) = roots.add_parsable_certificates(found);
    if added == 0 {
        return Err(unusable(&path, "there is no certificate in it"));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder =
        builder.map_err(|error| CtlError::Failed(format!("TLS cannot begin: {error}")))?;
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The name that the certificate must have.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, CtlError> {
    let name = ServerName::try_from(host.to_owned());
    name.map_err(|_| CtlError::Usage(format!("{} is no name of a host", shown(host))))
}

fn usual() -> Result<PathBuf, CtlError> {
    let found = USUAL.iter().map(PathBuf::from).find(|path| path.exists());
    found.ok_or_else(|| {
        let says = "this system has no file of trusted certificates: name one with --cacert";
        CtlError::Usage(says.to_owned())
    })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CtlError> {
    let told = path.metadata().map_err(|error| unusable(path, &advice(&error)))?;
    if told.len() > TLS_FILE_BYTES_MAX {
        return Err(unusable(path, "it is too large for a file of certificates"));
    }
    let text = fs::read(path).map_err(|error| unusable(path, &advice(&error)))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    found.map_err(|error| unusable(path, &format!("it is damaged: {error}")))
}

fn advice(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => error.to_string(),
    }
}

fn unusable(path: &Path, why: &str) -> CtlError {
    CtlError::Usage(format!("--cacert {}: {why}", shown(&path.display().to_string())))
}
