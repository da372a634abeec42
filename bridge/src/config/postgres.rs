//! `[sink.postgres]`.

use tokio_postgres::Config;

use super::section::Section;
use super::values::{Secret, secret_file};
use super::{TlsFiles, flows};
use crate::limits::COLUMNS_MAX;
use crate::value::ValueTemplate;

/// A table to write to.
#[derive(Debug, Clone)]
pub struct PostgresTarget {
    /// The server, user and database, without its `sslmode`.
    pub url: Secret,
    /// Whether it is connected to with TLS.
    pub tls: PostgresTls,
    /// Files for TLS.
    pub files: TlsFiles,
    /// The name in SQL, perhaps with its schema.
    pub table: String,
    /// Columns with the templates of their values; at least one.
    pub columns: Vec<(String, ValueTemplate)>,
    /// The table with the cursors of bridges.
    pub cursor_table: String,
    /// The handling of a message that lacks a value.
    pub missing: Missing,
}

/// Whether a connection over TCP uses TLS: the `sslmode` of libpq. Unix sockets never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostgresTls {
    /// No.
    Disable,
    /// If the server can. Its certificate is not verified.
    Prefer,
    /// Always. Its certificate is not verified.
    Require,
    /// Always; an authority must have signed its certificate.
    VerifyCa,
    /// Always; an authority must have signed its certificate, for this host.
    VerifyFull,
}

impl PostgresTls {
    fn by_name(name: &str) -> Result<Self, String> {
        match name {
            "disable" => Ok(Self::Disable),
            "prefer" => Ok(Self::Prefer),
            "require" => Ok(Self::Require),
            "verify-ca" => Ok(Self::VerifyCa),
            "verify-full" => Ok(Self::VerifyFull),
            _ => Err(format!(
                "sslmode={name}: takes disable, prefer, require, verify-ca or verify-full"
            )),
        }
    }
}

/// The handling of a message that lacks a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The column is NULL.
    Null,
    /// The message is refused.
    Dead,
}

/// The target of a table.
pub(super) fn target(table: Section<'_, '_>) -> Option<PostgresTarget> {
    let url = match table.parsed("url_file", secret_file) {
        Some(url) => Some(url),
        None if table.has("url_file") => None,
        None => table.required("url").map(|text| Secret(text.text)),
    };
    let files = flows::tls_files(&table);
    let url = url.and_then(|url| taken_apart(&table, &url.0, &files));
    let name = table.required("table").and_then(|text| identifier(&table, &text.text, text.at));
    let cursor = table.text("cursor_table");
    let cursor = match cursor {
        Some(text) => identifier(&table, &text.text, text.at),
        None => Some("ringmq_bridge_cursor".to_owned()),
    };
    let mut columns = Vec::new();
    for (column, text) in table.pairs("columns") {
        match ValueTemplate::parse(&text.text) {
            Ok(template) => columns.push((quoted(&column.text), template)),
            Err(error) => table.fault(text.at, error.to_string()),
        }
    }
    if !table.has("columns") || columns.len() > COLUMNS_MAX {
        let says = format!("columns = {{ COLUMN = \"TEMPLATE\" }} has 1 to {COLUMNS_MAX} of them");
        table.fault(table.place_of("columns"), says);
    }
    let missing = table.parsed("missing", |text| match text {
        "null" => Ok(Missing::Null),
        "dead" => Ok(Missing::Dead),
        _ => Err("takes \"null\" or \"dead\""),
    });
    table.finish();
    let (url, tls) = url?;
    Some(PostgresTarget {
        url: Secret(url),
        tls,
        files,
        table: name?,
        columns,
        cursor_table: cursor?,
        missing: missing.unwrap_or(Missing::Null),
    })
}

/// The address without its `sslmode`, and that.
fn taken_apart(
    table: &Section<'_, '_>,
    url: &str,
    files: &TlsFiles,
) -> Option<(String, PostgresTls)> {
    let (url, mode) = without_mode(url);
    let mode = match mode.map(PostgresTls::by_name).transpose() {
        Ok(mode) => mode,
        Err(says) => {
            table.fault(table.at, format!("{}.url: {says}", table.name));
            return None;
        }
    };
    // The error must not show the password.
    let Ok(config) = url.parse::<Config>() else {
        let says = "is no address: postgres://USER@HOST/DATABASE, or host=/run/postgresql dbname=…";
        table.fault(table.at, format!("{}.url {says}", table.name));
        return None;
    };
    if config.get_hosts().is_empty() {
        table.fault(table.at, format!("{}.url names no host", table.name));
    }
    let tls = match (mode, &files.ca) {
        (None, None) => PostgresTls::Prefer,
        (None, Some(_)) => PostgresTls::VerifyFull,
        // As libpq does with a file of authorities.
        (Some(PostgresTls::Require), Some(_)) => PostgresTls::VerifyCa,
        (Some(mode), _) => mode,
    };
    if files.ca.is_some() && matches!(tls, PostgresTls::Disable | PostgresTls::Prefer) {
        let says = "ca_file needs sslmode=require, verify-ca or verify-full, or none, which is \
                    verify-full then";
        table.fault(table.place_of("ca_file"), says);
    }
    Some((url, tls))
}

/// Takes `sslmode` out of an address, of either form.
fn without_mode(url: &str) -> (String, Option<&str>) {
    const KEY: &str = "sslmode=";
    let begins = |at: &usize| *at == 0 || matches!(url.as_bytes()[at - 1], b' ' | b'?' | b'&');
    let Some(at) = url.match_indices(KEY).map(|(at, _)| at).find(begins) else {
        return (url.to_owned(), None);
    };
    let value = &url[at + KEY.len()..];
    let end = value.find([' ', '&']).unwrap_or(value.len());
    let (value, behind) = value.split_at(end);
    // What separates it from the next option goes with it.
    let behind = behind.strip_prefix([' ', '&']).unwrap_or(behind);
    let before = &url[..at];
    let before = if behind.is_empty() { before.trim_end_matches(['?', '&']) } else { before };
    (format!("{before}{behind}"), Some(value))
}

/// `name` or `schema.name`, each part in quotes.
fn identifier(table: &Section<'_, '_>, text: &str, at: usize) -> Option<String> {
    let parts: Vec<&str> = text.split('.').collect();
    let is_name = |part: &&str| !part.is_empty() && !part.contains(['"', '\0', ';']);
    if parts.len() > 2 || !parts.iter().all(is_name) {
        table.fault(at, format!("{text:?} is no table: write TABLE or SCHEMA.TABLE"));
        return None;
    }
    Some(parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join("."))
}

/// A name for SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    // `sslmode` is taken out of both forms, wherever it is.
    #[test]
    fn mode_is_taken_out() {
        for (url, without, mode) in [
            ("host=a dbname=b", "host=a dbname=b", None),
            ("host=a sslmode=require dbname=b", "host=a dbname=b", Some("require")),
            ("sslmode=disable host=a", "host=a", Some("disable")),
            ("host=a sslmode=verify-ca", "host=a ", Some("verify-ca")),
            ("postgres://u@h/d?sslmode=prefer", "postgres://u@h/d", Some("prefer")),
            ("postgres://u@h/d?sslmode=x&a=b", "postgres://u@h/d?a=b", Some("x")),
            (
                "postgres://u@h/d?a=b&sslmode=verify-full",
                "postgres://u@h/d?a=b",
                Some("verify-full"),
            ),
            ("host=a user=sslmode=x", "host=a user=sslmode=x", None),
        ] {
            assert_eq!(without_mode(url), (without.to_owned(), mode), "{url}");
        }
    }
}
