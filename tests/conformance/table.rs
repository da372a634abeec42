//! Every normative statement of MQTT 3.1.1 (its appendix B), and the tests of it.

use crate::{
    connect as con, delivery as del, framing as fra, publish as pbl, qos2_in as q2i,
    qos2_out as q2o, retained as ret, session as ses, subscribe as sub, topics as top,
    websocket as ws, will as wil,
};

/// One statement, in our words.
pub(crate) struct Statement {
    pub(crate) id: &'static str,
    pub(crate) says: &'static str,
    pub(crate) held: Held,
}

/// The evidence for a statement.
pub(crate) enum Held {
    /// These tests: function and its name.
    By(&'static [(fn(), &'static str)]),
    /// It requires nothing of a server.
    NotServer(&'static str),
    /// Nothing a client does brings it about.
    Unprovoked(&'static str),
}

use Held::{NotServer, Unprovoked};

/// Tests that hold a statement: they exist, or this does not compile.
macro_rules! by {
    ($($module:ident :: $test:ident),+ $(,)?) => {
        Held::By(&[$(($module::$test as fn(), stringify!($test))),+])
    };
}

pub(crate) use by;

pub(crate) const fn row(id: &'static str, says: &'static str, held: Held) -> Statement {
    Statement { id, says, held }
}

/// Panics unless each statement has a text, and a reason if no test covers it.
pub(crate) fn each_says_something(statements: &[Statement]) {
    for Statement { id, says, held } in statements {
        assert!(!says.is_empty(), "{id} says nothing");
        if let NotServer(why) | Unprovoked(why) = held {
            assert!(!why.is_empty(), "{id} gives no reason");
        }
    }
}

/// Panics unless each function that the statements name is a test in these sources.
pub(crate) fn named_are_among(statements: &[Statement], sources: &str) {
    for Statement { id, held, .. } in statements {
        let Held::By(tests) = held else { continue };
        for (_, name) in *tests {
            let test = format!("#[test]\npub(crate) fn {name}() {{");
            assert!(sources.contains(&test), "{name}, which {id} names, is no test");
        }
    }
}

/// How many statements each section has. 3.1.2-7 and 3.8.3-4 are printed there as 3.1.2.7 and
/// 3-8.3-4.
const SECTIONS: [(&str, usize); 38] = [
    ("1.5.3", 3),
    ("2.2.2", 2),
    ("2.3.1", 7),
    ("3.1.0", 2),
    ("3.1.2", 24),
    ("3.1.3", 11),
    ("3.1.4", 5),
    ("3.2.0", 1),
    ("3.2.2", 6),
    ("3.3.1", 12),
    ("3.3.2", 3),
    ("3.3.4", 1),
    ("3.3.5", 2),
    ("3.6.1", 1),
    ("3.8.1", 1),
    ("3.8.3", 4),
    ("3.8.4", 6),
    ("3.9.3", 2),
    ("3.10.1", 1),
    ("3.10.3", 2),
    ("3.10.4", 6),
    ("3.12.4", 1),
    ("3.14.1", 1),
    ("3.14.4", 3),
    ("4.1.0", 2),
    ("4.3.1", 1),
    ("4.3.2", 2),
    ("4.3.3", 2),
    ("4.4.0", 1),
    ("4.5.0", 2),
    ("4.6.0", 6),
    ("4.7.1", 3),
    ("4.7.2", 1),
    ("4.7.3", 4),
    ("4.8.0", 2),
    ("6.0.0", 4),
    ("7.0.0", 2),
    ("7.1.1", 1),
];

/// The last section's one statement is about clients.
const CLIENT_SECTION: (&str, usize) = ("7.1.2", 1);

#[rustfmt::skip]
const STATEMENTS: &[Statement] = &[
    row("1.5.3-1", "strings are well-formed UTF-8, or the connection is closed", by![fra::ill_formed_utf8_closes, fra::well_formed_utf8_is_accepted]),
    row("1.5.3-2", "strings hold no U+0000, or the connection is closed", by![fra::nul_in_a_string_closes]),
    row("1.5.3-3", "U+FEFF is a character of the string, never stripped", by![fra::byte_order_mark_is_kept]),
    row("2.2.2-1", "reserved flag bits have the value of table 2.2", by![fra::wrong_flags_close]),
    row("2.2.2-2", "wrong flags close the connection", by![fra::wrong_flags_close]),
    row("2.3.1-1", "SUBSCRIBE, UNSUBSCRIBE and PUBLISH above QoS 0 have an id that is not 0", by![fra::packet_id_zero_closes]),
    row("2.3.1-2", "a client gives a new packet an unused id", NotServer("chosen by the client")),
    row("2.3.1-3", "a client sends a packet again under the same id", NotServer("chosen by the client")),
    row("2.3.1-4", "the same holds for a server that sends PUBLISH above QoS 0", by![pbl::identifiers_are_unused_ones, del::resent_as_it_was_and_first, q2o::identifiers_are_taken_until_pubcomp, q2o::what_is_owed_comes_again]),
    row("2.3.1-5", "PUBLISH of QoS 0 has no id", by![pbl::qos_0_has_no_dup_and_no_identifier]),
    row("2.3.1-6", "PUBACK, PUBREC and PUBREL carry the id of their PUBLISH", by![fra::answers_carry_the_identifier, q2i::answers_carry_the_identifier, q2o::delivery_has_four_steps]),
    row("2.3.1-7", "SUBACK and UNSUBACK carry the id of what they answer", by![fra::answers_carry_the_identifier]),
    row("3.1.0-1", "CONNECT is the first packet", by![con::first_packet_must_be_connect]),
    row("3.1.0-2", "a second CONNECT is a violation and closes", by![con::second_connect_closes]),
    row("3.1.2-1", "an unknown protocol name is not processed as MQTT", by![con::unknown_protocol_name_closes]),
    row("3.1.2-2", "an unsupported level gets CONNACK 1, then the connection closes", by![con::unacceptable_level_is_refused]),
    row("3.1.2-3", "the reserved connect flag is checked to be 0", by![con::reserved_connect_flag_closes]),
    row("3.1.2-4", "clean session 0 resumes the session, makes one if there is none, and keeps it", by![ses::session_is_resumed, ses::session_exists_without_subscriptions]),
    row("3.1.2-5", "messages above QoS 0 that match are kept while the client is away", by![ses::qos_1_is_kept_for_the_absent, ses::qos_0_subscription_keeps_nothing, q2o::kept_for_the_absent]),
    row("3.1.2-6", "clean session 1 discards the old session; the new one ends with its connection", by![ses::clean_session_discards, ses::clean_session_ends_with_its_connection, ses::clean_takeover_discards, q2i::clean_session_forgets_what_was_received, q2o::clean_session_owes_nothing]),
    row("3.1.2-7", "retained messages are no part of a session and outlive it", by![ses::retained_messages_outlive_the_session]),
    row("3.1.2-8", "the will is published when the connection ends without a DISCONNECT", by![wil::will_is_published_without_disconnect, wil::will_is_published_at_keep_alive_timeout, wil::will_is_published_at_takeover, wil::will_reaches_its_successor, wil::will_is_published_at_shutdown, wil::will_is_kept_for_the_absent]),
    row("3.1.2-9", "with the will flag, will QoS and retain count, and topic and message are there", by![con::flags_announce_the_fields, wil::will_is_what_connect_said]),
    row("3.1.2-10", "a will that was published, or called off by DISCONNECT, is gone", by![wil::will_is_published_once]),
    row("3.1.2-11", "without the will flag: will QoS and retain 0, no topic, no message", by![con::will_settings_without_will_close, con::flags_announce_the_fields]),
    row("3.1.2-12", "without the will flag no will is published", by![wil::no_will_flag_no_will]),
    row("3.1.2-13", "without the will flag the will QoS is 0", by![con::will_settings_without_will_close]),
    row("3.1.2-14", "the will QoS is 0, 1 or 2, not 3", by![con::will_qos_3_closes, con::will_qos_0_to_2_is_accepted]),
    row("3.1.2-15", "without the will flag will retain is 0", by![con::will_settings_without_will_close]),
    row("3.1.2-16", "with will retain 0 the will is not retained", by![wil::will_without_retain_is_not_retained]),
    row("3.1.2-17", "with will retain 1 the will is retained", by![wil::will_with_retain_is_retained, wil::empty_retained_will_clears]),
    row("3.1.2-18", "without the user name flag there is no user name", by![con::flags_announce_the_fields]),
    row("3.1.2-19", "with the user name flag there is one", by![con::flags_announce_the_fields]),
    row("3.1.2-20", "without the password flag there is no password", by![con::flags_announce_the_fields]),
    row("3.1.2-21", "with the password flag there is one", by![con::flags_announce_the_fields]),
    row("3.1.2-22", "no password without a user name", by![con::password_without_user_name_closes]),
    row("3.1.2-23", "a client with nothing to say sends PINGREQ within the keep alive", NotServer("sent by the client")),
    row("3.1.2-24", "silence of 1.5 times the keep alive closes the connection", by![con::keep_alive_expires, con::keep_alive_zero_does_not_expire, con::any_packet_keeps_alive]),
    row("3.1.3-1", "the payload's fields come in their order", by![con::fields_are_read_in_order]),
    row("3.1.3-2", "client id and session belong together", by![ses::client_id_names_the_session, con::client_ids_differ_by_bytes]),
    row("3.1.3-3", "the client id is there, and first", by![con::client_id_must_be_there]),
    row("3.1.3-4", "the client id is UTF-8", by![fra::ill_formed_utf8_closes, fra::nul_in_a_string_closes]),
    row("3.1.3-5", "ids of 1 to 23 letters and digits are allowed", by![con::client_ids_are_accepted]),
    row("3.1.3-6", "an empty id may be allowed, and is then replaced by a unique one", by![con::empty_client_id_gets_a_unique_one]),
    row("3.1.3-7", "a client with an empty id asks for a clean session", NotServer("chosen by the client; see 3.1.3-8")),
    row("3.1.3-8", "an empty id with clean session 0 gets CONNACK 2, then the connection closes", by![con::empty_client_id_needs_a_clean_session]),
    row("3.1.3-9", "a refused id gets CONNACK 2, then the connection closes", by![con::empty_client_id_needs_a_clean_session]),
    row("3.1.3-10", "the will topic is UTF-8", by![fra::ill_formed_utf8_closes, fra::nul_in_a_string_closes, con::will_topic_must_be_a_topic_name]),
    row("3.1.3-11", "the user name is UTF-8", by![fra::ill_formed_utf8_closes, fra::nul_in_a_string_closes]),
    row("3.1.4-1", "a CONNECT that breaks the rules closes without CONNACK", by![con::malformed_connect_closes_in_silence]),
    row("3.1.4-2", "a client of the same id is disconnected", by![con::takeover_closes_the_old_connection]),
    row("3.1.4-3", "clean session is processed as 3.1.2.4 says", by![ses::clean_session_discards, ses::session_is_resumed]),
    row("3.1.4-4", "what is accepted gets CONNACK 0", by![con::accepted_with_connack_zero]),
    row("3.1.4-5", "nothing is processed after a refused CONNECT", by![con::refused_client_is_not_heard]),
    row("3.2.0-1", "CONNACK is the first packet of the server", by![con::connack_is_the_first_packet]),
    row("3.2.2-1", "clean session 1: session present 0", by![ses::clean_session_has_no_session_present]),
    row("3.2.2-2", "a stored session: session present 1", by![ses::session_present_tells_the_truth]),
    row("3.2.2-3", "no stored session: session present 0", by![ses::session_present_tells_the_truth]),
    row("3.2.2-4", "refused: session present 0", by![con::refusal_has_no_session_present]),
    row("3.2.2-5", "refused: the connection is closed", by![con::unacceptable_level_is_refused, con::empty_client_id_needs_a_clean_session]),
    row("3.2.2-6", "where no return code fits, the connection closes without CONNACK", by![con::malformed_connect_closes_in_silence]),
    row("3.3.1-1", "what is sent again has DUP 1", by![pbl::redelivery_has_dup, q2o::what_is_owed_comes_again]),
    row("3.3.1-2", "QoS 0 has DUP 0", by![pbl::qos_0_has_no_dup_and_no_identifier, pbl::dup_with_qos_0_closes]),
    row("3.3.1-3", "DUP is not passed on", by![pbl::dup_is_not_passed_on]),
    row("3.3.1-4", "QoS 3 closes the connection", by![pbl::qos_3_closes]),
    row("3.3.1-5", "RETAIN 1 stores message and QoS", by![ret::new_subscription_gets_what_is_retained, ret::qos_is_retained]),
    row("3.3.1-6", "a new subscription gets the last retained message of each matching topic", by![ret::new_subscription_gets_what_is_retained, ret::wildcards_find_what_is_retained]),
    row("3.3.1-7", "a retained message of QoS 0 discards what was retained", by![ret::retained_qos_0_replaces]),
    row("3.3.1-8", "what a new subscription brings has RETAIN 1", by![ret::new_subscription_gets_what_is_retained, ret::redelivery_keeps_retain]),
    row("3.3.1-9", "what an established subscription brings has RETAIN 0", by![ret::live_copies_have_retain_0, ret::kept_copies_have_retain_0]),
    row("3.3.1-10", "an empty retained message clears, and goes out live", by![ret::empty_message_clears]),
    row("3.3.1-11", "an empty message is not retained", by![ret::empty_message_is_not_retained]),
    row("3.3.1-12", "RETAIN 0 neither stores, removes nor replaces", by![ret::retain_0_leaves_the_store_alone]),
    row("3.3.2-1", "the topic name is the first field, and UTF-8", by![pbl::topic_name_is_the_first_field, fra::ill_formed_utf8_closes]),
    row("3.3.2-2", "a topic name holds no wildcard", by![pbl::wildcard_in_a_topic_name_closes]),
    row("3.3.2-3", "the delivered topic name matches the filter", by![top::delivered_topic_is_the_published_one]),
    row("3.3.4-1", "PUBLISH is answered according to its QoS", by![pbl::leaving_clients_are_answered, pbl::answer_depends_on_the_qos, pbl::pubacks_come_in_order, q2i::answers_come_in_order]),
    row("3.3.5-1", "overlapping filters: delivered with the highest of their QoS", by![sub::overlapping_filters_bring_one_copy]),
    row("3.3.5-2", "an unauthorised PUBLISH is acknowledged or closes", by![pbl::unauthorised_is_acknowledged, top::system_topics_are_the_brokers]),
    row("3.6.1-1", "PUBREL has flags 0010, or closes", by![fra::wrong_pubrel_flags_close]),
    row("3.8.1-1", "SUBSCRIBE has flags 0010, or closes", by![fra::wrong_flags_close]),
    row("3.8.3-1", "the filters of SUBSCRIBE are UTF-8", by![fra::ill_formed_utf8_closes, fra::nul_in_a_string_closes]),
    row("3.8.3-2", "a server without wildcards refuses them", by![top::filters_match_by_the_rules]),
    row("3.8.3-3", "SUBSCRIBE has at least one filter", by![sub::malformed_subscribe_closes]),
    row("3.8.3-4", "QoS 3 or a reserved bit in SUBSCRIBE closes", by![sub::malformed_subscribe_closes]),
    row("3.8.4-1", "SUBSCRIBE is answered by SUBACK", by![sub::subscribe_is_answered, sub::subscription_holds_from_its_suback]),
    row("3.8.4-2", "SUBACK has the id of its SUBSCRIBE", by![fra::answers_carry_the_identifier]),
    row("3.8.4-3", "the same filter replaces, retained messages come again, the flow goes on", by![sub::same_filter_replaces, sub::subscribing_again_loses_nothing, ret::repeated_subscribe_brings_it_again]),
    row("3.8.4-4", "several filters are handled like several packets, with one answer", by![sub::several_filters_are_answered_in_order, sub::many_filters_are_answered]),
    row("3.8.4-5", "SUBACK has one return code for each filter", by![sub::several_filters_are_answered_in_order]),
    row("3.8.4-6", "a lower QoS may be granted; deliveries have the lower of published and granted", by![sub::qos_is_granted_as_asked, sub::delivery_qos_is_the_minimum]),
    row("3.9.3-1", "return codes stand in the order of the filters", by![sub::several_filters_are_answered_in_order]),
    row("3.9.3-2", "return codes are 0, 1, 2 and 0x80", by![sub::several_filters_are_answered_in_order, top::bad_shares_are_refused]),
    row("3.10.1-1", "UNSUBSCRIBE has flags 0010, or closes", by![fra::wrong_flags_close]),
    row("3.10.3-1", "the filters of UNSUBSCRIBE are UTF-8, one behind the other", by![fra::ill_formed_utf8_closes, fra::nul_in_a_string_closes]),
    row("3.10.3-2", "UNSUBSCRIBE has at least one filter", by![sub::malformed_unsubscribe_closes]),
    row("3.10.4-1", "filters are compared byte for byte", by![sub::unsubscribe_compares_bytes]),
    row("3.10.4-2", "after it nothing new is added for the client", by![sub::nothing_new_after_unsuback]),
    row("3.10.4-3", "what was started is delivered to the end", by![sub::unsubscribe_completes_deliveries]),
    row("3.10.4-4", "UNSUBACK has the id of its UNSUBSCRIBE", by![sub::unsubscribe_is_answered, fra::answers_carry_the_identifier]),
    row("3.10.4-5", "it is answered although nothing was removed", by![sub::unsubscribe_is_answered]),
    row("3.10.4-6", "several filters are handled like several packets, with one answer", by![sub::several_filters_are_unsubscribed]),
    row("3.12.4-1", "PINGREQ is answered by PINGRESP", by![fra::pingreq_is_answered]),
    row("3.14.1-1", "DISCONNECT's reserved bits are checked to be 0", by![fra::wrong_disconnect_flags_are_a_violation, fra::wrong_flags_close]),
    row("3.14.4-1", "a client closes after DISCONNECT", NotServer("done by the client")),
    row("3.14.4-2", "a client sends nothing after DISCONNECT", NotServer("done by the client; tests/wire has what a server does with it")),
    row("3.14.4-3", "DISCONNECT discards the will", by![wil::disconnect_discards_the_will]),
    row("4.1.0-1", "session state is stored as long as the session lasts", by![ses::session_state_is_stored]),
    row("4.1.0-2", "a session lasts at least as long as its connection", by![ses::session_lasts_as_long_as_its_connection]),
    row("4.3.1-1", "QoS 0 is sent with QoS 0 and DUP 0", by![pbl::qos_0_has_no_dup_and_no_identifier]),
    row("4.3.2-1", "QoS 1 is sent under an unused id, DUP 0, and is unacknowledged until PUBACK", by![pbl::identifiers_are_unused_ones, del::unacknowledged_until_puback, del::pubacks_in_any_order]),
    row("4.3.2-2", "QoS 1 is answered by PUBACK of its id; the id is a new message's then", by![fra::answers_carry_the_identifier, pbl::identifier_is_free_after_puback]),
    row("4.3.3-1", "QoS 2 is sent under an unused id, DUP 0; PUBLISH is owed until PUBREC, then PUBREL until PUBCOMP", by![q2o::delivery_has_four_steps, q2o::what_is_owed_comes_again, q2o::pubrec_counts_although_its_answer_is_lost, q2o::every_pubrec_is_answered, q2o::early_pubcomp_closes, q2o::answer_of_another_qos_closes, q2o::identifiers_are_taken_until_pubcomp]),
    row("4.3.3-2", "QoS 2 is answered by PUBREC of its id, passed on once until PUBREL, which is answered by PUBCOMP", by![q2i::answers_carry_the_identifier, q2i::repeated_publish_is_delivered_once, q2i::identifier_is_free_after_pubrel, q2i::unknown_pubrel_is_answered, q2i::received_identifiers_outlive_the_connection, q2i::repeated_clear_clears_once, q2i::every_identifier_may_be_open]),
    row("4.4.0-1", "on resuming, what is unacknowledged is sent again under its id", by![del::resent_as_it_was_and_first, del::takeover_resends, del::puback_right_after_connect_counts, q2o::what_is_owed_comes_again, q2o::resumed_in_order_and_first, q2o::pubrec_right_after_connect_counts]),
    row("4.5.0-1", "a message is added to every session that matches", by![del::every_matching_session_gets_it]),
    row("4.5.0-2", "a client acknowledges what it gets", NotServer("done by the client; del::unknown_puback_is_ignored has the server's part")),
    row("4.6.0-1", "what is sent again keeps its order", by![del::resent_as_it_was_and_first, q2o::resumed_in_order_and_first]),
    row("4.6.0-2", "a client sends PUBACKs in order", NotServer("done by the client; pbl::pubacks_come_in_order has the server's part")),
    row("4.6.0-3", "a client sends PUBRECs in order", NotServer("done by the client; q2i::answers_come_in_order has the server's part")),
    row("4.6.0-4", "a client sends PUBRELs in order", NotServer("done by the client; q2o::pubrels_come_in_order has the server's part")),
    row("4.6.0-5", "topics are ordered by default", by![del::order_is_kept]),
    row("4.6.0-6", "a client's messages on a topic go out in their order, per QoS", by![del::order_holds_across_qos, del::order_is_kept, del::kept_messages_keep_their_order, q2o::kept_for_the_absent]),
    row("4.7.1-1", "wildcards are for filters, not for topic names", by![pbl::wildcard_in_a_topic_name_closes]),
    row("4.7.1-2", "`#` is a whole level, and the last", by![top::misplaced_wildcards_close, top::hash_matches_its_parent]),
    row("4.7.1-3", "`+` is a whole level, at any place", by![top::misplaced_wildcards_close, top::plus_matches_one_level]),
    row("4.7.2-1", "a leading wildcard does not match a leading `$`", by![top::wildcards_leave_dollar_topics_alone, ret::wildcards_find_what_is_retained, top::system_topics_are_the_brokers]),
    row("4.7.3-1", "topics have at least one character", by![top::empty_topics_close]),
    row("4.7.3-2", "topics hold no U+0000", by![fra::nul_in_a_string_closes]),
    row("4.7.3-3", "topics have at most 65,535 bytes", by![top::longest_topics_work, top::deep_topics_work, top::topic_ends_where_its_length_says]),
    row("4.7.3-4", "topics are not normalised", by![top::topics_are_not_normalised]),
    row("4.8.0-1", "a violation closes the connection it came on", by![fra::violation_closes_one_connection, q2o::early_pubcomp_closes, top::misplaced_wildcards_close]),
    row("4.8.0-2", "a transient error closes the connection it happened on", Unprovoked("a client cannot bring it about; the simulator does")),
    row("6.0.0-1", "packets travel in binary frames", by![ws::binary_frames_alone]),
    row("6.0.0-2", "packets need not be aligned with frames", by![ws::frames_are_not_packets]),
    row("6.0.0-3", "the client offers the subprotocol mqtt", NotServer("sent by the client")),
    row("6.0.0-4", "the server selects the subprotocol mqtt", by![ws::subprotocol_is_selected]),
    row("7.0.0-1", "a server that connects to others is a conformant client, too", NotServer("opens no connections")),
    row("7.0.0-2", "nothing beyond the standard is required of the other side", by![fra::plain_tcp_suffices]),
    row("7.1.1-1", "a server speaks over an ordered, lossless byte stream", by![fra::plain_tcp_suffices]),
    row("7.1.2-1", "so does a client", NotServer("about clients")),
];

/// The table has every statement of the standard, once, in order; and each says something.
#[test]
fn table_is_complete() {
    let due: Vec<String> = SECTIONS
        .iter()
        .chain([&CLIENT_SECTION])
        .flat_map(|(section, count)| (1..=*count).map(move |n| format!("{section}-{n}")))
        .collect();
    let there: Vec<&str> = STATEMENTS.iter().map(|statement| statement.id).collect();
    assert_eq!(there, due);
    assert_eq!(there.len(), 141, "appendix B has 141 rows");
    each_says_something(STATEMENTS);
}

/// Each function the table names is run as a test.
#[test]
fn named_tests_are_tests() {
    let sources = concat!(
        include_str!("connect.rs"),
        include_str!("delivery.rs"),
        include_str!("framing.rs"),
        include_str!("publish.rs"),
        include_str!("qos2_in.rs"),
        include_str!("qos2_out.rs"),
        include_str!("retained.rs"),
        include_str!("session.rs"),
        include_str!("subscribe.rs"),
        include_str!("topics.rs"),
        include_str!("websocket.rs"),
        include_str!("will.rs"),
    );
    named_are_among(STATEMENTS, sources);
}

/// How much of the standard tests hold: printed; the rest is about clients, or no client can bring
/// it about.
#[test]
fn nothing_is_missing() {
    let is_held = |it: &&Statement| matches!(it.held, Held::By(_));
    let held = STATEMENTS.iter().filter(is_held).count();
    println!("{held} of {} held by tests", STATEMENTS.len());
    assert!(held >= 100, "{held}");
}
