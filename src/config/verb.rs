//! A verb of `ringmq ctl`: its name and parameters, its request to the broker, and how the answer
//! is shown.

/// One operation of `ringmq ctl`.
#[derive(Debug, PartialEq, Eq)]
pub struct Verb {
    /// Its name: a noun and a verb, or one word.
    pub words: &'static [&'static str],
    /// What it does, in one line.
    pub about: &'static str,
    /// Further help.
    pub more: &'static str,
    /// Method and path of the request.
    pub request: (&'static str, &'static str),
    /// Its parameters.
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
    /// The ended object. The command first asks a question that begins with these words.
    Ended(&'static str),
    /// A confirmation in these words. If there is a question, the command asks it first.
    Done(&'static str, Option<&'static str>),
    /// The settings that a reload has changed.
    Reloaded,
    /// The answer as a JSON document.
    Document,
    /// A change of a token file. No request is sent.
    Tokens,
    /// The number of messages that were ended. The command first asks a question that begins with
    /// these words.
    Counted(&'static str),
    /// How many clients were disconnected. The command asks first.
    Evicted,
    /// A summary of the metrics.
    Status,
    /// Rates and a list of sessions.
    Top(Columns),
    /// All metrics.
    Metrics,
    /// Metrics of each vhost.
    Vhosts,
    /// One line for Nagios, and its exit code.
    Check,
    /// The address of the page, and a code to sign in with.
    Dashboard,
    /// Events as they happen, until the user stops the command.
    Trace,
    /// The same of all clients, without a trace that has a name.
    Events,
    /// As a trace, but only messages: topics and payloads.
    Tail,
    /// A file as it is.
    File,
}

/// The fields of one kind of object; nested fields have a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// The fields that are shown by default.
    pub usual: &'static [&'static str],
    /// All fields.
    pub all: &'static [&'static str],
}

/// A parameter of a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in the request.
    pub name: &'static str,
    /// The flag without its dashes. Without a flag the parameter is positional.
    pub flag: Option<&'static str>,
    /// The placeholder for its value in the help.
    pub value: &'static str,
    /// Its help.
    pub help: &'static str,
    /// The values it accepts.
    pub kind: Kind,
    /// It is required.
    pub required: bool,
    /// It is only for `ringmq ctl` and is not sent.
    pub is_local: bool,
    /// It is a field of the request's body, not of the query.
    pub in_body: bool,
}

/// The values that a parameter accepts.
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
    /// A time, as in 5s. The body carries it in seconds.
    Duration,
    /// A switch without a value.
    Switch,
    /// A file with a JSON object, whose fields become the body.
    Document,
}

pub(super) const fn flag(
    (flag, name): (&'static str, &'static str),
    value: &'static str,
    kind: Kind,
    help: &'static str,
) -> Parameter {
    Parameter {
        name,
        flag: Some(flag),
        value,
        help,
        kind,
        required: false,
        is_local: false,
        in_body: false,
    }
}

pub(super) const fn local(
    name: &'static str,
    value: &'static str,
    kind: Kind,
    help: &'static str,
) -> Parameter {
    Parameter { is_local: true, ..flag((name, name), value, kind, help) }
}

/// Puts the parameter into the body.
pub(super) const fn in_body(parameter: Parameter) -> Parameter {
    Parameter { in_body: true, ..parameter }
}

/// Makes the parameter required.
pub(super) const fn needed(parameter: Parameter) -> Parameter {
    Parameter { required: true, ..parameter }
}

/// A positional parameter.
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
