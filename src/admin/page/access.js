// Vhosts and users; the rights of a client, and the receivers of a message.

import * as api from "./api.js";
import { badge, bytes, count, empty, field, h, input, name, put, seen, select, table, trouble, words } from "./dom.js";
import { openSession, vhostField } from "./detail.js";

const USERS_MAX = 500;

const OUTCOMES = {
  sent: "its client is connected", stored: "it waits until its client comes", withheld: "it waits: the rules let its client read none of what waits",
  absent: "its client is away, and it is at QoS 0", full: "its session is full", slow: "its client is slow, and it is at QoS 0",
};

const card = (title, ...children) => h("section", { cls: "card" }, h("h2", {}, title), children);

function vhostTable(list) {
  return table("Vhosts", [
    { title: "vhost", cell: (it) => name(it.vhost, 60) }, { title: "clients", num: true, cell: (it) => count(it.connections) }, { title: "sessions", num: true, cell: (it) => count(it.sessions) },
    { title: "backlog", num: true, cell: (it) => bytes(it.backlog_bytes) }, { title: "retained", num: true, cell: (it) => count(it.retained_messages) },
    { title: "messages in", num: true, cell: (it) => count(it.messages_received_total) }, { title: "denied", num: true, wide: true, cell: (it) => count(it.messages_denied_total) },
    { title: "subscriptions denied", num: true, wide: true, cell: (it) => count(it.subscriptions_denied_total) }], list);
}

async function canCard(given) {
  const result = h("div", { role: "status" });
  const form = h("form", { cls: "filters" }, await vhostField({ name: "vhost" }), field("User", input({ name: "user", value: given.user ?? "" })), field("Client id", input({ name: "client_id", value: given.client_id ?? "" })),
    field("Wants to", select({ name: "action" }, [["publish", "publish"], ["subscribe", "subscribe"]])),
    field("Topic or filter", input({ name: "topic", required: true, cls: "long" })), h("button", { type: "submit", cls: "primary" }, "Ask"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const told = await api.get("/can", Object.fromEntries(new FormData(form)));
      put(result, h("p", { cls: "verdict" }, badge(told.allowed ? "allowed" : "denied", told.allowed ? "ok" : "bad"), " ", seen(told.says).slice(0, 400)));
    } catch (error) { put(result, trouble(error)); }
  });
  return card("May somebody do it?", h("p", { cls: "muted" }, "The decision, and the rule that makes it."), form, result);
}

async function matchCard() {
  const result = h("div", { role: "status" });
  const form = h("form", { cls: "filters" }, await vhostField({ name: "vhost" }), field("Topic", input({ name: "topic", required: true, cls: "long" })), field("QoS", select({ name: "qos", value: "1" }, [["0", "0"], ["1", "1"], ["2", "2"]])), h("button", { type: "submit", cls: "primary" }, "Ask"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const vhost = form.elements.vhost.value;
    try {
      const told = await api.get("/match", Object.fromEntries(new FormData(form)));
      put(result, told.retained ? h("p", { cls: "muted" }, "A message is retained for this topic.") : null, told.items.length ? table("Who would get it", [
        { title: "client", cell: (it) => h("button", { type: "button", cls: "link", onclick: () => openSession(vhost, it.id) }, name(it.id, 48)) },
        { title: "gets it", cell: (it) => badge(it.gets ? "yes" : "no", it.gets ? (it.why === "sent" ? "ok" : "warn") : "bad") },
        { title: "because", cell: (it) => (it.why === "denied" ? seen(it.rule.says).slice(0, 300) : OUTCOMES[it.why] ?? words(it.why)) },
        { title: "by filter", cell: (it) => name(it.filter, 160) }, { title: "QoS", num: true, cell: (it) => it.qos }], told.items) : empty("Nobody", "No session is subscribed to this topic."),
      told.next ? h("p", { cls: "muted" }, "There are more.") : null);
    } catch (error) { put(result, trouble(error)); }
  });
  return card("Who would get it?", h("p", { cls: "muted" }, "Sessions whose filters match a topic, and those that must not read it."), form, result);
}

async function users(room) {
  const body = h("div", {});
  room.append(card("Users", body));
  if (!api.can("admin")) return put(body, empty("This needs the right admin"));
  try {
    const found = [];
    let more = false;
    for (const vhost of await api.vhostList()) {
      const told = await api.get("/users", { vhost, limit: USERS_MAX });
      found.push(...told.items);
      more ||= Boolean(told.next);
      if (found.length >= USERS_MAX) { more = true; break; }
    }
    put(body, found.length ? [table("Users", [{ title: "user", cell: (it) => name(it.name, 80) }, { title: "vhost", cell: (it) => name(it.vhost, 60) }], found), more ? h("p", { cls: "muted" }, "There are more.") : null]
      : empty("No users", "Clients come in without a name, or with a certificate, or their users are kept elsewhere."));
  } catch (error) { put(body, trouble(error)); }
  return undefined;
}

export default {
  title: "Access",
  async open(room, given) {
    const vhosts = h("div", {});
    room.append(card("Vhosts", vhosts));
    try { put(vhosts, vhostTable(await api.vhosts())); } catch (error) { put(vhosts, trouble(error)); }
    room.append(h("div", { cls: "two" }, await canCard(given), await matchCard()));
    await users(room);
  },
};
