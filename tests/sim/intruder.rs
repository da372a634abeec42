//! A connection that names a client of the run and does not prove that it is its user. It must be
//! refused and touch nothing: the oracle knows nothing of it.

use ringmq::mqtt::{
    AuthProperties, Connect, Packet, Properties, QoS, ReasonCode, Will, WillProperties,
};

use crate::dialect::Dialect;
use crate::kernel::{Kernel, Shared, lock};
use crate::link::{self, Link};
use crate::plan::Plan;
use crate::proof::{NOBODY, USER, WRONG};
use crate::random::Random;

/// What it does instead of a right proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Attempt {
    /// A wrong password in CONNECT.
    Password,
    WrongProof,
    UnknownUser,
    /// It is gone after the broker's first message.
    Reset,
    /// It sends another packet than AUTH.
    OtherPacket,
    Disconnect,
}

/// See the module.
pub(crate) struct Intruder {
    link: Link,
    attempt: Attempt,
}

impl Intruder {
    pub(crate) fn new(plan: &Plan, kernel: &Shared, random: &mut Random, now_ms: u64) -> Self {
        use Attempt as A;
        let attempts =
            [A::Password, A::WrongProof, A::UnknownUser, A::Reset, A::OtherPacket, A::Disconnect];
        let attempt = random.pick(&attempts);
        let is_v5 = attempt != A::Password || random.one_in(2);
        let mut dialect =
            if is_v5 { Dialect::new(plan, random.one_in(2), random) } else { Dialect::old(plan) };
        let who = if attempt == A::UnknownUser { NOBODY } else { USER };
        let first = who.first();
        let mut list = Vec::new();
        let mut asked = dialect.asked;
        if attempt != A::Password {
            asked.packet_bytes_max = u32::MAX;
            asked.authentication_method = Some(who.method);
            asked.authentication_data = Some(first.as_bytes());
        }
        dialect.asked.packet_bytes_max = u32::MAX;
        let has_password = attempt == A::Password;
        let client_id = format!("c{}", random.below(plan.clients));
        let connect = Connect {
            version: dialect.version,
            clean_session: random.one_in(2),
            keep_alive_s: 0,
            client_id: &client_id,
            will: Some(Will {
                topic: ringmq::mqtt::TopicName::parse("a").expect("a topic"),
                payload: b"an intruder's",
                qos: QoS::AtLeastOnce,
                retain: random.one_in(2),
                properties: WillProperties::EMPTY,
            }),
            username: has_password.then_some(USER.user),
            password: has_password.then_some(WRONG.password.as_bytes()),
            properties: if is_v5 { asked.lay_out(&[], &mut list) } else { Properties::EMPTY },
        };
        let conn = lock(kernel).connect(random.below(usize::from(plan.shards)));
        Self { link: Link::new(conn, &connect, dialect, now_ms), attempt }
    }

    pub(crate) fn is_gone(&self, kernel: &Kernel) -> bool {
        let conn = &kernel.conns[self.link.conn];
        conn.closed || conn.is_over()
    }

    pub(crate) fn can_step(&self, kernel: &Kernel) -> bool {
        let has_bytes = kernel.conns[self.link.conn].to_client.len() > 0;
        !self.is_gone(kernel) && (has_bytes || self.link.can_write(kernel))
    }

    /// Writes and reads.
    pub(crate) fn step(&mut self, kernel: &Shared, random: &mut Random, now_ms: u64) {
        self.link.write(&mut lock(kernel), random, false);
        self.link.read(&mut lock(kernel), random);
        while let Some(bytes) = self.link.next_packet() {
            match link::parse(self.link.dialect.version, &bytes) {
                Packet::Connack(connack) => {
                    assert_ne!(connack.reason, 0, "{:?} is accepted", self.attempt);
                    assert!(!connack.session_present, "{connack:?}");
                }
                Packet::Auth(auth) => {
                    assert_eq!(auth.reason, ReasonCode::ContinueAuthentication);
                    let told = AuthProperties::of(auth.properties);
                    let asked = str::from_utf8(told.data.expect("it has data")).expect("text");
                    self.answer(asked, kernel, now_ms);
                }
                other => panic!("{:?} gets {other:?}", self.attempt),
            }
        }
    }

    fn answer(&mut self, asked: &str, kernel: &Shared, now_ms: u64) {
        let proceed = ReasonCode::ContinueAuthentication;
        match self.attempt {
            Attempt::Password => panic!("no method was asked for"),
            Attempt::WrongProof | Attempt::UnknownUser => {
                let who = if self.attempt == Attempt::WrongProof { WRONG } else { NOBODY };
                self.link.put_auth(proceed, &who.last(asked).message, now_ms);
            }
            Attempt::Reset => lock(kernel).reset(self.link.conn),
            Attempt::OtherPacket => self.link.put(&Packet::Pingreq, now_ms),
            Attempt::Disconnect => self.link.put(&Packet::Disconnect(Default::default()), now_ms),
        }
    }
}
