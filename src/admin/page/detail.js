// One client or session beside the list, with the operations on it.

import * as api from "./api.js";
import { age, badge, bytes, confirm, count, field, h, icon, input, name, pairs, put, say, seen, select, table, trouble, words } from "./dom.js";

/// The state of a connected client as a badge.
export function stateOf(item) {
  if (!item.connected) return badge("absent", "");
  return badge(item.state === "ok" ? "ok" : words(item.state), { ok: "ok", full: "warn", slow: "bad" }[item.state]);
}

export const waitsOf = (item) => (item.waits_for?.length ? item.waits_for.map(words).join(", ") : "");

const text = (value) => (value === true ? "yes" : value === false ? "no" : value);

/// The text of a payload; null if it is no UTF-8.
function decoded(raw) {
  try { return new TextDecoder("utf-8", { fatal: true }).decode(raw); } catch { return null; }
}

function hex(raw) {
  const rows = [];
  for (let at = 0; at < Math.min(raw.length, 16_384); at += 16) {
    const part = [...raw.subarray(at, at + 16)];
    const digits = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ").padEnd(47);
    const letters = part.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    rows.push(`${at.toString(16).padStart(6, "0")}  ${digits}  ${letters}`);
  }
  return rows.join("\n") + (raw.length > 16_384 ? "\n…" : "");
}

/// The bytes of a message: the API gives text where it is text.
export function payloadOf(message) {
  if (message.payload_base64 !== undefined && message.payload_base64 !== null) {
    return Uint8Array.from(atob(message.payload_base64), (c) => c.charCodeAt(0));
  }
  return new TextEncoder().encode(message.payload ?? "");
}

/// A payload as text, JSON or hexadecimal digits.
export function payload(message) {
  const raw = payloadOf(message);
  const plain = decoded(raw);
  let json = null;
  if (plain !== null && raw.length <= 1_048_576 && /^\s*[[{"\d]/.test(plain)) {
    try { json = JSON.stringify(JSON.parse(plain), null, 2); } catch { /* it is no JSON */ }
  }
  const forms = [plain !== null && ["Text", () => seenLines(plain)], json !== null && ["JSON", () => seenLines(json)], ["Hex", () => hex(raw)]].filter(Boolean);
  const body = h("pre", { cls: "payload", tabindex: "0", "aria-label": "Payload" });
  const buttons = forms.map(([title, make]) => h("button", { type: "button", onclick: () => show(title, make) }, title));
  const show = (title, make) => {
    body.textContent = make();
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.textContent === title)));
  };
  show(...(json !== null ? forms[1] : forms[0]));
  return h("div", { cls: "payload-box" }, h("div", { cls: "payload-head" }, h("div", { cls: "segments", role: "group", "aria-label": "Payload as" }, buttons), h("span", { cls: "muted" }, `${count(message.payload_bytes ?? raw.length)} bytes${(message.payload_bytes ?? 0) > raw.length ? `, the first ${count(raw.length)} are shown` : ""}`)), body);
}

const TEXT_MAX = 65_536;

function seenLines(value) {
  const cut = value.length > TEXT_MAX ? value.slice(0, TEXT_MAX) + `\n… ${count(value.length - TEXT_MAX)} characters more` : value;
  return cut.split("\n").map((line) => seen(line.replaceAll("\t", "    "))).join("\n") || "(empty)";
}

/// The panel at the side; `fill` puts its content. Escape closes it.
export function drawer(title, fill) {
  const body = h("div", { cls: "drawer-body" });
  const dialog = h("dialog", { cls: "drawer", "aria-label": typeof title === "string" ? title : "Details" },
    h("div", { cls: "drawer-head" }, h("h2", {}, title), h("button", { type: "button", cls: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"))), body);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
  fill(body, () => dialog.close());
}

const named = (item) => `client ${JSON.stringify(seen(item.id)).slice(0, 120)} of vhost ${JSON.stringify(item.vhost)}`;

async function kick(item, done) {
  const values = await confirm({
    title: "Disconnect client", does: "Disconnect", says: [name(item.id), h("p", {}, "Its connection is closed. It may connect again at once.")],
    fields: [
      field("Its session", select({ name: "session" }, [["keep", "is kept"], ["delete", "is deleted, with what waits in it"]])),
      field("Its will", select({ name: "will" }, [["publish", "is published"], ["discard", "is not published"]])),
    ],
  });
  if (!values) return;
  try {
    await api.send("DELETE", "/client", { vhost: item.vhost, id: item.id, session: values.session, will: values.will });
    say(`Disconnected ${named(item)}`, "ok");
    done();
  } catch (error) { say(error.message, "bad"); }
}

async function remove(item, done) {
  const values = await confirm({ title: "Delete session", does: "Delete", says: [name(item.id),
    h("p", {}, `${count(item.backlog.messages)} messages that wait, and ${count(item.subscriptions)} subscriptions, are gone for good.${item.connected ? " Its client is disconnected." : ""}`)] });
  if (!values) return;
  try {
    await api.send("DELETE", "/session", { vhost: item.vhost, id: item.id });
    say(`Deleted the session of ${named(item)}`, "ok");
    done();
  } catch (error) { say(error.message, "bad"); }
}

async function purge(item, done) {
  const values = await confirm({ title: "Purge session", does: "Purge", says: [name(item.id),
    h("p", {}, `${count(item.backlog.messages)} messages that wait are dropped. Its subscriptions stay.`)] });
  if (!values) return;
  try {
    const told = await api.send("DELETE", "/session/messages", { vhost: item.vhost, id: item.id });
    say(`${count(told.purged)} messages were dropped`, "ok");
    done();
  } catch (error) { say(error.message, "bad"); }
}

async function showSubscriptions(room, item) {
  put(room, h("p", { cls: "muted" }, "asking…"));
  try {
    const told = await api.get("/subscriptions", { vhost: item.vhost, client: item.id, limit: 200 });
    const { items } = told;
    put(room, items.length ? table("Subscriptions", [
      { title: "filter", cell: (it) => name(it.filter, 200) }, { title: "QoS", num: true, cell: (it) => it.qos ?? "" },
      { title: "state", cell: (it) => (it.suspended ? badge("denied by rules", "warn") : "") }], items) : h("p", { cls: "muted" }, "It has none."));
  } catch (error) { put(room, trouble(error)); }
}

async function peek(room, item) {
  put(room, h("p", { cls: "muted" }, "asking…"));
  try {
    const { items = [] } = await api.get("/session/messages", { vhost: item.vhost, id: item.id, limit: 20 });
    put(room, items.length ? items.map((it) => h("details", { cls: "message" },
      h("summary", {}, name(it.topic, 200), " ", badge("QoS " + it.qos), it.retain ? badge("retained") : null, it.state === "sent" ? badge("sent, not acknowledged", "warn") : null, it.state === "lost" ? badge("lost by the disk", "bad") : null, it.age_seconds !== undefined ? h("span", { cls: "muted" }, ` ${age(it.age_seconds)} old`) : null),
      payload(it))) : h("p", { cls: "muted" }, "Nothing waits."));
  } catch (error) { put(room, trouble(error)); }
}

/// Opens the details of a client or session; `changed` is called when it was changed.
export function openSession(vhost, id, changed = () => {}) {
  drawer(name(id, 60), async (body, close) => {
    const room = h("div", {}, h("p", { cls: "muted" }, "asking…"));
    body.append(room);
    let item;
    try { item = await api.get("/session", { vhost, id }); } catch (error) { return put(room, trouble(error)); }
    const done = () => { close(); changed(); };
    const more = h("div", {});
    const actions = h("div", { cls: "buttons" },
      h("button", { type: "button", onclick: () => showSubscriptions(more, item) }, "Subscriptions"),
      item.backlog.messages + item.inflight > 0 && h("button", { type: "button", onclick: () => peek(more, item) }, "Peek"),
      api.can("operate") && [
        h("a", { cls: "button", href: "#/trace?" + new URLSearchParams({ vhost: item.vhost, id: item.id }), onclick: close }, "Trace"),
        item.connected && h("button", { type: "button", cls: "danger", onclick: () => kick(item, done) }, "Disconnect"),
        item.backlog.messages > 0 && api.answers("DELETE", "/session/messages") && h("button", { type: "button", cls: "danger", onclick: () => purge(item, done) }, "Purge"),
        h("button", { type: "button", cls: "danger", onclick: () => remove(item, done) }, "Delete session"),
      ]);
    put(room,
      h("div", { cls: "badges" }, stateOf(item), badge(item.clean ? "clean session" : "durable session"), item.withheld ? badge("withheld by rules", "warn") : null, item.certified ? badge("certificate", "ok") : null),
      waitsOf(item) ? h("p", { cls: "why" }, "Not read from: it waits for ", h("strong", {}, waitsOf(item)), ".") : null,
      actions,
      pairs([
        ["Client id", name(item.id, 2000)], ["Vhost", name(item.vhost)], ["User", item.user === null ? "nobody" : name(item.user, 300)], ["Shard", item.shard],
        item.address && ["Address", item.address], item.protocol && ["Protocol", item.protocol], item.keep_alive !== undefined && ["Keep alive", item.keep_alive ? age(item.keep_alive) : "off"],
        item.connected_seconds !== undefined && ["Connected for", age(item.connected_seconds)], item.silent_seconds !== undefined && ["Silent for", age(item.silent_seconds)],
        item.absent_seconds !== undefined && ["Absent for", age(item.absent_seconds)], item.will !== undefined && ["Will", text(item.will)],
        ["Subscriptions", count(item.subscriptions)], ["Backlog", `${count(item.backlog.messages)} messages, ${bytes(item.backlog.bytes)}`],
        item.backlog.lag_seconds !== undefined && ["Lag", age(item.backlog.lag_seconds)], ["In flight", count(item.inflight)],
        item.outgoing_bytes !== undefined && ["Output not taken", bytes(item.outgoing_bytes)], ["Dropped", count(item.dropped)],
      ]), more);
  });
}

/// The first cell of a list: the name opens the details.
export const opener = (item, changed) => h("button", { type: "button", cls: "link", onclick: () => openSession(item.vhost, item.id, changed) }, name(item.id, 48));

/// A field for a vhost, filled with the existing ones.
export async function vhostField(props, all) {
  const names = await api.vhostList();
  const { value } = props;
  if (names.length > 200) return field("Vhost", input({ ...props, placeholder: all ? "all" : "/" }));
  const options = [...(all ? [["", "all"]] : []), ...names.map((it) => [it, it])];
  return field("Vhost", select({ ...props, value: value ?? (all ? "" : names.includes("/") ? "/" : names[0]) }, options));
}
