//! Faulty files: the start-up error names the flag, the file and the fault.

use std::fs;

use crate::authority::{Authority, text};
use crate::common::{in_repository, run_to_exit};

const C: &str = "--tls-cert";
const KEY: &str = "--tls-key";
const CA: &str = "--tls-client-ca";
const CRL: &str = "--tls-crl";

/// A file that openssl made: a key of an unsupported kind, or a certificate of version 1. Only
/// tests use them.
pub(crate) fn made(name: &str) -> String {
    text(&in_repository(&format!("tests/tls/files/{name}"))).to_owned()
}

// Each faulty file ends the start with an error that says which flag, which file and why.
#[test]
fn faulty_files_are_named() {
    let authority = Authority::new();
    let (good, other) = (authority.server(), authority.server());
    let empty = authority.write("empty", "");
    let noise =
        authority.write("noise", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n");
    let liar =
        authority.write("liar", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let missing = authority.path("missing");
    let cut = fs::read_to_string(&good.cert).expect("it is there");
    let cut = authority.write("cut", &cut.replace("-----END CERTIFICATE-----", ""));
    let dashes = authority.write("dashes", "-----BEGIN CERTIFICATE--\nAAAA\n");
    let list = authority.write("list", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    let good_list = authority.revoke(&[&other]);
    let (cert, key, ca) = (text(&good.cert), text(&good.key), text(&authority.file));
    let cases: [(&[&str], [&str; 3]); 17] = [
        (&["--tls-cert", text(&missing), "--tls-key", key], ["--tls-cert", "missing", "no such"]),
        (&["--tls-cert", text(&empty), "--tls-key", key], ["--tls-cert", "empty", "CERTIFICATE"]),
        (&["--tls-cert", text(&noise), "--tls-key", key], ["--tls-cert", "noise", "PEM"]),
        (&["--tls-cert", text(&liar), "--tls-key", key], ["--tls-cert", "liar", "certificate"]),
        (&["--tls-cert", key, "--tls-key", key], ["--tls-cert", ".key", "CERTIFICATE"]),
        (&["--tls-cert", cert, "--tls-key", cert], ["--tls-key", ".pem", "PRIVATE KEY"]),
        (
            &["--tls-cert", cert, "--tls-key", text(&other.key)],
            ["--tls-key", text(&other.key), cert],
        ),
        (
            &["--tls-cert", cert, "--tls-key", key, "--tls-client-ca", text(&empty)],
            ["--tls-client-ca", "empty", "CERTIFICATE"],
        ),
        (
            &["--tls-cert", cert, "--tls-key", key, "--tls-client-ca", text(&liar)],
            ["--tls-client-ca", "liar", "certificate"],
        ),
        (
            &["--tls-cert", cert, "--tls-key", key, "--tls-client-ca", ca, "--tls-crl", cert],
            ["--tls-crl", ".pem", "X509 CRL"],
        ),
        (
            &["--tls-cert", cert, "--tls-key", key, "--tls-sni", &format!("a.b={cert},{ca}")],
            ["--tls-sni", "authority.pem", "PRIVATE KEY"],
        ),
        (&["--tls-cert", text(&cut), "--tls-key", key], ["--tls-cert", "CERTIFICATE", "cut off"]),
        (&["--tls-cert", text(&dashes), "--tls-key", key], ["--tls-cert", "--\"", "five dashes"]),
        (&["--tls-cert", text(&noise), "--tls-key", key], ["--tls-cert", "noise", "no base64"]),
        (&["--tls-cert", "/", "--tls-key", key], ["--tls-cert", "/", "is no file"]),
        (
            &[C, cert, KEY, key, "--tls-client-ca", ca, "--tls-crl", text(&list)],
            ["--tls-crl", "list", "no list of revoked certificates"],
        ),
        (
            &[C, cert, KEY, key, CA, ca, CRL, text(&good_list), CRL, text(&list)],
            ["--tls-crl", "/list:", "no list of revoked certificates"],
        ),
    ];
    cases.iter().for_each(|(flags, parts)| expect_refused(flags, parts));
}

#[track_caller]
fn expect_refused(flags: &[&str], parts: &[&str]) {
    let doors = ["--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0"];
    let (code, said) = run_to_exit(&[&doors, flags].concat());
    assert_eq!(code, Some(1), "{said}");
    let line = said.lines().last().expect("it says why");
    assert!(parts.iter().all(|part| line.contains(part)), "due {parts:?}: {line}");
}

// The start-up error for each unusable key names the kinds that can be used.
#[test]
fn unusable_keys_are_named() {
    let authority = Authority::new();
    let good = authority.server();
    let (cert, key) = (text(&good.cert), text(&good.key));
    let (encrypted, encrypted1) = (made("encrypted.key"), made("encrypted-pkcs1.key"));
    let (p521, sec1) = (made("p521.key"), made("p521-sec1.key"));
    let (rsa1024, pkcs1) = (made("rsa1024.key"), made("rsa1024-pkcs1.key"));
    let version1 = made("v1-server.pem");
    let cases: [(&[&str], [&str; 3]); 8] = [
        (&["--tls-cert", cert, "--tls-key", &encrypted], [KEY, "a password", "openssl pkey -in"]),
        (&["--tls-cert", cert, "--tls-key", &encrypted1], [KEY, "a password", "openssl pkey -in"]),
        (&["--tls-cert", cert, "--tls-key", &p521], [KEY, "P-521 are not supported", "P-256"]),
        (&["--tls-cert", cert, "--tls-key", &sec1], [KEY, "P-521 are not supported", "P-256"]),
        (&["--tls-cert", cert, "--tls-key", &rsa1024], [KEY, "2048 to 8192 bits", "make one of"]),
        (&["--tls-cert", cert, "--tls-key", &pkcs1], [KEY, "2048 to 8192 bits", "make one of"]),
        (&["--tls-cert", &version1, "--tls-key", key], [KEY, "is not the key of", "v1-server.pem"]),
        (&["--tls-cert", cert, "--tls-key", "/proc/self/mem"], [KEY, "/proc/self/mem", "read"]),
    ];
    cases.iter().for_each(|(flags, parts)| expect_refused(flags, parts));
}
