//! Access control lists: the access they allow, and the messages of their faults.

use crate::access::acl::{Access, Acl};
use crate::access::{Basis, Decision, Place};
use crate::mqtt::TopicFilter;

use super::topic;

/// A request: user, client id, topic, and whether it may read and write.
type Row<'a> = (Option<&'a str>, &'a str, &'a str, bool, bool);

fn check(text: &str, rows: &[Row<'_>]) {
    let acl = Acl::parse(text).unwrap_or_else(|fault| panic!("{fault:?}"));
    for &(user, id, name, reads, writes) in rows {
        let may = |access| acl.allows(access, user, id, topic(name));
        let decided = (may(Access::Read), may(Access::Write));
        assert_eq!(decided, (reads, writes), "{user:?}, {id}: {name}\n{text}");
        // The explained decision equals the real one.
        let explained = |access| acl.explain(access, user, id, topic(name)).is_allowed;
        let explained = (explained(Access::Read), explained(Access::Write));
        assert_eq!(explained, decided, "{user:?}, {id}: {name}\n{text}");
    }
}

// A decision names the line of the first rule that makes it.
#[test]
fn decisions_name_their_line() {
    let text = "topic read open\ntopic write open\n\nuser ann\ntopic a/#\ntopic deny a/secret\n\
                topic read a/secret\ntopic deny a/+\npattern read p/%c\npattern deny p/ann\n\
                permission bob ^$ .* mqtt\n";
    let mut acl = Acl::parse(text).expect("it is a list");
    acl.set_file("/etc/acl".as_ref());
    let place = |line| Place { file: "/etc/acl".into(), line: Some(line) };
    for (user, access, name, is_allowed, basis) in [
        (None, Access::Read, "open", true, Basis::Rule(place(1))),
        (None, Access::Write, "open", true, Basis::Rule(place(2))),
        (None, Access::Write, "shut", false, Basis::Nothing),
        (Some("ann"), Access::Read, "a/b/c", true, Basis::Rule(place(5))),
        (Some("ann"), Access::Read, "a/secret", false, Basis::Rule(place(6))),
        (Some("ann"), Access::Write, "a/b", false, Basis::Rule(place(8))),
        (Some("ann"), Access::Read, "p/me", true, Basis::Rule(place(9))),
        (Some("ann"), Access::Read, "p/ann", false, Basis::Rule(place(10))),
        (Some("bob"), Access::Write, "any", true, Basis::Permission(place(11))),
    ] {
        let decision = acl.explain(access, user, "me", topic(name));
        assert_eq!(decision, Decision { is_allowed, basis }, "{user:?} {name}");
    }
    let may = |user, filter: &str| {
        let filter = TopicFilter::parse(filter).expect("it is a filter");
        acl.explain_filter(user, "me", filter)
    };
    let by = |line| Decision { is_allowed: true, basis: Basis::Rule(place(line)) };
    assert_eq!(may(Some("ann"), "a/+/x"), by(5));
    assert_eq!(may(Some("ann"), "p/+"), by(9));
    let nothing = Decision { is_allowed: false, basis: Basis::Nothing };
    assert_eq!(may(Some("ann"), "b/#"), nothing);
}

// Lines before the first `user` apply to clients without a user, and to no others.
#[test]
fn sections() {
    let text = "topic read open/#\n\n# a comment\nuser ann\ntopic ann/#\n  topic write in\n\
                user bob smith\r\ntopic readwrite  a b/+ \r\nuser ann\ntopic read late\n";
    check(
        text,
        &[
            (None, "c", "open", true, false),
            (None, "c", "open/x", true, false),
            (None, "c", "ann/x", false, false),
            (Some("ann"), "c", "open/x", false, false),
            (Some("ann"), "c", "ann", true, true),
            (Some("ann"), "c", "ann/x/y", true, true),
            (Some("ann"), "c", "annx", false, false),
            (Some("ann"), "c", "in", false, true),
            (Some("ann"), "c", "late", true, false),
            (Some("bob smith"), "c", "a b/x", true, true),
            (Some("bob smith"), "c", "a b", false, false),
            (Some("bob"), "c", "a b/x", false, false),
            (Some("nobody"), "c", "open", false, false),
        ],
    );
    check("", &[(None, "c", "a", false, false), (Some("u"), "c", "a", false, false)]);
}

// A rule that denies wins over one that allows, at any line; but not over an earlier stage.
#[test]
fn denials() {
    let text = "user u\ntopic a/#\ntopic deny a/secret/#\ntopic read a/secret/x\n\
                pattern deny a/b\npattern read p/#\npattern deny p/%c\ntopic deny p/never\n";
    check(
        text,
        &[
            (Some("u"), "c", "a/x", true, true),
            (Some("u"), "c", "a/secret", false, false),
            (Some("u"), "c", "a/secret/x", false, false),
            // The section has allowed it before a pattern could deny it.
            (Some("u"), "c", "a/b", true, true),
            (Some("v"), "c", "a/b", false, false),
            (Some("u"), "c", "p/x", true, false),
            (Some("u"), "c", "p/c", false, false),
            (Some("u"), "d", "p/c", true, false),
            (Some("u"), "d", "p/never", false, false),
            (Some("v"), "d", "p/never", true, false),
        ],
    );
}

// A leading wildcard matches no topic that begins with `$`.
#[test]
fn dollar_topics() {
    check(
        "topic #\npattern read +/%c\npattern read %c/#\n",
        &[
            (None, "c", "$SYS/x", false, false),
            (None, "$SYS", "$SYS/x", false, false),
            (None, "$SYS", "$SYS", false, false),
            (None, "c", "x/$SYS", true, true),
        ],
    );
    check(
        "topic read $SYS/#\npattern write $x/%c\n",
        &[
            (None, "c", "$SYS/broker", true, false),
            (None, "c", "$SYS", true, false),
            (None, "c", "$x/c", false, true),
        ],
    );
}

// A value in a pattern is compared literally; a client without a user matches no `%u`.
#[test]
fn patterns() {
    let text = "pattern readwrite dev/%u/%c/#\npattern read x%cy/+/%c\npattern write %u\n\
                pattern read %%u/%d/%\n";
    check(
        text,
        &[
            (Some("u"), "c", "dev/u/c", true, true),
            (Some("u"), "c", "dev/u/c/x/y", true, true),
            (Some("u"), "c", "dev/u/cx", false, false),
            (Some("u"), "c", "dev/c/u", false, false),
            (Some("%c"), "c", "dev/%c/c", true, true),
            (Some("u/v"), "c", "dev/u/v/c", true, true),
            (None, "c", "dev//c", false, false),
            (None, "c", "dev/u/c", false, false),
            (None, "c", "xcy/any/c", true, false),
            (None, "c", "xcy//c", true, false),
            (None, "c", "xcy/c", false, false),
            (None, "c/", "xc/y/any/c/", true, false),
            (Some("u"), "c", "u", false, true),
            (Some("u"), "c", "%u/%d/%", true, false),
            (Some("u"), "c", "%u/%d/x", false, false),
            (Some("+"), "c", "u", false, false),
            (Some("u"), "#", "u", false, false),
            (Some("u"), "a+", "dev/u/a+".trim_end_matches('+'), false, false),
        ],
    );
    // Patterns grant nothing to a name that would be a wildcard, even if they do not contain it;
    // the rules of its section still apply.
    check(
        "user +\ntopic read mine\npattern read all\n",
        &[
            (Some("+"), "c", "mine", true, false),
            (Some("+"), "c", "all", false, false),
            (Some("u"), "+", "all", false, false),
            (Some("u"), "c", "all", true, false),
        ],
    );
}

// A permission applies to all topics. Reading takes read access to the exchange and write access to
// the session. It does not allow access that the section denies.
#[test]
fn permissions() {
    let text = "permission all .* .* .*\npermission none ^$ \"\" ^$\n\
                permission in .* ^mqtt\\.default$ .*\npermission out .* ^mqtt\\.dev- default\n\
                permission part .* ault lt$\nuser all\ntopic deny no/#\n";
    check(
        text,
        &[
            (Some("all"), "c", "a", true, true),
            (Some("all"), "c", "$SYS/a", true, true),
            (Some("all"), "c", "no/a", false, false),
            (Some("none"), "c", "a", false, false),
            (Some("in"), "c", "a", false, true),
            (Some("in"), "default", "a", true, true),
            (Some("out"), "c", "a", false, false),
            (Some("out"), "dev-1", "a", true, false),
            (Some("part"), "c", "a", false, true),
            (Some("part"), "vault", "a", true, true),
            (None, "c", "a", false, false),
        ],
    );
}

// Every faulty line is reported with its number and the fault.
#[test]
fn faults() {
    let deep = format!("topic {}", "a/".repeat(200));
    let large = format!("permission u .* .* {}", "(a{1,500}){1,500}");
    let nested = format!("permission u .* {} .*", "(".repeat(100));
    for (line, says) in [
        ("user", "without a name"),
        ("user  ", "without a name"),
        ("topic", "topic filter \"\" is empty"),
        ("topic read write a", ""),
        ("topic reed a", "`reed` is no access"),
        ("topic read a/#/b", "that is not the whole last level"),
        ("topic a+", "that is not a whole level"),
        ("pattern %u+", "that is not a whole level"),
        ("topics a", "`topics` begins no rule"),
        ("Topic a", "`Topic` begins no rule"),
        ("permission u .* .*", "not 3 words"),
        ("permission u .* .* .* .*", "not 5 words"),
        ("permission u .* [ .*", "WRITE is no regular expression"),
        ("permission u ( .* .*", "CONFIGURE is no regular expression"),
        ("permission ok .* .* .*", "has a permission already"),
        (&deep, "at most 128 levels"),
        (&large, "READ is no regular expression"),
        (&nested, "WRITE is no regular expression"),
    ] {
        let text = format!("# first\n\npermission ok .* .* .*\n{line}\nnonsense\n");
        let fault = Acl::parse(&text).unwrap_err();
        // Empty text: the line is valid, as `read` with the filter `write a`.
        let line_number = if says.is_empty() { 5 } else { 4 };
        assert_eq!(fault.line, Some(line_number), "{line}: {fault:?}");
        assert!(fault.says.contains(says), "{line}: {fault:?}");
    }
}
