//! Refuses flags that have no effect in combination with the others, because the user relies on
//! their effect.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory};

use super::fault::Misfit;
use super::{HttpListen, Options, TlsIdentity};

impl From<Misfit> for clap::Error {
    fn from(misfit: Misfit) -> Self {
        let Misfit { flag, says } = misfit;
        let text = match says.starts_with(IN_VAIN) {
            true => format!("--{flag} {says}"),
            false => says,
        };
        Options::command().error(ErrorKind::MissingRequiredArgument, text)
    }
}

/// The beginning of the message about a flag below.
const IN_VAIN: &str = "would change nothing: ";

/// A flag that has an effect only with others.
struct Need {
    /// Its long name.
    flag: &'static str,
    /// Its id in clap.
    id: &'static str,
    /// Whether it has an effect.
    holds: fn(&Options) -> bool,
    /// Why it has no effect, and what to do.
    says: &'static str,
}

const NO_TLS: &str = "nothing listens with TLS: add --tls-listen, as in --tls-listen 0.0.0.0:8883, \
                      or leave it out";
const NO_HTTP: &str = "nothing answers HTTP over TCP: add --http-listen ADDR:PORT, or leave it out";
const NO_UNIX: &str = "no --listen is a Unix socket: add one, as in --listen \
                       unix:/run/ringmq/mqtt.sock, or leave it out";
const NO_USERS: &str = "nobody has a name: add --passwords or --vhosts, or leave it out";

const NEEDS: &[Need] = &[
    need("tls-cert", "tls-cert", has_any_tls, NO_TLS),
    need("tls-key", "tls-key", has_any_tls, NO_TLS),
    need("http-cert", "http-cert", has_http, NO_HTTP),
    need("http-key", "http-key", has_http, NO_HTTP),
    need("http-host", "http_hosts", has_http, NO_HTTP),
    need("tls-min", "tls-min", has_tls, NO_TLS),
    need("tls-sni", "tls-sni", has_tls, NO_TLS),
    need("tls-client-ca", "tls-client-ca", has_tls, NO_TLS),
    need("unix-mode", "unix_mode", has_unix, NO_UNIX),
    need("unix-owner", "unix_owner", has_unix, NO_UNIX),
    need(
        "proxy-trust",
        "proxy_trust",
        has_proxy,
        "no listener with an address is behind a proxy: add ,proxy to one, as in --listen \
         0.0.0.0:1883,proxy, or leave it out",
    ),
    need(
        "default-vhost",
        "default_vhost",
        |options| options.access.vhosts.is_some(),
        "there is one vhost alone: add --vhosts DIR with a folder for each, or leave it out",
    ),
    need("auth-failures-max", "auth_failures_max", has_passwords, NO_USERS),
    need("takeover", "takeover", has_users, NO_USERS),
    need(
        "http-tokens",
        "http_tokens",
        |options| options.admin.http_listen != Some(HttpListen::None),
        "--http-listen none answers nobody: leave one of them out",
    ),
    need(
        "watch-session",
        "watch_sessions",
        |options| options.admin.http_listen != Some(HttpListen::None),
        "--http-listen none answers nobody: leave one of them out",
    ),
];

const fn need(
    flag: &'static str,
    id: &'static str,
    holds: fn(&Options) -> bool,
    says: &'static str,
) -> Need {
    Need { flag, id, holds, says }
}

/// HTTP that other hosts can reach uses the clients' TLS certificate if it has none of its own.
fn has_any_tls(options: &Options) -> bool {
    has_tls(options) || options.admin.is_reached_by_others()
}

fn has_http(options: &Options) -> bool {
    !matches!(options.admin.http_listen, Some(HttpListen::None | HttpListen::Unix))
}

fn has_tls(options: &Options) -> bool {
    !options.tls.listen.is_empty()
}

fn has_unix(options: &Options) -> bool {
    options.listen.iter().any(super::ListenRequest::is_unix)
}

fn has_proxy(options: &Options) -> bool {
    let mut all = options.listen.iter().chain(&options.tls.listen);
    all.any(super::ListenRequest::needs_trust)
}

fn has_passwords(options: &Options) -> bool {
    options.access.passwords.is_some() || options.access.vhosts.is_some()
}

fn has_users(options: &Options) -> bool {
    has_passwords(options) || options.tls.identity != TlsIdentity::None
}

impl Options {
    /// Refuses flags without effect. `given` tells flags that were set from defaults.
    pub(super) fn refuse_ignored(&self, given: &ArgMatches) -> Result<(), Misfit> {
        let is_given = |id: &str| given.value_source(id) == Some(ValueSource::CommandLine);
        let vain = NEEDS.iter().find(|need| is_given(need.id) && !(need.holds)(self));
        vain.map_or(Ok(()), |Need { flag, says, .. }| {
            Err(Misfit { flag, says: format!("{IN_VAIN}{says}") })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A flag without effect is refused, as a bad value is, and the message names what it needs.
    // With that flag it is accepted.
    #[test]
    fn flags_that_change_nothing() {
        let tls = ["--tls-listen=127.0.0.1:0", "--tls-cert=c", "--tls-key=k"];
        let users = ["--passwords=users"];
        let unix = ["--listen=unix:/run/mqtt"];
        for (flags, needs) in [
            (&["--tls-cert=c", "--tls-key=k"][..], &tls[..1]),
            (&["--tls-min=1.3"], &tls),
            (&["--tls-min=1.2"], &tls),
            (&["--tls-sni=a.b=c,k"], &tls),
            (&["--tls-client-ca=ca"], &tls),
            (&["--tls-client-ca=ca", "--tls-identity=cn"], &tls),
            (&["--unix-mode=0660"], &unix),
            (&["--unix-owner=mqtt"], &unix),
            (&["--proxy-trust=::1"], &["--listen=127.0.0.1:0,proxy"]),
            (&["--proxy-trust=::1", "--listen=unix:/run/mqtt,proxy"], &["--listen=:0,proxy"]),
            (&["--default-vhost=plant"], &["--vhosts=vhosts"]),
            (&["--auth-failures-max=9"], &users),
            (&["--takeover=any"], &users),
            (
                &["--takeover=any"],
                &[tls[0], tls[1], tls[2], "--tls-client-ca=a", "--tls-identity=cn"],
            ),
        ] {
            let refused =
                Options::from_args(["ringmq"].iter().chain(flags)).expect_err("is in vain");
            let (text, flag) = (refused.to_string(), flags[0].split('=').next().expect("a name"));
            assert_eq!(refused.exit_code(), 2, "{text}");
            let needed = needs[0].split('=').next().expect("a name");
            for part in [flag, "would change nothing", needed, "leave it out"] {
                let named = text.contains(part) || (part == needed && needs.len() == 5);
                assert!(named, "{flags:?}: {part:?} is not in: {text}");
            }
            let taken = Options::from_args(["ringmq"].iter().chain(flags).chain(needs));
            assert!(taken.is_ok(), "{flags:?} with {needs:?}: {taken:?}");
        }
    }
}
