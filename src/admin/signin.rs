//! How a person signs in to the page without seeing a token: `ringmq ctl dashboard` requests a code
//! with the rights of its user, and the page exchanges the code, once, for a token of its own.
//!
//! ```text
//!  ctl ──POST /dashboard──► code ──a person──► page ──POST /sign-in──► token ──► requests
//!           (2 minutes, one use)               (8 hours, in memory, DELETE /sign-in)
//! ```
//! A code is sent in a header, not in a body, because a foreign page cannot send that header.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::{Response, StatusCode};
use rustix::rand::{GetRandomFlags, getrandom};
use serde_json::json;

use crate::limits::{SIGN_IN_CODE_MS, SIGN_IN_MS};

use super::actor::Actor;
use super::answer::{Body, Fault, json_of};
use super::state::Admin;
use super::tokens::Rights;
use super::who::Who;

/// Characters of a code: 32 that do not look alike, so that each byte gives one.
const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// The number of characters of a code (60 bits), and of those between two dashes.
const CODE_CHARS: usize = 12;
const GROUP_CHARS: usize = 4;

fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(count) if count == N => Ok(bytes),
        _ => {
            let message = "the system has no random bytes";
            Err(Fault::new(StatusCode::SERVICE_UNAVAILABLE, "no_random", message))
        }
    }
}

/// Makes a code, with the address of the page.
pub(super) fn make_code(admin: &Admin, by: &Actor) -> Result<Response<Body>, Fault> {
    if by.who().is_page {
        let message = "a page cannot let others in";
        return Err(Fault::new(StatusCode::FORBIDDEN, "forbidden", message)
            .hint("run `ringmq ctl dashboard` on the broker's host"));
    }
    let Some(address) = admin.address else {
        let message = "no browser can reach this broker: it does not answer operators over TCP";
        return Err(Fault::new(StatusCode::NOT_FOUND, "no_page", message)
            .hint("start it with --http-listen 127.0.0.1:9883"));
    };
    let code = random::<CODE_CHARS>()?.map(|byte| LETTERS[usize::from(byte) % LETTERS.len()]);
    let code: String = code.map(char::from).iter().collect();
    let until = Instant::now() + Duration::from_millis(SIGN_IN_CODE_MS);
    let who = by.who().clone();
    admin.sign_ins().add_code(&code, who, until);
    by.audit("make a sign-in code", "", "", "made");
    let groups: Vec<&str> =
        (0..CODE_CHARS / GROUP_CHARS).map(|at| &code[at * GROUP_CHARS..][..GROUP_CHARS]).collect();
    let answer = json!({
        "address": format!("http://{address}/"),
        "code": groups.join("-"),
        "expires_seconds": SIGN_IN_CODE_MS / 1000,
    });
    Ok(json_of(StatusCode::OK, &answer))
}

/// Gives the page a token of its own. The request was admitted by a code.
pub(super) fn sign_in(admin: &Admin, by: &Actor) -> Result<Response<Body>, Fault> {
    let token = URL_SAFE_NO_PAD.encode(random::<32>()?);
    let until = Instant::now() + Duration::from_millis(SIGN_IN_MS);
    let who = by.who().clone();
    let answer = json!({
        "token": token,
        "expires_seconds": SIGN_IN_MS / 1000,
        "name": who.name,
        "rights": names(who.rights),
    });
    admin.sign_ins().add_page(&token, who, until);
    by.audit("sign in", "", "", "signed in");
    Ok(json_of(StatusCode::OK, &answer))
}

/// Revokes the token of a page.
pub(super) fn sign_out(admin: &Admin, shown: Option<&[u8]>) -> Response<Body> {
    shown.into_iter().for_each(|shown| admin.sign_ins().forget_page(shown));
    json_of(StatusCode::OK, &json!({ "signed_out": true }))
}

/// The name and rights of the requester.
pub(super) fn whoami(by: &Actor) -> Response<Body> {
    let Who { name, rights, is_page, .. } = by.who();
    let answer = json!({ "name": name, "rights": names(*rights), "page": is_page });
    json_of(StatusCode::OK, &answer)
}

fn names(rights: Rights) -> Vec<&'static str> {
    rights.names().collect()
}
