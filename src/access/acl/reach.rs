//! Whether a subscription can ever receive a message: whether a topic exists that its filter
//! matches and that the client may read.
//!
//! The topics that two filters both match are those of a third filter, their *meet*. So the meet of
//! each allowing filter and the subscription's filter is computed, and must have a topic that no
//! filter denies. There are infinitely many topics. It is enough to test those that have, in place
//! of each wildcard of the meet, a level that no filter names. A filter that denies such a
//! *witness* has a wildcard there too and denies all the others. A `#` stands for any number of
//! levels, and all numbers above that of the longest denying filter are equivalent.

use std::ops::RangeInclusive;

use crate::mqtt::TopicFilter;

use super::section::{Effects, Origin, Section};
use super::shape::Asker;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Level<'a> {
    Text(&'a str),
    /// `+`; in a witness a level that no filter names.
    Any,
    /// `#`
    Rest,
}

/// A filter as its levels.
type Filter<'a> = Vec<Level<'a>>;

/// The rule that lets the client read one of the topics; `None` if it may read none.
pub(super) fn reaches(
    section: Option<&Section>,
    patterns: Option<&Section>,
    asker: Asker<'_>,
    wanted: TopicFilter<'_>,
) -> Option<Origin> {
    let wanted = levels(wanted.as_str());
    let texts = |section: Option<&'_ Section>, effect| -> Vec<String> {
        let filters = section.into_iter().flat_map(|section| section.filled(effect, asker));
        filters.map(|(filter, _)| filter.into_owned()).collect()
    };
    let section_denies = texts(section, Effects::DENY);
    let mut denies: Vec<Filter<'_>> = section_denies.iter().map(|text| levels(text)).collect();
    // All topics, including those that begin with `$`: the meet itself is tested.
    let permission = section
        .and_then(|section| section.permission.as_ref())
        .filter(|permission| permission.may_read(asker.client_id));
    if let Some(permission) = permission
        && has_witness(&wanted, &denies)
    {
        return Some(Origin::Permission(permission.line()));
    }
    let reads = |section: Option<&Section>, denies: &[Filter<'_>]| {
        let mut filters =
            section.into_iter().flat_map(|section| section.filled(Effects::READ, asker));
        let found = filters.find(|(read, _)| {
            meet(&wanted, &levels(read)).is_some_and(|both| has_witness(&both, denies))
        });
        found.map(|(_, line)| Origin::Rule(line))
    };
    if let Some(origin) = reads(section, &denies) {
        return Some(origin);
    }
    let pattern_denies = texts(patterns, Effects::DENY);
    denies.extend(pattern_denies.iter().map(|text| levels(text)));
    reads(patterns, &denies)
}

/// Whether the client may read every topic that `wanted` matches: one rule allows them all, and no
/// rule with precedence denies one. Rules that allow them only together are not considered.
pub(super) fn covers_all(
    section: Option<&Section>,
    patterns: Option<&Section>,
    asker: Asker<'_>,
    wanted: TopicFilter<'_>,
) -> bool {
    let wanted = levels(wanted.as_str());
    let has = |section: Option<&Section>, effect, is_it: &dyn Fn(&[Level<'_>]) -> bool| {
        let mut filters = section.into_iter().flat_map(|section| section.filled(effect, asker));
        filters.any(|(filter, _)| is_it(&levels(&filter)))
    };
    let meets = |filter: &[Level<'_>]| meet(&wanted, filter).is_some();
    let contains = |filter: &[Level<'_>]| meet(&wanted, filter).as_ref() == Some(&wanted);
    if has(section, Effects::DENY, &meets) {
        return false;
    }
    let permission = section.and_then(|section| section.permission.as_ref());
    permission.is_some_and(|permission| permission.may_read(asker.client_id))
        || has(section, Effects::READ, &contains)
        || has(patterns, Effects::READ, &contains) && !has(patterns, Effects::DENY, &meets)
}

fn levels(text: &str) -> Filter<'_> {
    let level = |level| match level {
        "+" => Level::Any,
        "#" => Level::Rest,
        text => Level::Text(text),
    };
    text.split('/').map(level).collect()
}

/// The filter of the topics that both filters match; `None` if there are none.
fn meet<'a>(one: &[Level<'a>], other: &[Level<'a>]) -> Option<Filter<'a>> {
    let mut both = Vec::new();
    let mut at = 0;
    loop {
        let level = match (one.get(at), other.get(at)) {
            (None, None) => break,
            (Some(Level::Rest), _) => {
                both.extend(other.get(at..).unwrap_or_default());
                break;
            }
            (_, Some(Level::Rest)) => {
                both.extend(one.get(at..).unwrap_or_default());
                break;
            }
            (Some(Level::Any), Some(&level)) | (Some(&level), Some(Level::Any)) => level,
            (Some(level), Some(same)) if level == same => *level,
            _ => return None,
        };
        both.push(level);
        at += 1;
    }
    // [MQTT-4.7.2-1] A leading wildcard does not match topics that begin with `$`.
    let is_hidden = is_dollar(&both) && !(is_dollar(one) && is_dollar(other));
    (!is_hidden).then_some(both)
}

fn is_dollar(levels: &[Level<'_>]) -> bool {
    matches!(levels.first(), Some(Level::Text(text)) if text.starts_with('$'))
}

/// Whether `filter` matches a topic that no filter of `denies` matches.
fn has_witness(filter: &[Level<'_>], denies: &[Filter<'_>]) -> bool {
    let is_witness = |topic: &[Level<'_>]| {
        // [MQTT-4.7.3-1] A topic is not empty, although `/#` and `+` both seem to match the empty
        // one.
        let is_topic = !matches!(topic, [] | [Level::Text("")]);
        is_topic && !denies.iter().any(|deny| covers(deny, topic))
    };
    let Some((Level::Rest, before)) = filter.split_last() else {
        return is_witness(filter);
    };
    let mut denied: Vec<_> = denies.iter().filter_map(|deny| covered(deny, before)).collect();
    denied.sort_unstable_by_key(|lengths| *lengths.start());
    // [MQTT-4.7.3-1] as above.
    let mut length = if before == [Level::Text("")] { 2 } else { before.len().max(1) };
    for lengths in denied {
        if *lengths.start() > length {
            break;
        }
        let Some(next) = lengths.end().checked_add(1) else { return false };
        length = length.max(next);
    }
    true
}

/// The numbers of levels of the topics that begin with `before`, continue with levels that no
/// filter names, and match `filter`. It takes one pass, because a client chooses the length of
/// `before`.
fn covered(filter: &[Level<'_>], before: &[Level<'_>]) -> Option<RangeInclusive<usize>> {
    if is_dollar(before) && !is_dollar(filter) {
        return None;
    }
    for (at, level) in filter.iter().enumerate() {
        match (level, before.get(at).unwrap_or(&Level::Any)) {
            (Level::Rest, _) => return Some(at.max(before.len())..=usize::MAX),
            (Level::Any, _) => {}
            (level, name) if level == name => {}
            _ => return None,
        }
    }
    (filter.len() >= before.len()).then_some(filter.len()..=filter.len())
}

/// Whether `filter` matches `topic`, in which [`Level::Any`] is a level that no filter names.
fn covers(filter: &[Level<'_>], topic: &[Level<'_>]) -> bool {
    if is_dollar(topic) && !is_dollar(filter) {
        return false;
    }
    let mut names = topic.iter();
    for level in filter {
        match (level, names.next()) {
            (Level::Rest, _) => return true,
            (_, None) => return false,
            (Level::Any, Some(_)) => {}
            (level, Some(name)) if level == name => {}
            _ => return false,
        }
    }
    names.next().is_none()
}
