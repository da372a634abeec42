//! What a verb of `ringmq ctl` is: what it is called and takes, what it asks of the broker, and how
//! the answer is shown.

/// One thing that can be asked for or done.
#[derive(Debug, PartialEq, Eq)]
pub struct Verb {
    /// What it is called: a noun and a verb, or one word.
    pub words: &'static [&'static str],
    /// What it does, in one line.
    pub about: &'static str,
    /// What else there is to know.
    pub more: &'static str,
    /// Method and path of the request.
    pub request: (&'static str, &'static str),
    /// What it takes.
    pub parameters: &'static [Parameter],
    /// How the answer is shown.
    pub view: View,
}

/// How an answer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Rows of a list that comes in pages.
    Pages(Columns),
    /// Rows of a list that comes whole.
    Rows(Columns),
    /// One object.
    Object(Columns),
    /// What was ended, after a question that begins with these words.
    Ended(&'static str),
    /// How many messages were ended, after a question that begins with these words.
    Counted(&'static str),
    /// What matters of all metrics.
    Status,
    /// Rates and a list of sessions.
    Top(Columns),
    /// All metrics.
    Metrics,
    /// Metrics of each vhost.
    Vhosts,
    /// One line for Nagios and its exit code.
    Check,
}

/// The fields that objects of a kind have, nested ones with a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Those that are shown if no others are asked for.
    pub usual: &'static [&'static str],
    /// All of them.
    pub all: &'static [&'static str],
}

/// Something that a verb takes.
#[derive(Debug, PartialEq, Eq)]
pub struct Parameter {
    /// What the broker calls it.
    pub name: &'static str,
    /// The flag without its dashes; none: it has no flag and stands behind the verb.
    pub flag: Option<&'static str>,
    /// What its value is called in the help.
    pub value: &'static str,
    /// What it means.
    pub help: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// It cannot be left out.
    pub required: bool,
    /// It is for `ringmq ctl` itself and not sent.
    pub is_local: bool,
}

/// What a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// One of these.
    Word(&'static [&'static str]),
    /// An integer within these bounds.
    Number(u64, u64),
    /// A number, 0 or above.
    Decimal,
    /// A time, as in 5s.
    Duration,
    /// It is said or not.
    Switch,
}

pub(super) const fn flag(
    (flag, name): (&'static str, &'static str),
    value: &'static str,
    kind: Kind,
    help: &'static str,
) -> Parameter {
    Parameter { name, flag: Some(flag), value, help, kind, required: false, is_local: false }
}

pub(super) const fn local(
    name: &'static str,
    value: &'static str,
    kind: Kind,
    help: &'static str,
) -> Parameter {
    Parameter { is_local: true, ..flag((name, name), value, kind, help) }
}

/// Behind the verb, without a flag.
pub(super) const fn behind(
    name: &'static str,
    value: &'static str,
    kind: Kind,
    help: &'static str,
) -> Parameter {
    let parameter = flag((name, name), value, kind, help);
    Parameter { flag: None, required: true, ..parameter }
}

pub(super) const fn verb(
    words: &'static [&'static str],
    about: &'static str,
    request: (&'static str, &'static str),
    parameters: &'static [Parameter],
    view: View,
) -> Verb {
    Verb { words, about, more: "", request, parameters, view }
}

pub(super) const ID: Parameter = behind("id", "ID", Kind::Text, "Client id, case sensitive");
pub(super) const VHOST: Parameter =
    flag(("vhost", "vhost"), "NAME", Kind::Text, "Name of the vhost [default: /]");
