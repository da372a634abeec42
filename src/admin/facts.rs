//! Settings, listeners and certificates, as the control thread knows them. They are computed at the
//! start and by each reload only.

use std::path::PathBuf;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// Every setting, in the order of the help.
    pub settings: Vec<Setting>,
    /// The listeners for clients.
    pub listeners: Vec<ListenerFact>,
    /// Every certificate and revocation list in use.
    pub certificates: Vec<CertificateFact>,
}

/// One setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its values, as they are written; empty if it is not set and has no default.
    pub values: Vec<String>,
    /// The default value, or a description of it.
    pub default: String,
    /// flag, environment, file or default.
    pub origin: &'static str,
    /// The variable that sets it.
    pub variable: Option<String>,
    /// The file and line that set it.
    pub at: Option<(PathBuf, usize)>,
    /// What it takes.
    pub takes: String,
    /// Whether a reload changes it.
    pub reload: &'static str,
}

/// One listener for clients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenerFact {
    /// The address or the path of the socket.
    pub at: String,
    /// Whether clients speak TLS there.
    pub tls: bool,
    /// Whether a proxy stands in front of it.
    pub proxy: bool,
    /// Whether only this host can reach it.
    pub local: bool,
}

/// One certificate in a file, or a list of revoked ones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFact {
    /// The flag that names the file.
    pub flag: &'static str,
    /// The file.
    pub file: PathBuf,
    /// The subject of the certificate, or the issuer of the list.
    pub subject: String,
    /// The start of its validity, in seconds since 1970.
    pub not_before_s: u64,
    /// The end of its validity, or the time of the next list.
    pub not_after_s: Option<u64>,
}
