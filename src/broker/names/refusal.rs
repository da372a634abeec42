//! The reasons for refusing a CONNECT, in words for the log. Clients get fewer details.

use std::fmt;

use crate::mqtt::{ConnectReturn, ReasonCode};

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RefusalReason {
    /// An unsupported version of MQTT.
    Version,
    /// No user name where one is needed, or a certificate's user without access.
    NoUser,
    /// No password, or one that cannot be right: it was not verified.
    NoPassword,
    /// A user name or password over the longest length.
    LoginTooLong,
    /// A wrong password, or an unknown user or vhost.
    WrongPassword,
    /// Its address sent too many wrong passwords.
    ShutOut,
    /// Too many other passwords wait for verification.
    Busy,
    /// The rules changed while its password was verified.
    Revoked,
    /// An empty client id where one is required.
    EmptyId,
    /// A client id that is too long.
    LongId,
    /// A session that belongs to another user: it has its own log line.
    OthersSession,
    /// `--max-connections`.
    Clients,
    /// `max-connections` of its vhost.
    VhostClients,
    /// `max-sessions` of its vhost.
    VhostSessions,
    /// The shard has its largest number of sessions.
    Sessions,
    /// The client accepts only packets that are smaller than the CONNACK (MQTT 5).
    SmallPackets,
    /// An unsupported authentication method (MQTT 5).
    Method,
    /// No reason beyond the CONNACK's code.
    Code(ConnectReturn),
}

impl RefusalReason {
    /// The reason code of the CONNACK for MQTT 5; `code` is the return code for 3.1.1.
    pub(crate) fn reason_code(self, code: ConnectReturn) -> ReasonCode {
        match self {
            Self::Version => ReasonCode::UnsupportedProtocolVersion,
            Self::Busy | Self::Clients => ReasonCode::ServerBusy,
            Self::VhostClients | Self::VhostSessions | Self::Sessions => ReasonCode::QuotaExceeded,
            Self::EmptyId | Self::LongId => ReasonCode::ClientIdNotValid,
            Self::NoUser | Self::Revoked | Self::OthersSession => ReasonCode::NotAuthorized,
            Self::NoPassword | Self::LoginTooLong | Self::WrongPassword | Self::ShutOut => {
                ReasonCode::BadUserNameOrPassword
            }
            Self::SmallPackets => ReasonCode::PacketTooLarge,
            Self::Method => ReasonCode::BadAuthenticationMethod,
            Self::Code(_) => match code {
                ConnectReturn::UnacceptableVersion => ReasonCode::UnsupportedProtocolVersion,
                ConnectReturn::IdentifierRejected => ReasonCode::ClientIdNotValid,
                ConnectReturn::BadCredentials => ReasonCode::BadUserNameOrPassword,
                ConnectReturn::NotAuthorized => ReasonCode::NotAuthorized,
                ConnectReturn::Accepted | ConnectReturn::ServerUnavailable => {
                    ReasonCode::ServerUnavailable
                }
            },
        }
    }

    /// Whether the client gets the reason in words: not if the words help it to guess.
    pub(crate) fn may_be_told(self) -> bool {
        !matches!(
            self,
            Self::NoUser
                | Self::NoPassword
                | Self::LoginTooLong
                | Self::WrongPassword
                | Self::ShutOut
                | Self::Revoked
                | Self::OthersSession
                | Self::Code(_)
        )
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => {
                "its MQTT version is not spoken here: clients must use 3.1, 3.1.1 or 5"
            }
            Self::NoUser => {
                "it may not connect without a user name (see --passwords, --vhosts and \
                 --allow-anonymous)"
            }
            Self::NoPassword => "no password, or nobody here has one (see --passwords, --vhosts)",
            Self::LoginTooLong => "its user name or password is too long to be one",
            Self::WrongPassword => "wrong password, or no such user or vhost",
            Self::ShutOut => {
                "its address had too many wrong passwords (--auth-failures-max); this one was not \
                 looked at"
            }
            Self::Busy => "too many other passwords wait to be verified; it may try again",
            Self::Revoked => "the new access rules do not have it",
            Self::EmptyId => "an empty client id needs a clean session or MQTT 5, and not MQTT 3.1",
            Self::LongId => "its client id has over 1,024 bytes",
            Self::OthersSession => "the session of this client id belongs to another user",
            Self::Clients => "as many clients are connected as may be (--max-connections)",
            Self::VhostClients => {
                "as many clients are connected as may be in its vhost (max-connections in `limits`)"
            }
            Self::VhostSessions => {
                "its vhost has as many sessions as it may (max-sessions in `limits`)"
            }
            Self::SmallPackets => {
                "its Maximum Packet Size is below 64 bytes: acknowledgements must fit"
            }
            Self::Method => "its authentication method is not spoken here",
            Self::Code(code) => return write!(f, "CONNACK {}, {code}", *code as u8),
            Self::Sessions => "this shard has as many sessions as it can",
        })
    }
}
