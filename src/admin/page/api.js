// The broker's API: requests with the token, errors as values, streams of lines.

const KEY = "ringmq.token";
const BASE = "/api/v1";

export class ApiError extends Error {
  constructor(status, { code, message, hint, field } = {}) {
    super(message || `the broker says ${status}`);
    Object.assign(this, { status, code, hint, field });
  }
  /// The broker does not know this request.
  get missing() { return (this.status === 404 && this.code === "no_such_path") || this.status === 405; }
}

let who = null;
let onSignedOut = () => {};

export const me = () => who;
export const can = (right) => Boolean(who?.rights.includes(right));
export const whenSignedOut = (then) => { onSignedOut = then; };
export const hasToken = () => Boolean(sessionStorage.getItem(KEY));

function drop() {
  sessionStorage.removeItem(KEY);
  who = null;
}

async function raw(method, path, { query, body, signal, token, base = BASE } = {}) {
  if (operations && base === BASE && !operations.has(`${method} ${path}`)) throw new ApiError(404, { code: "no_such_path", message: "Not available in this broker" });
  const given = Object.entries(query || {}).filter(([, v]) => v !== undefined && v !== null && v !== "");
  const tail = given.map(([k, v]) => encodeURIComponent(k) + "=" + encodeURIComponent(v)).join("&");
  const headers = {};
  const shown = token ?? sessionStorage.getItem(KEY);
  if (shown) headers.authorization = "Bearer " + shown;
  if (method !== "GET") headers["content-type"] = "application/json";
  let reply;
  try {
    reply = await fetch(base + path + (tail && "?" + tail), {
      method, headers, signal, cache: "no-store", credentials: "omit", redirect: "error",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { message: "The broker is not reached", hint: "It may have stopped, or the tunnel to it." });
  }
  if (reply.ok) return reply;
  let told = {};
  try { told = await reply.json(); } catch { /* no JSON: the status says enough */ }
  const error = new ApiError(reply.status, told.error);
  error.told = told;
  if (reply.status === 401 && token === undefined) {
    drop();
    onSignedOut({ message: "Sign in again", hint: "A sign-in by a code ends after eight hours, and when the broker is started again." });
  }
  throw error;
}

export const get = async (path, query, signal) => (await raw("GET", path, { query, signal })).json();

export async function send(method, path, query, body) {
  const reply = await raw(method, path, { query, body });
  const text = await reply.text();
  return text.trim() ? JSON.parse(text) : {};
}

/// Text from outside of the API: metrics of vhosts.
export const plain = async (path, signal) => (await raw("GET", path, { base: "", signal })).text();

/// Calls `each` with every line of a stream of JSON, until it ends or is aborted.
export async function lines(path, query, signal, each) {
  const reply = await raw("GET", path, { query, signal });
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) if (part.trim()) each(JSON.parse(part));
  }
}

/// Signs in with the typed text: a token, or a code of `ringmq ctl dashboard`.
export async function signIn(secret) {
  const looksLikeCode = /^[0-9A-Za-z]{4}-?[0-9A-Za-z]{4}-?[0-9A-Za-z]{4}$/.test(secret);
  let token = secret;
  if (looksLikeCode) token = (await (await raw("POST", "/sign-in", { token: secret })).json()).token;
  const reply = await raw("GET", "/whoami", { token });
  who = await reply.json();
  sessionStorage.setItem(KEY, token);
  await learn();
}

/// Whether the kept token is still valid.
export async function resume() {
  if (!hasToken()) return false;
  who = await get("/whoami");
  await learn();
  return true;
}

export async function signOut() {
  try { if (who?.page) await send("DELETE", "/sign-in"); } catch { /* it is forgotten here in any case */ }
  drop();
  onSignedOut();
}

let operations = null;

/// The requests that this broker knows, so that no unknown one is sent.
async function learn() {
  const { paths = {} } = await (await raw("GET", "/openapi.json")).json();
  operations = new Set(Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => method.toUpperCase() + " " + path.slice(BASE.length))));
}

export const answers = (method, path) => Boolean(operations?.has(`${method} ${path}`));

let vhostNames = null;

/// Figures of each vhost, from the metrics that need no token.
export async function vhosts(signal) {
  const found = new Map();
  for (const line of (await plain("/metrics/vhosts", signal)).split("\n")) {
    const match = /^ringmq_vhost_(\w+)\{vhost="((?:[^"\\]|\\.)*)"\} (\S+)/.exec(line);
    if (!match) continue;
    const vhost = match[2].replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
    if (!found.has(vhost)) found.set(vhost, { vhost });
    found.get(vhost)[match[1]] = Number(match[3]);
  }
  const list = [...found.values()].sort((a, b) => (a.vhost < b.vhost ? -1 : 1));
  vhostNames = list.map((it) => it.vhost);
  return list;
}

export async function vhostList() {
  if (!vhostNames) await vhosts().catch(() => { vhostNames = ["/"]; });
  return vhostNames;
}
