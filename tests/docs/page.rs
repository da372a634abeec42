//! One page of Markdown, as far as the rules look at it: headings, links, code.

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// The path from the repository's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) lines: usize,
    /// The anchors of its headings, without `#`.
    pub(crate) anchors: Vec<String>,
    /// Line and target.
    pub(crate) links: Vec<(usize, String)>,
    /// Line and text: spans, and the lines of blocks with those that a `\` continues.
    pub(crate) code: Vec<(usize, String)>,
}

impl Page {
    pub(crate) fn parse(path: &str, text: &str) -> Self {
        let mut page = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            lines: text.lines().count(),
            anchors: Vec::new(),
            links: Vec::new(),
            code: Vec::new(),
        };
        let (mut in_block, mut paragraph) = (false, (1, String::new()));
        for (at, line) in text.lines().enumerate() {
            let number = at + 1;
            if line.starts_with("```") {
                in_block = !in_block;
                page.take_prose(&mut paragraph);
                continue;
            }
            if in_block {
                page.take_code(number, line);
                continue;
            }
            // A span may go over the end of a line, not of a paragraph, a row or a heading.
            if line.is_empty() || line.starts_with(['|', '#', '-']) {
                page.take_prose(&mut paragraph);
            }
            if let Some(heading) = line.strip_prefix('#') {
                page.take_heading(heading.trim_start_matches('#'));
            }
            if paragraph.1.is_empty() {
                paragraph.0 = number;
            }
            paragraph.1.push_str(line);
            paragraph.1.push(' ');
        }
        page.take_prose(&mut paragraph);
        page
    }

    /// The path that a link of this page means.
    pub(crate) fn resolve(&self, link: &str) -> String {
        let mut parts: Vec<&str> = self.path.split('/').collect();
        parts.pop();
        for part in link.split('/') {
            match part {
                ".." => drop(parts.pop()),
                "." => {}
                part => parts.push(part),
            }
        }
        parts.join("/")
    }

    /// An anchor as GitHub makes it; the second of one text has a number.
    fn take_heading(&mut self, text: &str) {
        let kept = text.trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let same = |it: &&String| {
            let rest = it.strip_prefix(&anchor);
            rest.is_some_and(|rest| {
                let number = rest.strip_prefix('-');
                rest.is_empty() || number.is_some_and(|number| number.parse::<u32>().is_ok())
            })
        };
        let before = self.anchors.iter().filter(same).count();
        self.anchors.push(if before == 0 { anchor } else { format!("{anchor}-{before}") });
    }

    fn take_code(&mut self, number: usize, line: &str) {
        match self.code.last_mut().filter(|(_, before)| before.ends_with('\\')) {
            Some((_, before)) => {
                before.pop();
                before.push_str(line.trim_start());
            }
            None => self.code.push((number, line.to_owned())),
        }
    }

    /// Takes spans and links out of a paragraph, and leaves it empty.
    fn take_prose(&mut self, paragraph: &mut (usize, String)) {
        let (number, text) = (paragraph.0, std::mem::take(&mut paragraph.1));
        let mut rest = text.as_str();
        let mut prose = String::new();
        while let Some(begin) = rest.find('`') {
            prose.push_str(&rest[..begin]);
            let ticks = rest[begin..].chars().take_while(|c| *c == '`').count();
            let (fence, body) = rest[begin..].split_at(ticks);
            let Some(end) = body.find(fence) else { break };
            self.code.push((number, body[..end].trim().to_owned()));
            rest = &body[end + ticks..];
        }
        prose.push_str(rest);
        for (at, _) in prose.match_indices("](") {
            if let Some(end) = prose[at..].find(')') {
                self.links.push((number, prose[at + 2..at + end].to_owned()));
            }
        }
    }
}
