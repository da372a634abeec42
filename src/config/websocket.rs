//! Flags of WebSocket: protocols of a listener, paths, and allowed origins.

use std::fmt;

use clap::Args;

/// The protocols that a listener accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accepts {
    /// MQTT and WebSocket, recognised by the first bytes.
    #[default]
    Both,
    /// Only MQTT.
    Mqtt,
    /// Only WebSocket.
    WebSocket,
}

/// An allowed origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageOrigin {
    /// Every origin.
    Any,
    /// `scheme://host` with the port if it is not the scheme's, in lower case.
    Page(String),
}

/// Flags of WebSocket.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct WebSocketOptions {
    /// Path at which WebSocket clients are accepted; may be given several times
    #[arg(
        id = "ws-path",
        long = "ws-path",
        value_name = "PATH",
        default_values = ["/", "/mqtt"],
        value_parser = parse_path,
        help_heading = "Network"
    )]
    pub paths: Vec<String>,

    /// Origin of web pages that may connect over WebSocket, as in `https://app.example.com`, or
    /// `any`; may be given several times [default: any, but pages of this host alone at loopback
    /// addresses]
    ///
    /// A browser sends the origin of the page whose script connects. A page whose origin is not
    /// listed gets 403. Clients other than browsers send no origin and are accepted. With
    /// --tls-client-ca a browser may present its user's certificate for any page; list the origins
    /// of your pages then.
    #[arg(
        id = "ws-origin",
        long = "ws-origin",
        value_name = "ORIGIN",
        value_parser = parse_origin,
        help_heading = "Network"
    )]
    pub origins: Vec<PageOrigin>,
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self { paths: vec!["/".to_owned(), "/mqtt".to_owned()], origins: Vec::new() }
    }
}

impl fmt::Display for Accepts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Both => "",
            Self::Mqtt => ",mqtt",
            Self::WebSocket => ",ws",
        })
    }
}

fn parse_path(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/')
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
    match is_path {
        true => Ok(text.to_owned()),
        false => Err("takes a path without a query, as in /mqtt".to_owned()),
    }
}

/// Parses an origin as a browser sends it (RFC 6454, 6.2): without a path and without the scheme's
/// default port.
fn parse_origin(text: &str) -> Result<PageOrigin, String> {
    if text == "any" {
        return Ok(PageOrigin::Any);
    }
    let takes = "takes an origin, as in https://app.example.com or http://localhost:8080, or `any`";
    let lower = text.to_ascii_lowercase();
    let (scheme, host) = lower.split_once("://").ok_or(takes)?;
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"-+._:[]".contains(&byte);
    if host.ends_with('/') || host.contains('/') {
        return Err(format!("{takes}, without a path behind it"));
    }
    if scheme.is_empty()
        || host.is_empty() && scheme != "file"
        || !lower.bytes().all(|byte| may_be(byte) || byte == b'/')
    {
        return Err(takes.to_owned());
    }
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let host = host.strip_suffix(default_port).unwrap_or(host);
    Ok(PageOrigin::Page(format!("{scheme}://{host}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Origins have the form that browsers send.
    #[test]
    fn origins() {
        for (text, origin) in [
            ("https://app.example.com", Some("https://app.example.com")),
            ("HTTPS://App.Example.COM", Some("https://app.example.com")),
            ("https://app.example.com:443", Some("https://app.example.com")),
            ("http://app.example.com:80", Some("http://app.example.com")),
            ("http://app.example.com:443", Some("http://app.example.com:443")),
            ("http://[::1]:8080", Some("http://[::1]:8080")),
            ("chrome-extension://abc", Some("chrome-extension://abc")),
            ("file://", Some("file://")),
            ("https://app.example.com/", None),
            ("https://app.example.com/page", None),
            ("app.example.com", None),
            ("https://", None),
            ("://a", None),
            ("https://a b", None),
            ("*", None),
            ("null", None),
        ] {
            let expected = origin.map(|origin| PageOrigin::Page(origin.to_owned()));
            assert_eq!(parse_origin(text).ok(), expected, "{text}");
        }
        assert_eq!(parse_origin("any"), Ok(PageOrigin::Any));
    }

    // Paths begin with a slash and have no query.
    #[test]
    fn paths() {
        for (text, good) in [
            ("/", true),
            ("/mqtt", true),
            ("/a/b-c_d.e%20", true),
            ("", false),
            ("mqtt", false),
            ("/a?b", false),
            ("/a#b", false),
            ("/a b", false),
            ("/\u{e4}", false),
        ] {
            assert_eq!(parse_path(text).is_ok(), good, "{text}");
        }
    }
}
