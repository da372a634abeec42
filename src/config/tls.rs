//! Flags of TLS: listeners, certificates and trusted issuers.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::listen::{ListenRequest, parse_tls_listen};

/// Flags of TLS. No file is read here.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "TLS")]
pub struct TlsOptions {
    /// Where to accept MQTT over TLS, usually port 8883; may be given several times.
    ///
    /// It accepts the same values as --listen, except Unix sockets, and needs --tls-cert and
    /// --tls-key. With `,proxy` after the address, a PROXY protocol header must come before TLS;
    /// with `,mqtt` or `,ws`, only that protocol is accepted.
    #[arg(
        id = "tls-listen",
        long = "tls-listen",
        value_name = "ADDRESS",
        value_parser = parse_tls_listen,
        requires = "tls-cert",
        requires = "tls-key"
    )]
    pub listen: Vec<ListenRequest>,

    /// The server's certificate followed by those of its issuers, as PEM
    #[arg(id = "tls-cert", long = "tls-cert", value_name = "FILE", requires = "tls-key")]
    pub cert: Option<PathBuf>,

    /// The private key of --tls-cert, as PEM without a password
    #[arg(id = "tls-key", long = "tls-key", value_name = "FILE", requires = "tls-cert")]
    pub key: Option<PathBuf>,

    /// The oldest version of TLS to accept
    #[arg(
        id = "tls-min",
        long = "tls-min",
        value_enum,
        value_name = "VERSION",
        default_value_t = TlsMin::V12
    )]
    pub min: TlsMin,

    /// Certificate and key for clients that request this host name; may be given several times.
    ///
    /// `*.example.com` is for every name with exactly one more label.
    #[arg(
        id = "tls-sni",
        long = "tls-sni",
        value_name = "HOST=CERT,KEY",
        value_parser = parse_server_name
    )]
    pub names: Vec<ServerName>,

    /// Certificates of the issuers of client certificates, as PEM
    #[arg(id = "tls-client-ca", long = "tls-client-ca", value_name = "FILE")]
    pub client_ca: Option<PathBuf>,

    /// Whether clients must present a certificate from an issuer in --tls-client-ca
    #[arg(
        id = "tls-client",
        long = "tls-client",
        value_enum,
        value_name = "WHETHER",
        default_value_t = TlsClients::Required,
        requires = "tls-client-ca"
    )]
    pub clients: TlsClients,

    /// The field of a client certificate that becomes the user name
    #[arg(
        id = "tls-identity",
        long = "tls-identity",
        value_enum,
        value_name = "WHAT",
        default_value_t = TlsIdentity::None,
        requires = "tls-client-ca"
    )]
    pub identity: TlsIdentity,

    /// A list of revoked client certificates, as PEM; may be given several times.
    ///
    /// There must be a list for each issuer of client certificates.
    #[arg(id = "tls-crl", long = "tls-crl", value_name = "FILE", requires = "tls-client-ca")]
    pub crls: Vec<PathBuf>,
}

/// The oldest version of TLS.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMin {
    /// TLS 1.2 and 1.3
    #[default]
    #[value(name = "1.2")]
    V12,
    /// TLS 1.3 only
    #[value(name = "1.3")]
    V13,
}

/// Whether clients must present a certificate.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsClients {
    /// A client without a certificate is refused
    #[default]
    Required,
    /// A client without a certificate may connect; a certificate that is presented must be valid
    Optional,
}

/// The field of a client certificate that becomes the user name.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsIdentity {
    /// The subject's common name
    Cn,
    /// The first alternative name that is a DNS name, a URI or an e-mail address
    San,
    /// None; the user name is that of CONNECT
    #[default]
    None,
}

/// A certificate for clients that request a certain host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerName {
    /// In lower case; may begin with `*.`.
    pub host: String,
    /// The certificate, and those of its issuers.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

fn parse_server_name(text: &str) -> Result<ServerName, String> {
    let takes = "takes a host name, = and two files, as in mqtt.example.com=cert.pem,key.pem; the \
                 host may be *.example.com";
    let (host, files) = text.split_once('=').ok_or(takes)?;
    let (cert, key) = files.split_once(',').ok_or(takes)?;
    let host = host.to_ascii_lowercase();
    let labels = host.strip_prefix("*.").unwrap_or(&host);
    let is_label = |label: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !label.is_empty() && label.len() <= 63 && label.chars().all(is_part)
    };
    if !labels.split('.').all(is_label) || host.len() > 253 || cert.is_empty() || key.is_empty() {
        return Err(takes.to_owned());
    }
    Ok(ServerName { host, cert: cert.into(), key: key.into() })
}
