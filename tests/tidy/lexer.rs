//! Rust text as tokens and comments: enough to tell code from text that only looks like it.
//!
//! The lexer knows strings, raw strings, characters, lifetimes and nested comments. It does not
//! check the text: invalid text results in some tokens.

/// The kind of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A keyword or a name.
    Word,
    /// A number, a string, a character or a lifetime; its content is of no interest.
    Literal,
    /// One punctuation character, or `::`.
    Mark,
}

/// A piece of code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// Counted from 1.
    pub(crate) line: usize,
}

/// A comment, its markers included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Comment<'a> {
    pub(crate) text: &'a str,
    /// The line of its first character, counted from 1.
    pub(crate) line: usize,
}

/// Reads `text` to its end.
pub(crate) fn read(text: &str) -> (Vec<Token<'_>>, Vec<Comment<'_>>) {
    let mut lexer = Lexer { text, at: 0, line: 1, tokens: Vec::new(), comments: Vec::new() };
    while lexer.at < text.len() {
        lexer.step();
    }
    (lexer.tokens, lexer.comments)
}

/// `at` is on a character's first byte; `line` is the line it is on.
struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    tokens: Vec<Token<'a>>,
    comments: Vec<Comment<'a>>,
}

impl<'a> Lexer<'a> {
    fn step(&mut self) {
        let rest = &self.text[self.at..];
        let first = rest.chars().next().expect("the caller checked that text is left");
        if first.is_whitespace() {
            self.skip(first.len_utf8());
        } else if rest.starts_with("//") {
            self.comment(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.comment(block_comment_len(rest));
        } else if let Some(len) = string_len(rest) {
            self.token(Kind::Literal, len);
        } else if first == '\'' || rest.starts_with("b'") {
            self.token(Kind::Literal, quote_len(rest));
        } else if is_word(first) {
            let prefix = if rest.starts_with("r#") { 2 } else { 0 };
            let len = prefix + word_len(&rest[prefix..]);
            let kind = if first.is_ascii_digit() { Kind::Literal } else { Kind::Word };
            self.token(kind, len);
        } else {
            let len = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            self.token(Kind::Mark, len);
        }
    }

    fn token(&mut self, kind: Kind, len: usize) {
        let text = &self.text[self.at..self.at + len];
        self.tokens.push(Token { kind, text, line: self.line });
        self.skip(len);
    }

    fn comment(&mut self, len: usize) {
        let text = &self.text[self.at..self.at + len];
        self.comments.push(Comment { text, line: self.line });
        self.skip(len);
    }

    fn skip(&mut self, len: usize) {
        let skipped = &self.text[self.at..self.at + len];
        self.line += skipped.matches('\n').count();
        self.at += len;
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word_len(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len())
}

fn block_comment_len(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        match text.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// Length of the string that `text` begins with, prefix and quotes included.
fn string_len(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let quoted = text.strip_prefix(*prefix).unwrap_or("");
        let marks = if prefix.ends_with('r') { quoted.trim_start_matches('#') } else { quoted };
        marks.starts_with('"')
    })?;
    let quoted = &text[prefix.len()..];
    let len = if prefix.ends_with('r') {
        let hashes = quoted.len() - quoted.trim_start_matches('#').len();
        let end = format!("\"{}", &quoted[..hashes]);
        let body = hashes + 1;
        quoted[body..].find(&end).map(|at| body + at + end.len())
    } else {
        escaped_len(quoted, '"')
    };
    Some(prefix.len() + len.unwrap_or(quoted.len()))
}

/// Length of a character, a byte or a lifetime.
fn quote_len(text: &str) -> usize {
    let prefix = usize::from(text.starts_with('b'));
    let quoted = &text[prefix..];
    let mut inside = quoted[1..].chars();
    let is_character = inside.next() == Some('\\') || inside.next() == Some('\'');
    if is_character {
        return prefix + escaped_len(quoted, '\'').unwrap_or(quoted.len());
    }
    1 + word_len(&quoted[1..])
}

/// Length of `text` from its opening quote to the closing one that no backslash precedes.
fn escaped_len(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}
