//! The user of all clients of a run, and how they prove who they are (MQTT 5, 4.12).
//!
//! ```text
//!        CONNECT          AUTH           CONNACK
//!  None ─────────► Asked ──────► Sent ───────────► Proved
//!                    ▲             │ AUTH: success   ▲ │
//!                    │             └─────────────────┘ │
//!                    └─────── AUTH: anew ──────────────┘    wrong proof: Refuted
//! ```

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use ringmq::access::{Policy, Sources};

use crate::scram::Scram;

/// The only user.
pub(crate) const USER: Scram =
    Scram { method: "SCRAM-SHA-256", user: "ann", password: "ann's password" };

/// The same with a wrong password.
pub(crate) const WRONG: Scram = Scram { password: "a guess", ..USER };

/// A user that does not exist.
pub(crate) const NOBODY: Scram = Scram { user: "nobody", ..USER };

/// See the module.
#[derive(Default, Debug)]
pub(crate) enum Proof {
    /// There is no method.
    #[default]
    None,
    /// The first message is sent.
    Asked,
    /// The last message is sent; the answer of a server that knows the user.
    Sent(String),
    Proved,
    Refuted,
}

impl Proof {
    /// Whether the broker owes a step of the exchange.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self, Self::Asked | Self::Sent(_))
    }

    /// Checks the end of an exchange, of which `method` and `data` are told, if there is one.
    pub(crate) fn end(&mut self, method: Option<&str>, data: Option<&[u8]>) {
        if matches!(self, Self::None) {
            // [MQTT-4.12.0-6] v5
            assert_eq!((method, data), (None, None), "no method was asked for");
            return;
        }
        let Self::Sent(answer) = self else { panic!("success in {self:?}") };
        assert_eq!((method, data), (Some(USER.method), Some(answer.as_bytes())));
        *self = Self::Proved;
    }
}

/// The first message of a client.
pub(crate) fn first_message() -> &'static str {
    static FIRST: OnceLock<String> = OnceLock::new();
    FIRST.get_or_init(|| USER.first())
}

/// The access rules of runs whose clients have a user.
pub(crate) fn policy() -> Arc<Policy> {
    static POLICY: OnceLock<Arc<Policy>> = OnceLock::new();
    POLICY.get_or_init(|| Arc::new(load_policy())).clone()
}

fn load_policy() -> Policy {
    let path: PathBuf = std::env::temp_dir().join(format!("ringmq-sim-{}", std::process::id()));
    std::fs::write(&path, format!("{}:{}\n", USER.user, USER.keys()))
        .expect("the temporary directory is writable");
    let sources = Sources { passwords: Some(path.clone()), ..Sources::default() };
    let policy = Policy::load(&sources, &mut |_| Ok(0)).expect("the file is right");
    std::fs::remove_file(&path).expect("it was just written");
    policy
}
