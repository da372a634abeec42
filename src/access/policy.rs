//! The policy: vhosts by name and number, and the decisions about clients.
//!
//! Invariant: names and numbers are each unique; `by_number[n]` is the place of the vhost with the
//! number `n`.

use std::collections::HashMap;
use std::sync::Arc;

use compact_str::CompactString;
use foldhash::fast::FixedState;

use crate::limits;
use crate::mqtt::{ConnectReturn, SharedFilter, TopicFilter, TopicName, Version};

use super::acl::{Access, Acl};
use super::decision::{Basis, Decision};
use super::error::LoadError;
use super::identity::Identity;
use super::limits_file::VhostLimits;
use super::load::{self, Sources};
use super::passwords::ScramUsers;
use super::question::Question;
use super::scram::Mechanism;
use super::scram_decoys::ScramDecoys;
use super::secret::Secret;
use super::vhost::{ROOT, Vhost};

/// An immutable snapshot of all users, vhosts, rules and limits.
#[derive(Debug)]
pub struct Policy {
    vhosts: Vec<Vhost>,
    by_name: HashMap<CompactString, u16, FixedState>,
    by_number: Vec<Option<u16>>,
    default_vhost: CompactString,
    /// `--allow-anonymous`.
    allow_anonymous: bool,
    /// Whether client certificates name users.
    certificates: bool,
    /// Whether files define the users that may connect.
    has_users: bool,
    /// The secret that a password for an unknown vhost is checked against.
    decoy: Option<Arc<Secret>>,
    scram: ScramDecoys,
}

/// The client that a decision is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Client<'a> {
    /// The number of its vhost.
    pub vhost: u16,
    /// Its user, without the vhost; `None`: anonymous.
    pub user: Option<&'a str>,
    /// Its client id.
    pub client_id: &'a str,
}

/// The credentials of a CONNECT, and facts about the listener that accepted it.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Whether the listener may be used without a user name: loopback, a Unix socket, or TLS with a
    /// verified certificate that names no user.
    pub local: bool,
    /// The user name of the CONNECT.
    pub user_name: Option<&'a str>,
    /// Its password.
    pub password: Option<&'a [u8]>,
    /// The user name of a verified client certificate. It replaces the user name of the CONNECT,
    /// and a password.
    pub certified: Option<&'a str>,
}

/// The vhost and the user that a login names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Login<'a> {
    /// The vhost's number; `None`: there is no such vhost.
    pub vhost: Option<u16>,
    /// The user; `None`: none is named.
    pub user: Option<&'a str>,
}

/// The decision about a CONNECT.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is accepted.
    Granted(Identity),
    /// It is refused.
    Refused(Refusal),
    /// Its password must be checked first. A wrong one is [`Refusal::BadUserNameOrPassword`].
    Verify(Question),
}

/// The reason for refusing a CONNECT. From outside the first two look the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// It names no user and anonymous clients are not accepted, or a certificate names a user of a
    /// vhost that does not exist.
    NotAuthorized,
    /// The password is wrong or missing, or there is no such user or vhost.
    BadUserNameOrPassword,
    /// The user name or password is longer than any valid one.
    Malformed,
}

impl Refusal {
    /// The code of the CONNACK.
    ///
    /// | | 3.1 | 3.1.1 |
    /// |---|---|---|
    /// | `NotAuthorized` | 5 | 5 |
    /// | `BadUserNameOrPassword` | 4, whose meaning includes wrong ones | 5, as other brokers do |
    /// | `Malformed` | 4 | 4, whose only meaning is this |
    pub const fn connect_return(self, version: Version) -> ConnectReturn {
        match (self, version) {
            (Self::Malformed, _) | (Self::BadUserNameOrPassword, Version::V31) => {
                ConnectReturn::BadCredentials
            }
            _ => ConnectReturn::NotAuthorized,
        }
    }
}

impl Policy {
    /// Without files: one vhost `/` with the number 0, where clients have no user names and all
    /// access is allowed.
    pub fn open() -> Self {
        let vhosts = vec![Vhost::open(ROOT, 0)];
        Self::new(vhosts, &Sources::default())
    }

    /// Reads the files. `number` gives each vhost its durable number and is called after all files
    /// were found valid; `/` is always 0.
    ///
    /// # Errors
    /// The fault of a file, or the error of `number`.
    pub fn load(
        sources: &Sources,
        number: &mut dyn FnMut(&str) -> Result<u16, String>,
    ) -> Result<Self, LoadError> {
        load::load(sources, number).map(|vhosts| Self::new(vhosts, sources))
    }

    /// `vhosts` have unique names and numbers.
    fn new(vhosts: Vec<Vhost>, sources: &Sources) -> Self {
        let mut by_name = HashMap::with_hasher(FixedState::default());
        let mut by_number = Vec::new();
        for (vhost, place) in vhosts.iter().zip(0..) {
            by_name.insert(CompactString::from(&vhost.name), vhost.number);
            let number = usize::from(vhost.number);
            if by_number.len() <= number {
                by_number.resize(number + 1, None);
            }
            by_number[number] = Some(place);
        }
        assert_eq!(by_name.len(), vhosts.len(), "names of vhosts are unique");
        assert_eq!(by_number.iter().flatten().count(), vhosts.len(), "numbers are unique");
        let largest =
            vhosts.iter().filter_map(|vhost| vhost.users.as_ref()).max_by_key(|u| u.len());
        Self {
            has_users: vhosts.iter().any(|vhost| vhost.users.is_some()),
            decoy: largest.and_then(|users| users.decoy().cloned()),
            scram: ScramDecoys::of(&vhosts.iter().filter_map(|vhost| vhost.users.as_ref())),
            vhosts,
            by_name,
            by_number,
            default_vhost: sources.default_vhost.as_str().into(),
            allow_anonymous: sources.allow_anonymous,
            certificates: sources.certificates,
        }
    }

    /// Whether a listener on an address that is not local may be opened: the configuration defines
    /// which clients may connect to it, even if it allows all. Otherwise anonymous clients may
    /// connect to local listeners only.
    pub const fn guards_open_doors(&self) -> bool {
        self.has_users || self.allow_anonymous || self.certificates
    }

    /// Number and name of each vhost.
    pub fn vhosts(&self) -> impl Iterator<Item = (u16, &str)> {
        self.vhosts.iter().map(|vhost| (vhost.number, vhost.name.as_str()))
    }

    /// The name of the vhost with that number.
    pub fn vhost_name(&self, number: u16) -> Option<&str> {
        self.vhost(number).map(|vhost| vhost.name.as_str())
    }

    /// The vhost and the user of a user name: `vhost:user`, split at the first colon, or a user of
    /// the default vhost. An empty user counts as none. A client certificate's user name replaces
    /// the CONNECT's: a caller that determines a client's vhost must use it first.
    pub fn login<'a>(&self, user_name: Option<&'a str>) -> Login<'a> {
        let (vhost, user) = match user_name.unwrap_or_default().split_once(':') {
            Some((vhost, user)) => (vhost, user),
            None => (self.default_vhost.as_str(), user_name.unwrap_or_default()),
        };
        Login {
            vhost: self.by_name.get(vhost).copied(),
            user: Some(user).filter(|user| !user.is_empty()),
        }
    }

    /// Decides whether a CONNECT is accepted.
    ///
    /// | | vhost with users | without | no such vhost |
    /// |---|---|---|---|
    /// | certificate | granted | granted | refused |
    /// | user, password | verify | anonymous, or verify a decoy | verify a decoy |
    /// | user alone | refused | anonymous or refused | refused |
    /// | nobody | with `--allow-anonymous` | anonymous or refused | refused |
    ///
    /// If a vhost has no users, a user name cannot be checked: a client that may connect without
    /// one may connect with one, and is anonymous.
    pub fn admit(&self, request: &Request<'_>) -> Verdict {
        let name_bytes = request.user_name.map_or(0, str::len);
        let password_bytes = request.password.map_or(0, <[u8]>::len);
        if name_bytes > limits::LOGIN_BYTES_MAX || password_bytes > limits::PASSWORD_BYTES_MAX {
            return Verdict::Refused(Refusal::Malformed);
        }
        let login = self.login(request.certified.or(request.user_name));
        let vhost = login.vhost.and_then(|number| self.vhost(number));
        if let (Some(_), Some(user)) = (request.certified, login.user) {
            return match vhost {
                Some(vhost) => Verdict::Granted(Identity {
                    vhost: vhost.number,
                    user: Some(user.into()),
                    certified: true,
                }),
                None => Verdict::Refused(Refusal::NotAuthorized),
            };
        }
        match vhost {
            Some(vhost) if self.lets_in_anonymous(vhost, login.user, request.local) => {
                let vhost = vhost.number;
                Verdict::Granted(Identity { vhost, user: None, certified: false })
            }
            _ => match (login.user, request.password) {
                (None, _) => Verdict::Refused(Refusal::NotAuthorized),
                (Some(_), None) => Verdict::Refused(Refusal::BadUserNameOrPassword),
                (Some(user), Some(password)) => self.question(vhost, user, password),
            },
        }
    }

    /// Whether some user may authenticate by a mechanism of SCRAM.
    pub const fn offers(&self, mechanism: Mechanism) -> bool {
        self.scram.offers(mechanism)
    }

    /// The identity of a login, the keys that its proof is checked against, and whether they are
    /// its own. Otherwise they are a decoy, which is the same each time.
    pub(super) fn scram_secret(
        &self,
        mechanism: Mechanism,
        login: &str,
    ) -> (Identity, Arc<Secret>, bool) {
        let Login { vhost, user } = self.login(Some(login));
        let found = vhost.and_then(|number| self.vhost(number));
        let users = found.and_then(|vhost| vhost.users.as_ref()).map(|it| it.scram(mechanism));
        let identity = Identity {
            vhost: vhost.unwrap_or(u16::MAX),
            user: user.map(CompactString::from),
            certified: false,
        };
        let secret = user.and_then(|user| users?.get(user)).cloned();
        let known = secret.is_some();
        let usual = users.and_then(ScramUsers::usual);
        let decoy = || self.scram.decoy(mechanism, usual, &identity);
        (identity.clone(), secret.unwrap_or_else(decoy), known)
    }

    /// The limits of a vhost.
    pub fn limits(&self, vhost: u16) -> &VhostLimits {
        self.vhost(vhost).map_or(&VhostLimits::NONE, |vhost| &vhost.limits)
    }

    /// Whether a client that an earlier policy accepted may stay connected under this one. A
    /// changed password does not matter.
    pub fn may_stay(&self, identity: &Identity, local: bool) -> bool {
        let Some(vhost) = self.vhost(identity.vhost) else { return false };
        match &identity.user {
            Some(_) if identity.certified => self.certificates,
            Some(user) => vhost.users.as_ref().is_some_and(|users| users.get(user).is_some()),
            None => self.lets_in_anonymous(vhost, None, local),
        }
    }

    /// Whether a vhost has rules. If not, callers need not use the three methods below.
    pub fn has_rules(&self, vhost: u16) -> bool {
        self.vhost(vhost).is_none_or(|vhost| vhost.acl.is_some())
    }

    /// Whether the client may publish to the topic.
    pub fn may_publish(&self, client: &Client<'_>, topic: TopicName<'_>) -> bool {
        self.allows(Access::Write, client, topic)
    }

    /// Whether the client may be sent a message with the topic, live or retained.
    pub fn may_receive(&self, client: &Client<'_>, topic: TopicName<'_>) -> bool {
        self.allows(Access::Read, client, topic)
    }

    /// Whether the client may subscribe to the filter: whether there is any topic that the filter
    /// matches and that the client may be sent. Other messages that match the filter are not
    /// delivered, since [`Self::may_receive`] is called for each message.
    ///
    /// The result is exact, so the time grows with the number of rules. It must not be called for
    /// each message.
    ///
    /// For a shared subscription the client must be allowed to read every topic of the filter,
    /// because a message that it gets goes to no other member.
    pub fn may_subscribe(&self, client: &Client<'_>, filter: TopicFilter<'_>) -> bool {
        if let Some(shared) = SharedFilter::parse(filter) {
            return shared.is_ok_and(|shared| self.may_share(client, shared.filter()));
        }
        self.vhost(client.vhost).is_some_and(|vhost| match &vhost.acl {
            Some(acl) => acl.reaches(client.user, client.client_id, filter),
            None => true,
        })
    }

    /// Whether the client may be sent every message that the filter matches, as a member of a
    /// consumer group must. The time grows with the number of rules, as for
    /// [`Self::may_subscribe`].
    fn may_share(&self, client: &Client<'_>, filter: TopicFilter<'_>) -> bool {
        self.vhost(client.vhost).is_some_and(|vhost| match &vhost.acl {
            Some(acl) => acl.covers(client.user, client.client_id, filter),
            None => true,
        })
    }

    /// The decision of [`Self::may_publish`], with its reason.
    pub fn explain_publish(&self, client: &Client<'_>, topic: TopicName<'_>) -> Decision {
        self.explain(client, |acl| acl.explain(Access::Write, client.user, client.client_id, topic))
    }

    /// The decision of [`Self::may_receive`], with its reason.
    pub fn explain_receive(&self, client: &Client<'_>, topic: TopicName<'_>) -> Decision {
        self.explain(client, |acl| acl.explain(Access::Read, client.user, client.client_id, topic))
    }

    /// The decision of [`Self::may_subscribe`], with its reason.
    pub fn explain_subscribe(&self, client: &Client<'_>, filter: TopicFilter<'_>) -> Decision {
        match SharedFilter::parse(filter) {
            None => self
                .explain(client, |acl| acl.explain_filter(client.user, client.client_id, filter)),
            Some(Err(_)) => Decision { is_allowed: false, basis: Basis::Nothing },
            Some(Ok(shared)) => self.explain(client, |acl| {
                let inner = shared.filter();
                let decision = acl.explain_filter(client.user, client.client_id, inner);
                let is_covered = acl.covers(client.user, client.client_id, inner);
                if decision.is_allowed && !is_covered {
                    return Decision { is_allowed: false, basis: Basis::Nothing };
                }
                decision
            }),
        }
    }

    fn explain(&self, client: &Client<'_>, ask: impl FnOnce(&Acl) -> Decision) -> Decision {
        match self.vhost(client.vhost).map(|vhost| &vhost.acl) {
            None => Decision { is_allowed: false, basis: Basis::NoVhost },
            Some(None) => Decision { is_allowed: true, basis: Basis::NoRules },
            Some(Some(acl)) => ask(acl),
        }
    }

    fn allows(&self, access: Access, client: &Client<'_>, topic: TopicName<'_>) -> bool {
        self.vhost(client.vhost).is_some_and(|vhost| match &vhost.acl {
            Some(acl) => acl.allows(access, client.user, client.client_id, topic),
            None => true,
        })
    }

    #[inline]
    fn vhost(&self, number: u16) -> Option<&Vhost> {
        let place = (*self.by_number.get(usize::from(number))?)?;
        self.vhosts.get(usize::from(place))
    }

    fn lets_in_anonymous(&self, vhost: &Vhost, user: Option<&str>, local: bool) -> bool {
        match (&vhost.users, user) {
            (None, _) => local || self.allow_anonymous,
            (Some(_), None) => self.allow_anonymous,
            (Some(_), Some(_)) => false,
        }
    }

    fn question(&self, vhost: Option<&Vhost>, user: &str, password: &[u8]) -> Verdict {
        let users = vhost.and_then(|vhost| vhost.users.as_ref());
        let secret = users.and_then(|users| users.get(user));
        let decoy = users.and_then(|users| users.decoy()).or(self.decoy.as_ref());
        let Some(checked) = secret.or(decoy) else {
            // No user has a password, so the time of a check reveals no user.
            return Verdict::Refused(Refusal::BadUserNameOrPassword);
        };
        let identity = Identity {
            vhost: vhost.map_or(u16::MAX, |vhost| vhost.number),
            user: Some(user.into()),
            certified: false,
        };
        let (checked, known) = (Arc::clone(checked), secret.is_some());
        Verdict::Verify(Question::of_password(identity, password, checked, known))
    }
}
