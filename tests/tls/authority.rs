//! An authority that issues certificates into a directory of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

/// See the module. A drop removes the directory.
pub(crate) struct Authority {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    pub(crate) file: PathBuf,
}

/// A certificate and its key.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    serial: u64,
}

impl Authority {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("ringmq-test-tls-{}-{count}", process::id()));
        // One of a test process long ago that had the same number, and was killed.
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).expect("the temporary directory is writable");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = named(&format!("authority {count}"));
        let key = KeyPair::generate().expect("keys can be made");
        let certificate = params.self_signed(&key).expect("is complete");
        let file = dir.join("authority.pem");
        fs::write(&file, certificate.pem()).expect("the disk has room");
        Self { dir, issuer: Issuer::new(params, key), file }
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A file in the directory.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("the disk has room");
        path
    }

    /// A certificate for these names, the first of which is the common one, valid to the end of
    /// this year.
    pub(crate) fn issue(&self, names: &[&str], until_year: i32) -> Pair {
        self.issue_with(names, |params| params.not_after = date_time_ymd(until_year, 12, 31))
    }

    /// The same, valid for this many days from now.
    pub(crate) fn issue_for(&self, names: &[&str], days: u64) -> Pair {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later");
        let until = now + Duration::from_secs(days * 24 * 60 * 60);
        self.issue_with(names, |params| params.not_after = date_time_ymd(1970, 1, 1) + until)
    }

    fn issue_with(&self, names: &[&str], set: impl FnOnce(&mut CertificateParams)) -> Pair {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name = named(names[0]);
        params.subject_alt_names = names.iter().map(|name| alternative(name)).collect();
        params.not_before = date_time_ymd(2019, 1, 1);
        set(&mut params);
        params.serial_number = Some(SerialNumber::from(serial));
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("keys can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("is complete");
        Pair {
            cert: self.write(&format!("{serial}.pem"), &certificate.pem()),
            key: self.write(&format!("{serial}.key"), &key.serialize_pem()),
            serial,
        }
    }

    /// A certificate of a server on this host.
    pub(crate) fn server(&self) -> Pair {
        self.issue(&["localhost", "127.0.0.1"], 2090)
    }

    /// A list of certificates that do not hold any more.
    pub(crate) fn revoke(&self, pairs: &[&Pair]) -> PathBuf {
        self.revoke_until(pairs, 2090)
    }

    /// The same, with the next update due at the start of this year.
    pub(crate) fn revoke_until(&self, pairs: &[&Pair], year: i32) -> PathBuf {
        let revoked = pairs.iter().map(|pair| RevokedCertParams {
            serial_number: SerialNumber::from(pair.serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("is complete");
        self.write("revoked.pem", &list.pem().expect("is text"))
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn alternative(name: &str) -> SanType {
    match name.parse() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(name.try_into().expect("a name")),
    }
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("it is made of text")
}
