//! Topic templates: `{p}` publisher, `{s}` subscriber, `{n}` topic number of the publisher.
//!
//! Invariant: a parsed [`Template`] renders to a valid topic name or filter for any numbers.

/// A topic or filter with placeholders for numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Place(char),
}

/// Longest template: the rendered text stays below the protocol's 65,535 bytes.
const TEMPLATE_BYTES_MAX: usize = 16 * 1024;

impl Template {
    /// Parses a topic name that may contain the placeholders named in `places`.
    pub(crate) fn topic(text: &str, places: &str) -> Result<Template, String> {
        if text.contains(['+', '#']) {
            return Err(format!("a topic to publish to holds no wildcard: `{text}`"));
        }
        Template::parse(text, places)
    }

    /// Parses a topic filter that may contain the placeholders named in `places`.
    pub(crate) fn filter(text: &str, places: &str) -> Result<Template, String> {
        let levels = text.split('/').count();
        for (at, level) in text.split('/').enumerate() {
            // [MQTT-4.7.1-2], [MQTT-4.7.1-3]: a wildcard is a whole level, `#` the last one.
            let alone = level.len() == 1;
            if level.contains(['+', '#']) && (!alone || (level == "#" && at + 1 != levels)) {
                return Err(format!("not a topic filter: `{text}`"));
            }
        }
        Template::parse(text, places)
    }

    fn parse(text: &str, places: &str) -> Result<Template, String> {
        if text.is_empty() || text.len() > TEMPLATE_BYTES_MAX || text.contains('\0') {
            return Err(format!("of 1 to {TEMPLATE_BYTES_MAX} bytes and without NUL: `{text}`"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let close = rest[open..].find('}').map(|at| open + at);
            let name = close.map(|close| &rest[open + 1..close]).unwrap_or_default();
            let (Some(close), Some(place)) = (close, single(name, places)) else {
                let known: Vec<String> = places.chars().map(|c| format!("{{{c}}}")).collect();
                return Err(format!("only {} may stand in `{text}`", known.join(", ")));
            };
            parts.push(Part::Text(rest[..open].to_owned()));
            parts.push(Part::Place(place));
            rest = &rest[close + 1..];
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Template { parts })
    }

    /// The text with `number(place)` in every placeholder.
    pub(crate) fn render(&self, number: impl Fn(char) -> u32) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Place(place) => out.push_str(&number(*place).to_string()),
            }
        }
        out
    }

    /// A filter text for all topics: each placeholder's level is `+`.
    pub(crate) fn wildcard_filter_text(&self) -> String {
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Place(_) => "\0".to_owned(),
        };
        let marked: String = self.parts.iter().map(text).collect();
        let level = |level: &str| if level.contains('\0') { "+".into() } else { level.to_owned() };
        marked.split('/').map(level).collect::<Vec<String>>().join("/")
    }

    /// The filter text of the subscriber that belongs to the publisher of the same number: `{p}`
    /// becomes `{s}` and `{n}` becomes `+`.
    pub(crate) fn paired_filter_text(&self) -> String {
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Place('p') => "{s}".to_owned(),
            Part::Place(_) => "+".to_owned(),
        };
        self.parts.iter().map(text).collect()
    }
}

fn single(name: &str, places: &str) -> Option<char> {
    let mut chars = name.chars();
    let place = chars.next()?;
    (chars.next().is_none() && places.contains(place)).then_some(place)
}

/// Whether a topic filter matches a topic name. [MQTT-4.7]
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    // [MQTT-4.7.2-1]: a leading wildcard does not match `$` topics.
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Placeholders are filled anywhere, and only known ones are accepted.
    #[test]
    fn templates_render() {
        let number = |place| match place {
            'p' => 7,
            _ => 12,
        };
        for (text, rendered) in
            [("a", "a"), ("{p}", "7"), ("dev/{p}/temp", "dev/7/temp"), ("{p}{n}/{p}", "712/7")]
        {
            let template = Template::topic(text, "pn").expect(text);
            assert_eq!(template.render(number), rendered, "{text}");
        }
        for text in ["", "a/+", "#", "{", "a{p", "{q}", "{pp}", "{}", "{s}", "a\0"] {
            assert!(Template::topic(text, "pn").is_err(), "{text}");
        }
    }

    /// Wildcards stand alone in their level and `#` stands last.
    #[test]
    fn filters_are_checked() {
        for text in ["#", "+", "f/#", "dev/+/temp", "dev/{s}/#", "/+/"] {
            assert!(Template::filter(text, "s").is_ok(), "{text}");
        }
        for text in ["a#", "#/a", "a/+b", "##", "dev{s}+"] {
            assert!(Template::filter(text, "s").is_err(), "{text}");
        }
    }

    /// The filter made for a pair receives every topic of its publisher.
    #[test]
    fn pairs_match() {
        let template = Template::topic("dev/{p}/{n}", "pn").expect("valid");
        assert_eq!(template.paired_filter_text(), "dev/{s}/+");
        let filter = Template::filter(&template.paired_filter_text(), "s").expect("valid");
        let topic = template.render(|place| if place == 'p' { 3 } else { 9 });
        assert!(matches(&filter.render(|_| 3), &topic));
        assert!(!matches(&filter.render(|_| 4), &topic));
    }

    /// Filters match as section 4.7 of the standard says.
    #[test]
    fn filters_match() {
        for (filter, topic, expected) in [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/b/c", "a/b", false),
            ("a/+", "a/b", true),
            ("a/+", "a/", true),
            ("a/+", "a", false),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("#", "a/b", true),
            ("#", "$SYS/a", false),
            ("+/a", "$SYS/a", false),
            ("$SYS/#", "$SYS/a", true),
            ("/+", "/a", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }
}
