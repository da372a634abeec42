//! Tests of the configuration as a whole.

use std::path::Path;

use super::*;

fn faults(text: &str) -> Vec<String> {
    let faults = parse(Path::new("f.toml"), text).err().unwrap_or_default();
    faults.iter().map(Fault::to_string).collect()
}

// Missing keys have their defaults; given ones are used.
#[test]
fn defaults_and_values() {
    let text = "state_dir = \"/s\"\n[broker]\nurl = \"unix:/a\"\n[http]\nlisten = \"none\"\n\
                [[sink]]\nname = \"x\"\nfilters = [\"a/#\"]\nbatch = { bytes = \"32MiB\" }\n\
                [sink.mqtt]\nurl = \"mqtt://b\"\n";
    let config = parse(Path::new("f.toml"), text).expect("has no fault");
    assert_eq!(config.http, None);
    let [flow] = config.flows.as_slice() else { panic!("one flow") };
    assert_eq!(flow.input.client_id, "bridge-x");
    assert_eq!((flow.input.qos, flow.input.window), (1, 32_767));
    assert_eq!(flow.dead, Dead::Topic("dead/x".to_owned()));
    assert_eq!(flow.buffer, 64 << 20, "two batches");
    assert_eq!(flow.positions, None, "this target needs none");
}

// A batch that the buffer cannot hold, and two flows of one name, are faults.
#[test]
fn flows_are_checked_together() {
    let sink = "[[sink]]\nname = \"x\"\nfilters = [\"a\"]\nbuffer = \"64KiB\"\n[sink.mqtt]\n\
                url = \"mqtt://b\"\n";
    let said = faults(&format!("[broker]\nurl = \"unix:/a\"\n{sink}{sink}")).join("\n");
    assert!(said.contains("f.toml:6:1: buffer takes"), "{said}");
    assert!(said.contains("there are two of the name \"x\""), "{said}");
}
