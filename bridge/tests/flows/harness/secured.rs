//! Certificates of the test's own, and a PostgreSQL that is reached with TLS only.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::process::{Process, TempDir};
use super::programs::free_port;

/// An authority whose files are in a directory of its own.
pub(crate) struct Authority {
    directory: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new();
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // Authorities are told apart by their names.
        params.distinguished_name = named(&directory.path().display().to_string());
        let key = KeyPair::generate().expect("keys can be made");
        let certificate = params.self_signed(&key).expect("is complete");
        fs::write(directory.join("ca.pem"), certificate.pem()).expect("is ours");
        Self { directory, issuer: Issuer::new(params, key) }
    }

    /// The file with its certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// Files with a certificate for `localhost` and its key.
    pub(crate) fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        self.issue_for(name, "localhost")
    }

    /// The same for another host, by its name or address.
    pub(crate) fn issue_for(&self, name: &str, host: &str) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).expect("is a name");
        params.distinguished_name = named(name);
        let key = KeyPair::generate().expect("keys can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("is complete");
        let paths = ["pem", "key"].map(|kind| self.directory.join(&format!("{name}.{kind}")));
        fs::write(&paths[0], certificate.pem()).expect("is ours");
        fs::write(&paths[1], key.serialize_pem()).expect("is ours");
        let [certificate, key] = paths;
        (certificate, key)
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// A server for which `open` needs TLS, and `known` a certificate too.
pub(crate) struct SecuredPostgres {
    process: Process,
    directory: TempDir,
    pub(crate) port: u16,
}

fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("the package postgresql is there");
    let mut paths: Vec<PathBuf> = versions
        .filter_map(|version| Some(version.ok()?.path().join("bin").join(name)))
        .filter(|path| path.exists())
        .collect();
    paths.sort();
    paths.pop().expect("a version is installed")
}

/// As the user of the package, if this is root's process.
fn unprivileged(program: PathBuf) -> Command {
    let output = Command::new("id").arg("-u").output().expect("id is there");
    if output.stdout != b"0\n" {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command
}

impl SecuredPostgres {
    pub(crate) fn start(authority: &Authority) -> Self {
        let (directory, port) = (TempDir::new(), free_port());
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(directory.path(), open).expect("it is ours");
        let data = directory.join("data");
        let mut initdb = unprivileged(program("initdb"));
        initdb.args(["--no-sync", "-A", "trust", "-U", "postgres", "-D"]).arg(&data);
        let output = initdb.output().expect("initdb is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (certificate, key) = authority.issue("server");
        // The server reads its own copies: the key must be its user's.
        for (from, to) in
            [(&certificate, "server.crt"), (&key, "server.key"), (&authority.file(), "root.crt")]
        {
            let text = fs::read(from).expect("is there");
            let mut copy = unprivileged(PathBuf::from("sh"));
            copy.args(["-c", "umask 077; cat > \"$0\""]).arg(data.join(to));
            let mut child = copy.stdin(std::process::Stdio::piped()).spawn().expect("sh is there");
            let mut input = child.stdin.take().expect("is piped");
            std::io::Write::write_all(&mut input, &text).expect("it reads");
            drop(input);
            assert!(child.wait().expect("it ends").success());
        }
        let rules = "local all all trust\nhostssl all open 127.0.0.1/32 trust\n\
                     hostssl all known 127.0.0.1/32 trust clientcert=verify-ca\n";
        fs::write(data.join("pg_hba.conf"), rules).expect("root and its user may");
        let mut command = unprivileged(program("postgres"));
        command.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k"]).arg(directory.path());
        for setting in ["listen_addresses=127.0.0.1", "fsync=off", "ssl=on", "ssl_ca_file=root.crt"]
        {
            command.args(["-c", setting]);
        }
        let process = Process::spawn(command);
        process.wait_for_line("database system is ready to accept connections");
        let server = Self { process, directory, port };
        server.ask("CREATE USER open SUPERUSER");
        server.ask("CREATE USER known SUPERUSER");
        server
    }

    /// What a statement answers.
    #[track_caller]
    pub(crate) fn ask(&self, statement: &str) -> String {
        let output = Command::new(program("psql"))
            .args(["-X", "-A", "-t", "-U", "postgres", "-p", &self.port.to_string(), "-h"])
            .arg(self.directory.path())
            .args(["-c", statement])
            .output()
            .expect("psql is there");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statement}: {error}; {}", self.process.id());
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}
