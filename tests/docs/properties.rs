//! The tables of properties and reason codes of MQTT 5, made from those that the codec works with.
//!
//! A page has each between two lines: `<!-- NAME -->` and `<!-- end of NAME -->`.

use ringmq::mqtt::{
    Carrier, PROPERTIES, PacketKind, PropertyRow, REASON_CODES, ReasonRow, Sender, ValueRule,
};

/// The page with its tables made anew.
///
/// # Errors
/// If the page has no place for one.
pub(crate) fn renew(page: &str) -> Result<String, String> {
    let page = replace(page, "properties", &properties())?;
    replace(&page, "reason codes", &reason_codes())
}

fn replace(page: &str, name: &str, table: &str) -> Result<String, String> {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = page.split_once(&begin).ok_or(format!("no table begins with {begin}"))?;
    let (_, after) = rest.split_once(&end).ok_or(format!("the table does not end with {end}"))?;
    Ok(format!("{before}{begin}{table}\n{end}{after}"))
}

fn properties() -> String {
    let head = "\n| id | property | value | in | many in | goes on |\n|---|---|---|---|---|---|\n";
    head.to_owned() + &PROPERTIES.iter().map(property).collect::<String>()
}

fn property(row: &PropertyRow) -> String {
    let rule = match row.rule {
        ValueRule::Any => "",
        ValueRule::Flag => ", 0 or 1",
        ValueRule::NotZero => ", not 0",
        ValueRule::TopicName => ", a topic name",
    };
    let carriers = || Carrier::ALL.into_iter().filter(|carrier| row.may_be_in(*carrier));
    let side = |carrier| match row.only_from(carrier) {
        Some(Sender::Client) => " from a client",
        Some(Sender::Server) => " from a server",
        None => "",
    };
    let all = if carriers().count() == Carrier::ALL.len() {
        "everywhere".to_owned()
    } else {
        join(carriers().map(|carrier| format!("{}{}", short(carrier), side(carrier))))
    };
    let many = if carriers().all(|carrier| row.may_repeat_in(carrier)) {
        "everywhere".to_owned()
    } else {
        join(carriers().filter(|carrier| row.may_repeat_in(*carrier)).map(short))
    };
    // The packets that carry a message: PUBLISH and a will.
    let is_messages = [Carrier::Packet(PacketKind::Publish), Carrier::Will];
    let goes_on =
        if is_messages.into_iter().all(|carrier| row.may_be_in(carrier)) { "yes" } else { "" };
    let (id, name, value) = (row.id as u8, row.name, row.value);
    let line = format!("| `0x{id:02x}` | {name} | {value}{rule} | {all} | {many} | {goes_on} |\n");
    line.replace("|  |", "| |").replace("|  |", "| |")
}

fn short(carrier: Carrier) -> String {
    match carrier {
        Carrier::Will => "will".to_owned(),
        Carrier::Packet(kind) => kind.to_string(),
    }
}

fn reason_codes() -> String {
    let head = "\n| code | name | in |\n|---|---|---|\n";
    head.to_owned() + &REASON_CODES.iter().map(reason_code).collect::<String>()
}

fn reason_code(row: &ReasonRow) -> String {
    let packets = Carrier::ALL.into_iter().filter_map(|carrier| {
        let Carrier::Packet(kind) = carrier else { return None };
        let from = |sender| row.code.may_be_in(kind, Some(sender));
        match (from(Sender::Client), from(Sender::Server)) {
            (true, true) => Some(kind.to_string()),
            (true, false) => Some(format!("{kind} from a client")),
            (false, true) => Some(format!("{kind} from a server")),
            (false, false) => None,
        }
    });
    format!("| `0x{:02x}` | {} | {} |\n", row.code as u8, row.name, join(packets))
}

fn join(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

// The tables stand between their marks, have a row for each entry, and stay when made again.
#[test]
fn tables_are_made_anew() {
    let marks = |name| format!("<!-- {name} -->\nx y z\n<!-- end of {name} -->\n");
    let page = format!("# A\n{}b\n{}c\n", marks("properties"), marks("reason codes"));
    let new = renew(&page).expect("it has its marks");
    assert!(!new.contains("x y z") && new.ends_with("\nc\n"), "{new}");
    assert_eq!(new.matches("\n| `0x").count(), 27 + 43);
    assert_eq!(renew(&new).as_deref(), Ok(&*new));
    for row in [
        "| `0x0b` | Subscription Identifier | variable byte integer, not 0 | PUBLISH from a \
         server, SUBSCRIBE | PUBLISH | |",
        "| `0x02` | Message Expiry Interval | four byte integer | will, PUBLISH | | yes |",
        "| `0x26` | User Property | string pair | everywhere | everywhere | yes |",
        "| `0x04` | Disconnect with Will Message | DISCONNECT from a client |",
        "| `0x92` | Packet Identifier not found | PUBREL, PUBCOMP |",
    ] {
        assert!(new.contains(row), "{row}\n{new}");
    }
    for page in ["# A\n", "<!-- properties -->\n"] {
        assert!(renew(page).is_err(), "{page}");
    }
}
