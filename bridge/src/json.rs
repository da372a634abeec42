//! Single values of JSON payloads, selected by paths such as `$.a.b[0]`. The payload is read once
//! for all paths; other parts are skipped without being kept.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Steps of a path. Columns hardly need deeper values.
const STEPS_MAX: usize = 16;

/// A path into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Item(usize),
}

impl JsonPath {
    /// Reads `$.key.key[0]`.
    ///
    /// # Errors
    /// The reason why it is invalid.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text
            .strip_prefix('$')
            .ok_or_else(|| format!("{text:?} is no path: it begins with $, as in $.a.b[0]"))?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(behind) = rest.strip_prefix('[') {
                let (number, behind) = behind
                    .split_once(']')
                    .ok_or_else(|| format!("{text:?} has a [ without its ]"))?;
                let number = number.parse::<usize>();
                steps.push(Step::Item(
                    number.map_err(|_| {
                        format!("{text:?}: there is a number from 0 between [ and ]")
                    })?,
                ));
                rest = behind;
                continue;
            }
            let behind = rest
                .strip_prefix('.')
                .ok_or_else(|| format!("{text:?}: keys follow a dot, as in $.a.b"))?;
            let end = behind.find(['.', '[']).unwrap_or(behind.len());
            if end == 0 {
                return Err(format!("{text:?} has an empty key"));
            }
            steps.push(Step::Key(behind[..end].to_owned()));
            rest = &behind[end..];
        }
        match steps.len() <= STEPS_MAX {
            true => Ok(Self { steps }),
            false => Err(format!("{text:?} has more than {STEPS_MAX} steps")),
        }
    }
}

/// A value at the end of a path.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Scalar<'a> {
    /// Absent, or `null`.
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    /// An object or a list, as text.
    Json(String),
}

/// Paths that are evaluated together.
#[derive(Debug, Clone)]
pub(crate) struct JsonValues {
    root: Node,
    count: usize,
}

#[derive(Debug, Clone, Default)]
struct Node {
    /// Places of the values of paths that end here.
    slots: Vec<usize>,
    keys: Vec<(String, Node)>,
    items: Vec<(usize, Node)>,
}

impl JsonValues {
    pub(crate) fn new(paths: &[JsonPath]) -> Self {
        let mut root = Node::default();
        for (slot, path) in paths.iter().enumerate() {
            let mut node = &mut root;
            for step in &path.steps {
                node = match step {
                    Step::Key(key) => child(&mut node.keys, key),
                    Step::Item(at) => child(&mut node.items, at),
                };
            }
            node.slots.push(slot);
        }
        Self { root, count: paths.len() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The values of one document, in the order of the paths.
    pub(crate) fn read<'a>(&self, payload: &'a [u8]) -> Result<Vec<Scalar<'a>>, String> {
        let mut values = vec![Scalar::Null; self.count];
        let mut reader = serde_json::Deserializer::from_slice(payload);
        let walk = Walk { node: &self.root, values: &mut values };
        walk.deserialize(&mut reader).and_then(|()| reader.end()).map_err(|e| e.to_string())?;
        Ok(values)
    }
}

fn child<'n, K: PartialEq + Clone>(list: &'n mut Vec<(K, Node)>, key: &K) -> &'n mut Node {
    let at = list.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
        list.push((key.clone(), Node::default()));
        list.len() - 1
    });
    &mut list[at].1
}

/// Reads the value of a node.
struct Walk<'n, 'v, 'a> {
    node: &'n Node,
    values: &'v mut Vec<Scalar<'a>>,
}

impl<'a> Walk<'_, '_, 'a> {
    fn set(self, value: &Scalar<'a>) {
        for slot in &self.node.slots {
            self.values[*slot] = value.clone();
        }
    }
}

impl<'a> DeserializeSeed<'a> for Walk<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        // A whole object is requested: paths into it are evaluated on the copy.
        let leads_on = !self.node.keys.is_empty() || !self.node.items.is_empty();
        if leads_on && !self.node.slots.is_empty() {
            let value: serde_json::Value = serde::Deserialize::deserialize(deserializer)?;
            follow(self.node, &value, self.values);
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

/// Sets the values below a node from a document in memory.
fn follow(node: &Node, value: &serde_json::Value, values: &mut [Scalar<'_>]) {
    for slot in &node.slots {
        values[*slot] = scalar(value);
    }
    for (key, child) in &node.keys {
        if let Some(value) = value.get(key) {
            follow(child, value, values);
        }
    }
    for (at, child) in &node.items {
        if let Some(value) = value.get(at) {
            follow(child, value, values);
        }
    }
}

fn scalar(value: &serde_json::Value) -> Scalar<'static> {
    match value {
        serde_json::Value::Null => Scalar::Null,
        serde_json::Value::Bool(value) => Scalar::Bool(*value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(integer) => Scalar::Int(integer),
            None => Scalar::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Scalar::Text(text.clone().into()),
        other => Scalar::Json(other.to_string()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number above 2^63 has no other type")]
impl<'a> Visitor<'a> for Walk<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.set(&Scalar::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.set(&Scalar::Int(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.set(&i64::try_from(value).map_or(Scalar::Float(value as f64), Scalar::Int));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.set(&Scalar::Float(value));
        Ok(())
    }

    fn visit_borrowed_str<E>(self, value: &'a str) -> Result<(), E> {
        self.set(&Scalar::Text(value.into()));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.set(&Scalar::Text(value.to_owned().into()));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut access: A) -> Result<(), A::Error> {
        if !self.node.slots.is_empty() {
            let mut items = Vec::new();
            while let Some(item) = access.next_element::<serde_json::Value>()? {
                items.push(item);
            }
            self.set(&Scalar::Json(serde_json::Value::Array(items).to_string()));
            return Ok(());
        }
        for at in 0.. {
            let found = self.node.items.iter().find(|(item, _)| *item == at);
            let is_there = match found {
                Some((_, node)) => {
                    let walk = Walk { node, values: &mut *self.values };
                    access.next_element_seed(walk)?.is_some()
                }
                None => access.next_element::<IgnoredAny>()?.is_some(),
            };
            if !is_there {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut access: A) -> Result<(), A::Error> {
        if !self.node.slots.is_empty() {
            let mut object = serde_json::Map::new();
            while let Some((key, value)) = access.next_entry::<String, serde_json::Value>()? {
                object.insert(key, value);
            }
            self.set(&Scalar::Json(serde_json::Value::Object(object).to_string()));
            return Ok(());
        }
        while let Some(found) = access.next_key_seed(FindKey(&self.node.keys))? {
            match found {
                Some(node) => {
                    access.next_value_seed(Walk { node, values: &mut *self.values })?;
                }
                None => {
                    access.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Finds the node of a key without keeping the key.
struct FindKey<'n>(&'n [(String, Node)]);

impl<'a, 'n> DeserializeSeed<'a> for FindKey<'n> {
    type Value = Option<&'n Node>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'n> Visitor<'_> for FindKey<'n> {
    type Value = Option<&'n Node>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|(known, _)| known == key).map(|(_, node)| node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Each path finds its value, even if it leads through the value of another.
    #[test]
    fn paths_find_values() {
        let document = br#" {"a":{"b":[{"c":1},{"c":"\u00e4"}],"d":null},"n":18446744073709551615,
                            "t":true,"a b":-3, "o":{"k":[1,2]}} "#;
        let cases = [
            ("$.a.b[0].c", Scalar::Int(1)),
            ("$.a.b[1].c", Scalar::Text("ä".into())),
            ("$.a.b[2].c", Scalar::Null),
            ("$.a.d", Scalar::Null),
            ("$.n", Scalar::Float(18_446_744_073_709_551_615.0)),
            ("$.t", Scalar::Bool(true)),
            ("$.a b", Scalar::Int(-3)),
            ("$.o", Scalar::Json(r#"{"k":[1,2]}"#.to_owned())),
            ("$.o.k", Scalar::Json("[1,2]".to_owned())),
            ("$.o.k[1]", Scalar::Int(2)),
        ];
        let paths: Vec<JsonPath> =
            cases.iter().map(|(path, _)| JsonPath::parse(path).expect(path)).collect();
        let together = JsonValues::new(&paths).read(document).expect("is JSON");
        for ((text, wanted), (path, found)) in cases.iter().zip(paths.iter().zip(&together)) {
            assert_eq!(found, wanted, "{text} with the others");
            let alone = JsonValues::new(std::slice::from_ref(path)).read(document).expect("JSON");
            assert_eq!(alone, std::slice::from_ref(wanted), "{text} alone");
        }
        let root = JsonPath::parse("$").expect("the whole");
        let value = JsonValues::new(&[root]).read(b" 7 ").expect("is JSON");
        assert_eq!(value, [Scalar::Int(7)]);
    }

    // A payload that is no JSON, or more than one document, is an error.
    #[test]
    fn faults_are_told() {
        let values = JsonValues::new(&[JsonPath::parse("$.a").expect("is one")]);
        for text in ["", "{", "{}x", "{\"a\":}", "\u{0}"] {
            assert!(values.read(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
