// Lists of clients and sessions: filters, pages by cursor.

import * as api from "./api.js";
import * as live from "./live.js";
import { age, bytes, count, empty, field, h, input, name, put, select, table, trouble } from "./dom.js";
import { opener, stateOf, vhostField, waitsOf } from "./detail.js";

const LIMIT = 50;
const ASKS_MAX = 10;

/// A page of a list. The broker returns the rows that it found within some milliseconds: it is asked
/// again until the page is full, a bounded number of times.
async function pageOf(path, query, signal) {
  const items = [];
  let page = { next: query.cursor };
  for (let ask = 0; ask < ASKS_MAX; ask += 1) {
    page = await api.get(path, { ...query, cursor: page.next, limit: LIMIT - items.length }, signal);
    items.push(...page.items);
    if (!page.next || items.length >= LIMIT) break;
  }
  return { ...page, items };
}

const num = (title, cell, wide) => ({ title, num: true, cell, wide });

const CLIENT_COLUMNS = (again) => [
  { title: "client", cell: (it) => opener(it, again) }, { title: "vhost", wide: true, cell: (it) => name(it.vhost, 24) },
  { title: "user", wide: true, cell: (it) => (it.user === null ? h("span", { cls: "muted" }, "nobody") : name(it.user, 24)) },
  { title: "address", wide: true, cell: (it) => it.address }, { title: "state", cell: stateOf }, { title: "waits for", wide: true, cell: waitsOf },
  num("backlog", (it) => count(it.backlog.messages)), num("in flight", (it) => count(it.inflight), true),
  num("not taken", (it) => bytes(it.outgoing_bytes), true), num("dropped", (it) => count(it.dropped)), num("connected", (it) => age(it.connected_seconds)),
];

export const SESSION_COLUMNS = (again) => [
  { title: "client", cell: (it) => opener(it, again) }, { title: "vhost", wide: true, cell: (it) => name(it.vhost, 24) },
  { title: "user", wide: true, cell: (it) => (it.user === null ? h("span", { cls: "muted" }, "nobody") : name(it.user, 24)) },
  { title: "state", cell: stateOf }, num("subscriptions", (it) => count(it.subscriptions), true),
  num("messages", (it) => count(it.backlog.messages)), num("bytes", (it) => bytes(it.backlog.bytes)),
  num("lag", (it) => (it.backlog.lag_seconds === undefined ? "–" : age(it.backlog.lag_seconds))), num("in flight", (it) => count(it.inflight), true),
  num("dropped", (it) => count(it.dropped)), num("absent", (it) => (it.absent_seconds === undefined ? "" : age(it.absent_seconds)), true),
];

/// A list with filters and pages, in a room.
export async function listing(room, { path, columns, given, sessions }) {
  let cursors = [""];
  let asked = null;
  const states = [["", "any"], ["ok", "ok"], ["full", "full: publishers wait for it"], ["slow", "slow: QoS 0 is dropped"]];
  const form = h("form", { cls: "filters", role: "search", "aria-label": sessions ? "Filter sessions" : "Filter clients" },
    await vhostField({ name: "vhost", value: given.vhost }, true),
    field("Id begins with", input({ name: "id_prefix", value: given.id_prefix ?? "" })), field("User", input({ name: "user", value: given.user ?? "" })),
    field("Address or range", input({ name: "address", value: given.address ?? "", placeholder: "10.0.0.0/8" })),
    sessions ? field("Client", select({ name: "connected", value: given.connected ?? "" }, [["", "any"], ["true", "connected"], ["false", "absent"]])) : field("State", select({ name: "state", value: given.state ?? "" }, states)),
    field("Backlog at least", input({ name: "backlog_min", inputmode: "numeric", value: given.backlog_min ?? "" })),
    field("Dropped at least", input({ name: "dropped_min", inputmode: "numeric", value: given.dropped_min ?? "" })),
    h("button", { type: "submit", cls: "primary" }, "Show"));
  const says = h("div", { cls: "muted", role: "status" });
  const body = h("div", {});
  const before = h("button", { type: "button", onclick: () => { cursors.pop(); load(); } }, "Previous");
  const after = h("button", { type: "button" }, "Next");
  room.append(form, body, h("div", { cls: "pager" }, says, before, after));
  async function load() {
    asked?.abort();
    asked = new AbortController();
    const query = { ...Object.fromEntries(new FormData(form)), cursor: cursors.at(-1) };
    before.disabled = cursors.length < 2;
    try {
      const page = await pageOf(path, query, asked.signal);
      after.disabled = !page.next;
      after.onclick = () => { cursors.push(page.next); load(); };
      const total = page.approximate_total;
      says.textContent = `${count(page.items.length)} shown${total !== undefined ? ` · ${count(total)} in all` : ""}${page.next && !page.items.length ? " · nothing on this page, there may be more on the next" : ""}`;
      put(body, page.items.length ? table(sessions ? "Sessions" : "Clients", columns(load), page.items)
        : empty(sessions ? "No such session" : "No such client", "Ids are case sensitive. A filter that is empty lets all through."));
    } catch (error) {
      if (error.name === "AbortError") return;
      says.textContent = "";
      put(body, trouble(error));
    }
  }
  form.addEventListener("submit", (event) => { event.preventDefault(); cursors = [""]; load(); });
  await load();
  // The list is not updated while the operator uses it.
  const timer = setInterval(() => {
    const busy = body.contains(document.activeElement) || body.matches(":hover") || document.querySelector("dialog[open]");
    if (!busy && cursors.length === 1 && document.visibilityState === "visible" && live.connection().state === "live") load();
  }, 5000);
  return { load, end() { clearInterval(timer); asked?.abort(); } };
}

export default {
  title: "Clients",
  async open(room, given) {
    const list = await listing(room, { path: "/clients", columns: CLIENT_COLUMNS, given });
    return list.end;
  },
};
