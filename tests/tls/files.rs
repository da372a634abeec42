//! Faulty files: the start-up error names the flag, the file, and what is wrong.

use crate::authority::{Authority, text};
use crate::common::run_to_exit;

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
    let (cert, key, ca) = (text(&good.cert), text(&good.key), text(&authority.file));
    let cases: [(&[&str], [&str; 3]); 11] = [
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
    ];
    for (flags, parts) in cases {
        let mut all = vec!["--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0"];
        all.extend(flags);
        let (code, said) = run_to_exit(&all);
        assert_eq!(code, Some(1), "{said}");
        let line = said.lines().last().expect("it says why");
        assert!(parts.iter().all(|part| line.contains(part)), "due {parts:?}: {line}");
    }
}
