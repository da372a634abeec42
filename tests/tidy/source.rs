//! The files as tokens, and the faults that the rules find in them.

use super::lexer::{self, Comment, Kind, Token};

/// One file, read.
pub(crate) struct Source<'a> {
    /// The path from the repository's root, with `/`.
    pub(crate) path: &'a str,
    pub(crate) text: &'a str,
    pub(crate) tokens: Vec<Token<'a>>,
    pub(crate) comments: Vec<Comment<'a>>,
}

/// All that the rules look at.
pub(crate) struct Tree<'a> {
    pub(crate) sources: Vec<Source<'a>>,
    /// `Cargo.toml`.
    pub(crate) manifest: &'a str,
    /// `docs/dependencies.md`.
    pub(crate) reasons: &'a str,
}

/// Where a rule is broken, and how to fix it.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) says: String,
}

impl<'a> Tree<'a> {
    /// A tree of `files`, path and text, without manifest and reasons.
    pub(crate) fn of(files: &[(&'a str, &'a str)]) -> Self {
        let source = |&(path, text): &(&'a str, &'a str)| {
            let (tokens, comments) = lexer::read(text);
            Source { path, text, tokens, comments }
        };
        Self { sources: files.iter().map(source).collect(), manifest: "", reasons: "" }
    }

    /// Faults of each file by itself.
    pub(crate) fn each(&self, rule: impl Fn(&Source<'_>) -> Vec<Fault>) -> Vec<Fault> {
        self.sources.iter().flat_map(rule).collect()
    }

    /// Names of the dependencies in the manifest, as it spells them.
    pub(crate) fn dependencies(&self) -> impl Iterator<Item = &'a str> {
        let mut inside = false;
        self.manifest.lines().filter_map(move |line| {
            if line.starts_with('[') {
                inside = line.ends_with("dependencies]");
                return None;
            }
            line.split_once('=').filter(|_| inside).map(|(name, _)| name.trim())
        })
    }
}

impl Source<'_> {
    pub(crate) fn fault(&self, line: usize, says: impl Into<String>) -> Fault {
        Fault { path: self.path.to_owned(), line, says: says.into() }
    }

    /// The part of the library this file belongs to: its directory or name below `src`.
    pub(crate) fn part(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?;
        Some(below.split_once('/').map_or(below.trim_end_matches(".rs"), |(part, _)| part))
    }

    /// Whether it is a file of tests beside the code they test.
    pub(crate) fn is_tests(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    /// Modules above this one, the crate's root included.
    pub(crate) fn depth(&self) -> usize {
        let below = self.path.trim_start_matches("src/").trim_end_matches("/mod.rs");
        below.split('/').count()
    }

    /// The token `back` before `at`, or `""`.
    pub(crate) fn before(&self, at: usize, back: usize) -> &str {
        at.checked_sub(back).map_or("", |at| self.at(at))
    }

    pub(crate) fn at(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.text)
    }

    /// Positions of tokens that are the word `word`.
    pub(crate) fn positions<'s>(&'s self, word: &'s str) -> impl Iterator<Item = usize> + 's {
        let is_it =
            move |&at: &usize| self.tokens[at].kind == Kind::Word && self.tokens[at].text == word;
        (0..self.tokens.len()).filter(is_it)
    }

    /// Position of the bracket that closes the one at `open`.
    pub(crate) fn closing(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(open) {
            match token.text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return at;
            }
        }
        self.tokens.len().saturating_sub(1)
    }

    /// Each `mod NAME` that a `cfg` on `test` stands before: the first token of its attributes, the
    /// word `mod`, and the last token.
    pub(crate) fn test_modules(&self) -> Vec<(usize, usize, usize)> {
        let module = |start: usize| {
            let mut at = start;
            let mut is_test = false;
            while self.at(at) == "#" && self.at(at + 1) == "[" {
                let end = self.closing(at + 1);
                let of_test = |&at: &usize| self.at(at) == "test" && self.before(at, 2) != "not";
                is_test |= self.at(at + 2) == "cfg" && (at..end).any(|at| of_test(&at));
                at = end + 1;
            }
            let is_module = self.at(at) == "mod" && ["{", ";"].contains(&self.at(at + 2));
            (is_test && is_module).then(|| (start, at, self.closing(at + 2)))
        };
        (0..self.tokens.len()).filter_map(module).collect()
    }
}
