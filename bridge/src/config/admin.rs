//! `admin` of `[broker]`: where the broker answers operators.

use std::path::PathBuf;

use super::section::Section;
use super::values::{host_and_port, secret_file};
use super::{Secret, TlsFiles};

/// Where the broker's HTTP for operators is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAddress {
    /// A socket, which needs no token.
    Unix(PathBuf),
    /// TCP, with TLS or without.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// Whether it speaks TLS.
        tls: bool,
    },
}

/// The broker's HTTP for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Its address.
    pub address: AdminAddress,
    /// Certificates for TLS.
    pub tls: TlsFiles,
    /// A token with the right to read.
    pub token: Option<Secret>,
    /// The vhost of the bridge's sessions.
    pub vhost: String,
}

/// Reads the keys of `[broker]`.
pub(super) fn admin(section: &Section<'_, '_>, tls: TlsFiles) -> Option<Admin> {
    let address = section.parsed("admin", address);
    let token = section.parsed("admin_token_file", secret_file);
    let vhost = section.text("vhost").map_or_else(|| "/".to_owned(), |text| text.text);
    if !section.has("admin") {
        for key in ["admin_token_file", "vhost"].into_iter().filter(|key| section.has(key)) {
            section.fault(section.place_of(key), format!("{key} goes with admin"));
        }
    }
    Some(Admin { address: address?, tls, token, vhost })
}

fn address(text: &str) -> Result<AdminAddress, String> {
    const FORMS: &str = "takes unix:PATH, http://HOST:PORT or https://HOST:PORT, as in \
                         unix:/var/lib/ringmq/admin.sock";
    if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
        return Ok(AdminAddress::Unix(path.into()));
    }
    let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err(FORMS.to_owned()),
    };
    let (host, port) = host_and_port(rest, 9883)?;
    Ok(AdminAddress::Tcp { host, port, tls })
}

#[cfg(test)]
mod tests {
    use super::*;

    // An address is read in each form; a wrong one is reported with the right forms.
    #[test]
    fn addresses() {
        let tcp = |host: &str, port, tls| AdminAddress::Tcp { host: host.to_owned(), port, tls };
        for (text, is) in [
            ("unix:/a/admin.sock", AdminAddress::Unix("/a/admin.sock".into())),
            ("http://127.0.0.1:9883", tcp("127.0.0.1", 9883, false)),
            ("https://a", tcp("a", 9883, true)),
        ] {
            assert_eq!(address(text), Ok(is), "{text}");
        }
        for text in ["", "unix:a", "mqtt://a", "http://"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
