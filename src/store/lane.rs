//! The names of lanes: sessions without a client, each with a part of a consumer group's waiting
//! messages. No client has such a name: it begins with a character that client ids cannot have.

use super::session::LANE;

/// The name of a lane's session, from its storage, its number and the group's whole filter.
pub fn lane_name(durable: bool, number: u16, share: &str) -> String {
    let kind = if durable { 'd' } else { 'v' };
    format!("{LANE}{kind}{number:02x}{share}")
}

/// The group's whole filter and the number of a lane, from the name of its session; `None`: it is
/// no lane.
pub fn lane_of_name(name: &str) -> Option<(u16, &str)> {
    let rest = name.strip_prefix(LANE)?;
    let number = u16::from_str_radix(rest.get(1..3)?, 16).ok()?;
    Some((number, rest.get(3..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of a lane's session can be parsed again.
    #[test]
    fn names_of_lanes() {
        for (durable, number) in [(true, 0), (false, 9), (true, 63)] {
            let name = lane_name(durable, number, "$share/g/a/é");
            assert!(name.starts_with('\0'));
            assert_eq!(lane_of_name(&name), Some((number, "$share/g/a/é")));
        }
        assert_eq!(lane_of_name("client"), None);
    }
}
