//! The file `groups` of a vhost.

use super::super::groups_file::{DeclaredGroup, DeclaredOrder};

// What a group is declared with is read; groups are told in the order of their filters.
#[test]
fn groups_are_read() {
    let text = "# ours\n\ngroup billing meters/#\n  order = sticky\n  max-bytes = 64KiB\n\
                expiry=2d\n dead-letter = dead/billing\n max-deliveries = 3\n\
                group a b c/+\n";
    let groups = DeclaredGroup::parse_all(text).expect("it is right");
    let [plain, full] = &groups[..] else { panic!("{groups:?}") };
    assert_eq!(&*plain.share, "$share/a/b c/+");
    assert_eq!((plain.order, plain.expiry_ms, &plain.dead_letter), (None, None, &None));
    let wanted = DeclaredGroup {
        share: "$share/billing/meters/#".into(),
        order: Some(DeclaredOrder::Sticky),
        bytes_max: Some(65_536),
        expiry_ms: Some(2 * 86_400_000),
        dead_letter: Some("dead/billing".into()),
        deliveries_max: Some(3),
    };
    assert_eq!(full, &wanted);
    assert_eq!(DeclaredGroup::parse_all("").expect("there are none"), []);
}

// What is wrong is told with its line.
#[test]
fn faults_have_lines() {
    for (text, line, says) in [
        ("order = topic\n", 1, "before the first"),
        ("group a\n", 1, "a name and a topic filter"),
        ("group a# b\n", 1, "a name and a topic filter"),
        ("group a b/#/c\n", 1, "a name and a topic filter"),
        ("group a $SYS/#\n", 1, "of the system"),
        ("group a b\n\ngroup a b\n", 3, "declared twice"),
        ("group a b\norder = all\n", 2, "topic, sticky or none"),
        ("group a b\nspeed = 1\n", 2, "is nothing of a group"),
        ("group a b\nsomething\n", 2, "neither"),
        ("group a b\nmax-bytes = 0\n", 2, "takes bytes"),
        ("group a b\nexpiry = 5\n", 2, "takes a time"),
        ("group a b\nexpiry = 0s\n", 2, "takes a time"),
        ("group a b\nexpiry = 99999999999999d\n", 2, "takes a time"),
        ("group a b/#\ndead-letter = b/c\n", 2, "own filter"),
        ("group a b\ndead-letter = x/+\n", 2, "topic name"),
        ("group a b\ndead-letter = $SYS/x\n", 2, "topic name"),
        ("group a b\nmax-deliveries = 2\n", 2, "3 to 255"),
        ("group a b\nmax-deliveries = 256\n", 2, "3 to 255"),
        ("group a b\norder = topic\norder = topic\n", 3, "second time"),
    ] {
        let fault = DeclaredGroup::parse_all(text).expect_err(text);
        assert_eq!(fault.line, Some(line), "{text}: {fault:?}");
        assert!(fault.says.contains(says), "{text}: {fault:?}");
    }
}
