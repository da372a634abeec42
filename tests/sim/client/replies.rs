//! Answers of the broker, and repetitions of unanswered packets.

use ringmq::mqtt::{AckKind, Packet, PacketId, QoS, ReasonCode};

use super::{Client, Outgoing, Scene};
use crate::link::{Leaving, Reply};

impl Client {
    pub(super) fn on_reply(&mut self, packet: &Packet<'_>, reply: Reply, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        let session = self.session.expect("it is connected");
        match (reply, packet) {
            (Reply::Puback(packet_id, id), Packet::Puback(ack))
                if packet_id == ack.packet_id.get() =>
            {
                scene.ledger.acknowledge(id);
                scene.ledger.note_reason(id, ack.reason, link.dialect.is_v5());
                self.outgoing.retain(|outgoing| outgoing.packet_id != packet_id);
            }
            (Reply::Pubrec(packet_id, id), Packet::Pubrec(ack))
                if packet_id == ack.packet_id.get() =>
            {
                scene.ledger.acknowledge(id);
                scene.ledger.note_reason(id, ack.reason, link.dialect.is_v5());
                if ack.reason.is_error() {
                    // [MQTT-4.3.3-9] v5 The identifier is free.
                    self.outgoing.retain(|outgoing| outgoing.packet_id != packet_id);
                    return;
                }
                scene.ledger.sessions[session].durable = true;
                let mut known = self.outgoing.iter_mut();
                if let Some(outgoing) = known.find(|known| known.packet_id == packet_id) {
                    outgoing.released = true;
                }
                if matches!(link.leaving, Leaving::No) {
                    link.put_ack(AckKind::Pubrel, ack.packet_id, scene.now_ms);
                    link.replies.push_back(Reply::Pubcomp(packet_id));
                }
            }
            (Reply::Pubcomp(packet_id), Packet::Pubcomp(ack))
                if packet_id == ack.packet_id.get() =>
            {
                self.outgoing.retain(|outgoing| outgoing.packet_id != packet_id);
            }
            (Reply::Suback(packet_id, changes), Packet::Suback(ack))
                if packet_id == ack.packet_id.get() && ack.codes.len() == changes.len() =>
            {
                assert!(ack.codes.iter().all(|code| *code <= 2), "refused: {ack:?}");
                let tick = scene.ledger.tick();
                scene.ledger.sessions[session].durable = true;
                for change in changes {
                    scene.ledger.sessions[session].confirm(&change, tick);
                }
            }
            (Reply::Unsuback(packet_id, changes), Packet::Unsuback(ack))
                if packet_id == ack.packet_id.get() =>
            {
                let tick = scene.ledger.tick();
                let is_v5 = link.dialect.is_v5();
                for (at, change) in changes.iter().enumerate() {
                    let code = ack.codes.get(at).copied();
                    let found = code.map(|code| code == ReasonCode::Success as u8);
                    let expected = change.existed.filter(|_| is_v5);
                    assert!(expected.is_none() || expected == found, "{change:?}: {ack:?}");
                    scene.ledger.sessions[session].confirm(change, tick);
                }
            }
            (reply, packet) => panic!("{} waits for {reply:?}, not {packet:?}", self.name),
        }
    }

    /// Repeats unacknowledged messages [MQTT-4.4.0-1].
    pub(super) fn repeat(&mut self, scene: &mut Scene<'_>) {
        let Some(link) = &mut self.link else { return };
        let conn = link.conn;
        for outgoing in self.outgoing.iter_mut().filter(|known| known.conn != conn) {
            outgoing.conn = link.conn;
            let Outgoing { packet_id, id, released, .. } = *outgoing;
            let wire_id = PacketId::new(packet_id).expect("identifiers here are not 0");
            if released {
                link.put_ack(AckKind::Pubrel, wire_id, scene.now_ms);
                link.replies.push_back(Reply::Pubcomp(packet_id));
                continue;
            }
            scene.ledger.messages[id].sends += 1;
            let now = (scene.now_ms, &mut *scene.random);
            link.put_publish(scene.ledger, id, Some(packet_id), true, now);
            link.replies.push_back(match scene.ledger.messages[id].qos {
                QoS::ExactlyOnce => Reply::Pubrec(packet_id, id),
                QoS::AtMostOnce | QoS::AtLeastOnce => Reply::Puback(packet_id, id),
            });
        }
    }
}
