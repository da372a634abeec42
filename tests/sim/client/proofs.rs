//! A client's exchanges of SCRAM: with its CONNECT, and again in the midst of its messages.

use ringmq::mqtt::{Auth, AuthProperties, ReasonCode};

use super::{Client, Mode, Scene};
use crate::link::Leaving;
use crate::proof::{Proof, USER, WRONG, first_message};

impl Client {
    /// Begins an exchange on a connection that had one.
    pub(super) fn prove_anew(&mut self, scene: &Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        link.proof = Proof::Asked;
        link.put_auth(ReasonCode::Reauthenticate, first_message(), scene.now_ms);
    }

    /// The broker's step of an exchange. Now and then a connected client answers with a wrong
    /// proof, and that is its end.
    pub(super) fn on_auth(&mut self, auth: &Auth<'_>, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        link.waits_since_ms = scene.now_ms;
        let told = AuthProperties::of(auth.properties);
        if auth.reason == ReasonCode::Success {
            assert!(link.accepted, "only CONNACK accepts a client");
            return link.proof.end(Some(told.method), told.data);
        }
        assert!(matches!(link.proof, Proof::Asked), "{auth:?} in {:?}", link.proof);
        assert_eq!((auth.reason, told.method), (ReasonCode::ContinueAuthentication, USER.method));
        if link.leaving != Leaving::No {
            return;
        }
        let asked = str::from_utf8(told.data.expect("it has data")).expect("SCRAM is text");
        let may_fail = link.accepted && scene.mode == Mode::Live;
        let is_wrong = may_fail && scene.random.one_in(4);
        let last = if is_wrong { WRONG.last(asked) } else { USER.last(asked) };
        link.put_auth(ReasonCode::ContinueAuthentication, &last.message, scene.now_ms);
        if !is_wrong {
            link.proof = Proof::Sent(last.answer);
            return;
        }
        link.proof = Proof::Refuted;
        (link.leaves_will, link.breaks_rules) = (true, true);
        self.begin_leaving(Leaving::Politely, scene);
    }
}
