//! What the control thread knows of the broker and tells: settings, listeners, certificates. It is
//! made at the start and by each reload, and costs nothing between.

use std::path::PathBuf;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// Every setting, in the order of the help.
    pub settings: Vec<Setting>,
    /// Where clients come in.
    pub listeners: Vec<ListenerFact>,
    /// Every certificate and list of revoked ones that is in use.
    pub certificates: Vec<CertificateFact>,
}

/// One setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its values, as they are written; none: nothing is set, and there is no default.
    pub values: Vec<String>,
    /// The default, in words where no value stands for it.
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
    /// Whose it is; of a list: whose list.
    pub subject: String,
    /// When it begins to be valid, seconds since 1970.
    pub not_before_s: u64,
    /// When it ends to be, or the list should have a successor.
    pub not_after_s: Option<u64>,
}
