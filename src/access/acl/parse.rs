//! An access control list as text, line by line:
//!
//! ```text
//! # a comment
//! topic [read|write|readwrite|deny] FILTER      for clients without user, until the first `user`
//! user NAME
//! topic [read|write|readwrite|deny] FILTER      for that user; without a word, readwrite
//! pattern [read|write|readwrite|deny] FILTER    for everybody; %u is the user, %c the client id
//! permission USER CONFIGURE WRITE READ          regular expressions; see `permission.rs`
//! ```

use crate::access::error::Fault;
use crate::access::permission::Permission;
use crate::limits;
use crate::mqtt::TopicFilter;

use super::list::Acl;
use super::section::Effects;
use super::shape::Shape;

impl Acl {
    /// Reads a file.
    pub(in crate::access) fn parse(text: &str) -> Result<Self, Fault> {
        parse(text)
    }
}

fn parse(text: &str) -> Result<Acl, Fault> {
    let mut acl = Acl::default();
    let mut user: Option<&str> = None;
    let mut rules = 0;
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        rules += 1;
        if rules > limits::ACL_RULES_MAX {
            let max = limits::ACL_RULES_MAX;
            return Err(Fault::at(number, format!("has more than {max} rules")));
        }
        let (word, rest) = split_word(line);
        let fault = |says: String| Fault::at(number, says);
        match word {
            "user" if rest.is_empty() => {
                return Err(fault("`user` without a name: write one behind it".to_owned()));
            }
            "user" => user = Some(rest),
            "topic" => {
                let (effects, filter) = parse_rule(rest).map_err(fault)?;
                acl.section_mut(user).add(Shape::of_topic(filter), effects, number_of(number));
            }
            "pattern" => {
                let (effects, filter) = parse_rule(rest).map_err(fault)?;
                acl.patterns_mut().add(Shape::of_pattern(filter), effects, number_of(number));
            }
            "permission" => {
                let (user, permission) = parse_permission(rest).map_err(fault)?;
                let section = acl.section_mut(Some(user));
                if section.permission.replace(permission.at(number_of(number))).is_some() {
                    let says = format!("user {user:?} has a permission already: remove one line");
                    return Err(fault(says));
                }
            }
            _ => {
                let says =
                    format!("`{word:.40}` begins no rule: user, topic, pattern, permission do");
                return Err(fault(says));
            }
        }
    }
    Ok(acl)
}

/// A line's number in the form that rules keep.
fn number_of(line: usize) -> u32 {
    u32::try_from(line).expect("a file is bounded")
}

/// `[read|write|readwrite|deny] FILTER`. As in Mosquitto, a single word is the filter.
fn parse_rule(text: &str) -> Result<(Effects, TopicFilter<'_>), String> {
    let (word, rest) = split_word(text);
    let both = Effects::READ.with(Effects::WRITE);
    let (effects, filter) = if rest.is_empty() {
        (both, word)
    } else {
        let effects = match word {
            "read" => Effects::READ,
            "write" => Effects::WRITE,
            "readwrite" => both,
            "deny" => Effects::DENY,
            _ => {
                return Err(format!(
                    "`{word:.40}` is no access: read, write, readwrite or deny stands before \
                     a filter"
                ));
            }
        };
        (effects, rest)
    };
    let filter = TopicFilter::parse(filter).map_err(|invalid| invalid.to_string())?;
    if filter.level_count() > limits::RULE_LEVELS_MAX {
        let max = limits::RULE_LEVELS_MAX;
        return Err(format!("the filter of a rule has at most {max} levels"));
    }
    Ok((effects, filter))
}

fn parse_permission(text: &str) -> Result<(&str, Permission), String> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [user, configure, write, read] = words[..] else {
        let says = "takes USER CONFIGURE WRITE READ, with ^$ for nothing";
        return Err(format!("`permission` {says}, and not {} words", words.len()));
    };
    Ok((user, Permission::parse(configure, write, read)?))
}

fn split_word(text: &str) -> (&str, &str) {
    match text.split_once([' ', '\t']) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}
