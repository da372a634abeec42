//! The table of metrics, made from the broker's catalogue.
//!
//! On a page it is between two lines: `<!-- metrics -->` and `<!-- end of metrics -->`.

use ringmq::admin::descriptions;

const BEGIN: &str = "<!-- metrics -->\n";
const END: &str = "<!-- end of metrics -->";

/// The page with its table made anew.
///
/// # Errors
/// If the page has no place for it.
pub(crate) fn renew(page: &str) -> Result<String, String> {
    let (before, rest) = page.split_once(BEGIN).ok_or("no table begins with <!-- metrics -->")?;
    let (_, after) = rest.split_once(END).ok_or("the table does not end with its mark")?;
    Ok(format!("{before}{BEGIN}{}\n{END}{after}", table()))
}

fn table() -> String {
    let mut text = "\n| metric | type | label | meaning |\n|---|---|---|---|\n".to_owned();
    for metric in descriptions() {
        let labels = metric.labels.iter().map(|(label, values)| {
            let values = values.iter().map(|value| format!("`{value}`"));
            let values: Vec<String> = values.collect();
            let colon = if values.is_empty() { "" } else { ": " };
            format!("`{label}`{colon}{}", values.join(", "))
        });
        let label = labels.collect::<Vec<_>>().join(", ");
        let (name, kind, help) = (metric.name, metric.kind, metric.help);
        let place = match metric.path {
            "/metrics" => String::new(),
            path => format!("; at `{path}`"),
        };
        text +=
            &format!("| `{name}` | {kind} | {label} | {help}{place} |\n").replace("|  |", "| |");
    }
    text
}

// The table stands between its marks, has a row for each metric, and stays when it is made again.
#[test]
fn table_is_made_anew() {
    let page = "# A\n<!-- metrics -->\nx y z\n<!-- end of metrics -->\nb\n";
    let new = renew(page).expect("it has its marks");
    assert!(!new.contains("x y z") && new.ends_with("\nb\n"), "{new}");
    assert!(new.contains("\n| `ringmq_ready` | gauge | |"), "{new}");
    assert_eq!(new.matches("\n| `").count(), descriptions().len());
    assert_eq!(renew(&new).as_deref(), Ok(&*new));
    for page in ["# A\n", "<!-- metrics -->\n"] {
        assert!(renew(page).is_err(), "{page}");
    }
}

// A metric has one row, and a name and a help as Prometheus has them.
#[test]
fn names_are_in_form() {
    let metrics = descriptions();
    for (at, metric) in metrics.iter().enumerate() {
        let name = &metric.name;
        let is_counter = metric.kind == "counter";
        assert_eq!(name.ends_with("_total"), is_counter, "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit()));
        assert!(!metric.help.ends_with('.') && !metric.help.contains('\n'), "{name}");
        assert!(metrics[..at].iter().all(|other| other.name != *name), "{name} is there twice");
    }
}
