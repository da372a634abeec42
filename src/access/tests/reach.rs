//! A subscription is refused exactly when it can never receive a message.

use std::fmt::Write;

use crate::access::acl::{Access, Acl};
use crate::mqtt::{TopicFilter, TopicName};

use super::{Random, filter};

// Small lists with obvious answers.
#[test]
fn table() {
    for (text, yes, no) in [
        ("", &[][..], &["#", "a", "$SYS/#"][..]),
        ("topic a/b", &["a/b", "a/+", "#", "+/+", "a/b/#"], &["a", "a/c", "+", "a/b/+", "$SYS/#"]),
        ("topic write a", &[], &["a", "#"]),
        ("topic a/#", &["a", "a/#", "a/b", "+", "#", "+/b/#"], &["b", "b/#"]),
        ("topic #\ntopic deny a/#", &["#", "b", "+", "+/#"], &["a", "a/#", "a/+/b"]),
        ("topic a/#\ntopic deny a/+/#", &["a", "#", "a/#"], &["a/b", "a/+", "a/+/#"]),
        ("topic a/#\ntopic deny a\ntopic deny a/+", &["a/#", "a/+/+"], &["a", "a/b", "a/+", "+"]),
        ("topic a/#\ntopic deny a\ntopic deny a/+/#", &[], &["a/#", "#", "a", "a/b"]),
        ("topic a/+\ntopic deny a/x\ntopic deny a/y", &["a/+", "a/z", "#"], &["a/x", "a/y"]),
        ("topic +\ntopic deny #", &[], &["#", "+", "a"]),
        ("topic #", &["#", "a"], &["$SYS/#", "$SYS/a"]),
        ("topic $SYS/#", &["$SYS/#", "$SYS/a"], &["#", "+/a"]),
        ("pattern read %c/+", &["me/+", "me/x", "+/x", "#"], &["me", "you/x", "me/x/y"]),
        ("pattern read %u/x", &[], &["#", "me/x", "/x"]),
        ("pattern read #\npattern deny %c/#", &["#", "you", "+"], &["me", "me/#", "me/+"]),
        // A pattern cannot deny what the section allows.
        ("topic me/x\npattern deny me/#", &["me/x", "#"], &["me/y"]),
    ] {
        let acl = Acl::parse(text).unwrap();
        for (wanted, expected) in
            yes.iter().map(|wanted| (wanted, true)).chain(no.iter().map(|wanted| (wanted, false)))
        {
            assert_eq!(acl.reaches(None, "me", filter(wanted)), expected, "{wanted}\n{text}");
            let explained = acl.explain_filter(None, "me", filter(wanted)).is_allowed;
            assert_eq!(explained, expected, "{wanted}\n{text}");
        }
    }
    let acl = Acl::parse("permission u .* mqtt .*\nuser u\ntopic deny a/#\n").unwrap();
    for (wanted, expected) in [("#", true), ("$SYS/#", true), ("a", false), ("a/b", false)] {
        assert_eq!(acl.reaches(Some("u"), "me", filter(wanted)), expected, "{wanted}");
    }
    assert!(!Acl::parse("pattern read a").unwrap().reaches(None, "#", filter("a")));
}

// A filter is covered if one rule allows all its topics and none denies one of them.
#[test]
fn covers_table() {
    for (text, yes, no) in [
        ("", &[][..], &["#", "a"][..]),
        ("topic #", &["#", "a", "+/b/#", "a/#"], &["$SYS/#"]),
        ("topic a/#", &["a", "a/#", "a/+", "a/b/c"], &["#", "+", "b"]),
        ("topic a/#\ntopic deny a/x", &["a/b", "a/+/c", "a"], &["a/x", "a/+", "a/#"]),
        ("topic a/+\ntopic a/+/#", &["a/+", "a/+/#", "a/b"], &["a/#"]),
        ("topic write a/#", &[], &["a/#", "a"]),
        ("pattern read %c/#", &["me/#", "me/a", "me"], &["you/#", "#", "+/#"]),
        ("topic me/#\npattern deny me/x", &["me/#", "me/x"], &["you"]),
        ("pattern read #\npattern deny me/x", &["you", "me/y"], &["me/x", "me/#", "#"]),
    ] {
        let acl = Acl::parse(text).unwrap();
        for (wanted, expected) in
            yes.iter().map(|wanted| (wanted, true)).chain(no.iter().map(|wanted| (wanted, false)))
        {
            assert_eq!(acl.covers(None, "me", filter(wanted)), expected, "{wanted}\n{text}");
        }
    }
}

// If any number of levels is not denied, the filter can match, however deep it is; and a client
// cannot make the check expensive by a deep filter or client id.
#[test]
fn depth() {
    let deep = |levels: usize| vec!["x"; levels].join("/");
    let denies = |levels: &mut dyn Iterator<Item = usize>| -> String {
        levels.map(|levels| format!("topic deny {}\n", vec!["+"; levels].join("/"))).collect()
    };
    let below = format!("topic deny {}/#\n", ["+"; 50].join("/"));
    for (left_out, end, expected) in [(0, "", true), (0, &*below, false), (33, &below, true)] {
        let text = denies(&mut (1..50).filter(|levels| *levels != left_out));
        let acl = Acl::parse(&format!("topic #\n{text}{end}")).unwrap();
        assert_eq!(acl.reaches(None, "me", filter("#")), expected, "{left_out}");
        let wanted = format!("{}/#", deep(33));
        assert_eq!(acl.reaches(None, "me", filter(&wanted)), expected, "{left_out}");
        let wanted = format!("{}/#", deep(60_000 / 2));
        assert_eq!(acl.reaches(None, "me", filter(&wanted)), end.is_empty(), "{left_out}");
    }
    let patterns = "pattern deny %c/+/%c/+/%c\n".repeat(100);
    let acl = Acl::parse(&format!("topic #\n{patterns}pattern read #\n")).unwrap();
    assert!(acl.reaches(None, &"/".repeat(1000), filter("#")));
}

/// Every topic of up to `depth` of these levels.
fn topics(levels: &[&str], depth: usize) -> Vec<String> {
    let mut all: Vec<String> = levels.iter().map(|level| (*level).to_owned()).collect();
    let mut longest = all.clone();
    for _ in 1..depth {
        longest = longest
            .iter()
            .flat_map(|topic| levels.iter().map(move |level| format!("{topic}/{level}")))
            .collect();
        all.extend(longest.iter().cloned());
    }
    all
}

// On random lists the answer equals that of trying every topic: with levels that the lists name,
// one that they do not name, and one level more than any filter has.
#[test]
fn agrees_with_trying() {
    let mut random = Random::new(0x6163_6c00_0001);
    let levels = ["a", "b", "$x", "me", "", "other"];
    let all: Vec<String> =
        topics(&levels, 4).into_iter().filter(|topic| !topic.is_empty()).collect();
    let words = ["read", "readwrite", "write", "deny", "deny"];
    let texts = ["a", "b", "", "$x", "+", "+", "#"];
    let personal = ["a", "%c", "%u", "+", "#"];
    let (mut yes, mut no, mut covered) = (0, 0, 0);
    for round in 0..1500 {
        let mut text = String::new();
        for _ in 0..1 + random.below(6) {
            let is_pattern = random.below(3) == 0;
            let rule = if is_pattern { "pattern" } else { "topic" };
            let rule_filter = random.join_levels(if is_pattern { &personal } else { &texts });
            if TopicFilter::parse(&rule_filter).is_ok() {
                writeln!(text, "{rule} {} {rule_filter}", random.pick(&words)).unwrap();
            }
        }
        let wanted = random.join_levels(&texts);
        let Ok(wanted) = TopicFilter::parse(&wanted) else { continue };
        let acl = Acl::parse(&text).unwrap();
        let expected = all
            .iter()
            .filter_map(|topic| TopicName::parse(topic).ok())
            .any(|topic| wanted.matches(topic) && acl.allows(Access::Read, None, "me", topic));
        let reached = acl.reaches(None, "me", wanted);
        assert_eq!(reached, expected, "{random}, {round}: {wanted}\n{text}");
        (yes, no) = if expected { (yes + 1, no) } else { (yes, no + 1) };
        if acl.covers(None, "me", wanted) {
            covered += 1;
            let mut topics = all.iter().filter_map(|topic| TopicName::parse(topic).ok());
            let refused = topics.find(|topic| {
                wanted.matches(*topic) && !acl.allows(Access::Read, None, "me", *topic)
            });
            assert_eq!(refused, None, "{random}, {round}: {wanted}\n{text}");
        }
    }
    assert!(
        yes > 200 && no > 200 && covered > 50,
        "{random}: {yes} and {no}, the test is too weak"
    );
}
