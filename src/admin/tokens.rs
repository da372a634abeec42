//! Tokens: secrets of operators and their programs, each with the rights of its holder.
//!
//! A file has a line `NAME:SHA256:RIGHTS`, or `NAME:SHA256:RIGHTS:VHOST`, for each; only the hash
//! of a token is kept.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::advice;
use crate::limits::{TOKEN_FILE_BYTES_MAX, TOKENS_MAX};

/// The file in the data directory that holds a generated token.
const OWN_FILE: &str = "admin.token";

/// Bytes of such a token, and the least number of its characters: a guess must be hopeless.
const TOKEN_BYTES: usize = 32;

/// A right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    /// Scrape metrics.
    Metrics,
    /// Look at everything.
    Read,
    /// Publish messages.
    Publish,
    /// End connections and sessions.
    Operate,
    /// Change users and their rights.
    Admin,
}

impl Right {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Metrics, "metrics"),
        (Self::Read, "read"),
        (Self::Publish, "publish"),
        (Self::Operate, "operate"),
        (Self::Admin, "admin"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        let named = Self::ALL.iter().find(|(right, _)| *right == self);
        named.expect("each right is listed").1
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of rights.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rights(u8);

impl Rights {
    /// All rights.
    pub const ALL: Self = Self(0b1_1111);

    /// Parses names separated by commas. `operate` and `admin` imply `read`, which implies
    /// `metrics`; `admin` implies all.
    fn parse(text: &str) -> Option<Self> {
        text.split(',').try_fold(Self(0), |rights, name| {
            let (right, _) = Right::ALL.iter().find(|(_, other)| *other == name.trim())?;
            let read = Right::Read.bit() | Right::Metrics.bit();
            let implied = match right {
                Right::Metrics => Right::Metrics.bit(),
                Right::Read => read,
                Right::Publish => Right::Publish.bit(),
                Right::Operate => read | Right::Operate.bit(),
                Right::Admin => Self::ALL.0,
            };
            Some(Self(rights.0 | implied))
        })
    }

    /// The rights in both sets.
    pub(super) fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Their names.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        Right::ALL.iter().filter(move |(right, _)| self.have(*right)).map(|(_, name)| *name)
    }

    /// Whether the set contains `right`.
    pub fn have(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }
}

/// The hash of a token.
pub(super) type TokenHash = [u8; 32];

#[derive(Clone, Debug)]
struct Token {
    name: Box<str>,
    hash: [u8; 32],
    rights: Rights,
    /// The only vhost that it is valid for.
    vhost: Option<Box<str>>,
}

/// The holder of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Holder<'a> {
    pub(super) name: &'a str,
    pub(super) rights: Rights,
    /// The only vhost that the token is valid for.
    pub(super) vhost: Option<&'a str>,
}

/// All tokens.
#[derive(Clone, Debug, Default)]
pub struct Tokens(Vec<Token>);

/// An error that prevents loading tokens.
#[derive(Debug)]
pub enum TokenError {
    /// The system refused an operation: the file, the operation, and the error.
    System(PathBuf, &'static str, io::Error),
    /// The file is too large.
    Size(PathBuf),
    /// A line is wrong: the file, the line's number, and the error.
    Line(PathBuf, usize, &'static str),
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, line, says) = self.place();
        match (self, line) {
            (Self::System(_, what, error), _) => {
                write!(f, "cannot {what} {}: {error}{}", path.display(), advice::of(error))
            }
            (_, Some(line)) => write!(f, "{}:{line}: {says}", path.display()),
            (_, None) => write!(f, "{} {says}", path.display()),
        }
    }
}

impl std::error::Error for TokenError {}

impl TokenError {
    /// The file, the number of the line if there is one, and the error.
    pub fn place(&self) -> (&Path, Option<usize>, String) {
        match self {
            Self::System(path, what, error) => {
                (path, None, format!("cannot {what} it: {error}{}", advice::of(error)))
            }
            Self::Size(path) => {
                let says =
                    format!("has more than {TOKEN_FILE_BYTES_MAX} bytes or {TOKENS_MAX} tokens");
                (path, None, says)
            }
            Self::Line(path, line, what) => {
                let says = format!(
                    "{what}; a line is NAME:SHA256:RIGHTS or NAME:SHA256:RIGHTS:VHOST, with the \
                     SHA-256 of the token in 64 hexadecimal digits, as sha256sum prints it, and \
                     rights out of metrics, read, publish, operate, admin"
                );
                (path, Some(*line), says)
            }
        }
    }

    /// Whether the error is about the file in the data directory.
    pub fn is_own(&self) -> bool {
        let (Self::System(path, ..) | Self::Size(path) | Self::Line(path, ..)) = self;
        path.file_name().is_some_and(|name| name == OWN_FILE)
    }

    /// Whether the process has no permission to read the file.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::System(.., error) if error.kind() == io::ErrorKind::PermissionDenied)
    }
}

impl Tokens {
    /// Loads the token of a data directory, which is made if it is missing, and those of a file.
    ///
    /// # Errors
    /// Names the file and the line.
    pub fn load(data_dir: &Path, file: Option<&Path>) -> Result<Self, TokenError> {
        let own = own_token(&data_dir.join(OWN_FILE))?;
        let mut tokens = vec![Token {
            name: OWN_FILE.into(),
            hash: Sha256::digest(own.as_bytes()).into(),
            rights: Rights::ALL,
            vhost: None,
        }];
        if let Some(path) = file {
            tokens.extend(tokens_in(path)?);
        }
        Ok(Self(tokens))
    }

    /// Checks a file as [`Tokens::load`] does, without making one.
    ///
    /// # Errors
    /// Names the file and the line.
    pub fn check(file: &Path) -> Result<(), TokenError> {
        tokens_in(file).map(drop)
    }

    /// The rights that the token with this hash has now, if it is known.
    pub(super) fn rights_of(&self, hash: &TokenHash) -> Option<Rights> {
        self.0.iter().find(|known| known.hash == *hash).map(|known| known.rights)
    }

    /// The holder of a token. All hashes are compared in full, so that the time discloses nothing.
    pub(super) fn find(&self, token: &[u8]) -> Option<Holder<'_>> {
        let hash = hash_of(token);
        let same = |known: &&Token| bool::from(known.hash.ct_eq(&hash));
        let found = self.0.iter().filter(same).fold(None, |found, known| found.or(Some(known)));
        found.map(|known| Holder {
            name: &known.name,
            rights: known.rights,
            vhost: known.vhost.as_deref(),
        })
    }
}

fn tokens_in(path: &Path) -> Result<Vec<Token>, TokenError> {
    let text = read(path)?;
    let lines = (1..).zip(text.lines().map(str::trim));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let faulty = |number| move |what| TokenError::Line(path.to_owned(), number, what);
    let tokens = lines.map(|(number, line)| parse(line).map_err(faulty(number)));
    let tokens: Vec<Token> = tokens.collect::<Result<_, _>>()?;
    // One is the broker's own token.
    if tokens.len() >= TOKENS_MAX {
        return Err(TokenError::Size(path.to_owned()));
    }
    Ok(tokens)
}

/// The hash of a token.
pub(super) fn hash_of(token: &[u8]) -> TokenHash {
    Sha256::digest(token).into()
}

fn parse(line: &str) -> Result<Token, &'static str> {
    let mut parts = line.split(':');
    let (Some(name), Some(hash), Some(rights), vhost, None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("it has not three or four parts with colons between");
    };
    if vhost.is_some_and(str::is_empty) {
        return Err("the name of the vhost is empty");
    }
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err("the name is empty or has control characters");
    }
    let hash = parse_hash(hash).ok_or("the second part is no SHA-256")?;
    let rights = Rights::parse(rights).ok_or("there is no such right")?;
    Ok(Token { name: name.into(), hash, rights, vhost: vhost.map(Into::into) })
}

fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let digits = text.bytes().map(|digit| char::from(digit).to_digit(16));
    let digits: Vec<u32> = digits.collect::<Option<_>>()?;
    let bytes = digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]));
    let bytes: Vec<u8> = bytes.collect::<Result<_, _>>().ok()?;
    (digits.len() == 64).then(|| bytes.try_into().ok()).flatten()
}

/// The token in a file of the data directory; it is made if it is missing.
fn own_token(path: &Path) -> Result<String, TokenError> {
    match read(path) {
        Ok(text) if text.trim().len() >= TOKEN_BYTES => return Ok(text.trim().to_owned()),
        Ok(_) => {
            return Err(TokenError::Line(path.to_owned(), 1, "a token has 32 characters at least"));
        }
        Err(TokenError::System(_, _, error)) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut secret = [0; TOKEN_BYTES];
    let filled = getrandom(&mut secret, GetRandomFlags::empty());
    assert_eq!(filled, Ok(secret.len()), "the kernel gives 32 random bytes at once");
    let token = URL_SAFE_NO_PAD.encode(secret);
    // The file appears whole or, if the broker is killed meanwhile, not at all.
    let new = path.with_extension("token.new");
    let failed = |what| move |error| TokenError::System(path.to_owned(), what, error);
    let written = fs::remove_file(&new).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    });
    written.map_err(failed("make"))?;
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(0o600).open(&new).map_err(failed("make"))?;
    writeln!(file, "{token}").and_then(|()| file.sync_all()).map_err(failed("write"))?;
    fs::rename(&new, path).map_err(failed("make"))?;
    Ok(token)
}

fn read(path: &Path) -> Result<String, TokenError> {
    let failed = |error| TokenError::System(path.to_owned(), "read", error);
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(TOKEN_FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > TOKEN_FILE_BYTES_MAX {
        return Err(TokenError::Size(path.to_owned()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    // A right implies those that it needs, and no others.
    #[test]
    fn rights() {
        let all = Right::ALL.map(|(right, _)| right);
        for (text, expected) in [
            ("metrics", "metrics"),
            ("read", "metrics read"),
            ("publish", "publish"),
            ("metrics, publish", "metrics publish"),
            ("operate", "metrics read operate"),
            ("admin", "metrics read publish operate admin"),
        ] {
            let rights = Rights::parse(text).expect(text);
            let names = all.iter().filter(|right| rights.have(**right)).map(|right| right.name());
            assert_eq!(names.collect::<Vec<_>>().join(" "), expected, "{text}");
        }
        for text in ["", "all", "read,", "Read", "read;admin"] {
            assert_eq!(Rights::parse(text), None, "{text}");
        }
    }

    // A line has a name, a hash and rights; other lines are refused with the reason.
    #[test]
    fn lines() {
        let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let token = parse(&format!("ann:{hash}:read")).expect("it is whole");
        let tokens = Tokens(vec![token]);
        let found = tokens.find(b"test").map(|it| (it.name, it.rights.have(Right::Read), it.vhost));
        assert_eq!(found, Some(("ann", true, None)));
        let scoped = parse(&format!("ann:{hash}:publish:shop/1")).expect("it is whole");
        assert_eq!(scoped.vhost.as_deref(), Some("shop/1"));
        assert_eq!(tokens.find(b"Test"), None);
        assert!(parse(&format!("ann:{}:read", hash.to_uppercase())).is_ok());
        for (line, what) in [
            ("ann".to_owned(), "three or four parts"),
            (format!("ann:{hash}"), "three or four parts"),
            (format!("ann:{hash}:read:x:y"), "three or four parts"),
            (format!("ann:{hash}:read:"), "vhost is empty"),
            (format!(":{hash}:read"), "name is empty"),
            (format!("ann:{}:read", &hash[1..]), "no SHA-256"),
            (format!("ann:{hash}0:read"), "no SHA-256"),
            (format!("ann:{}:read", hash.replace('9', "g")), "no SHA-256"),
            (format!("ann:{hash}:write"), "no such right"),
        ] {
            let error = parse(&line).expect_err(&line);
            assert!(error.contains(what), "{line}: {error}");
        }
    }
}
