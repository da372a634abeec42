//! Client certificates as users.

use crate::authority::{Authority, text};
use crate::common::{connack, connect, suback, subscribe};
use crate::door::{Doors, Secure, VERSIONS, config};

// The name in a certificate is the user, whatever CONNECT says, on every shard and with a ticket.
// The rules of that user apply.
#[test]
fn certificates_name_users() {
    let authority = Authority::new();
    let own = authority.issue(&["plant-7"], 2090);
    let acl = "user plant-7\ntopic readwrite plant-7/#\nuser boss\ntopic readwrite #\n";
    let acl = authority.write("acl", acl);
    for identity in ["cn", "san"] {
        let flags = ["--tls-client-ca", text(&authority.file), "--tls-identity", identity];
        let flags = [&flags[..], &["--acl", text(&acl)]].concat();
        for shards in [1, 4] {
            let doors = Doors::open(shards, &authority.server(), &flags);
            for version in VERSIONS {
                let config = config(&authority, &[version], Some(&own));
                for number in 0..8 {
                    let mut client =
                        Secure::open(doors.addr, &config, "localhost").expect("shakes hands");
                    let liar = connect(format!("client-{number}")).username("boss");
                    client.send(&liar.password("any").bytes());
                    client.expect(&connack(false, 0));
                    client.send(&subscribe(1, &[("plant-7/a", 0), ("plant-8/a", 0)]));
                    client.expect(&suback(1, &[0, 0x80]));
                }
            }
        }
    }
}
