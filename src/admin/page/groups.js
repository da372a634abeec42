// Consumer groups: what waits in each, and who has it.

import * as api from "./api.js";
import { age, badge, bytes, count, empty, h, name, put, table, trouble, words } from "./dom.js";
import { openSession } from "./detail.js";

const LIMIT = 100;
const STATES = { ok: "ok", window_full: "warn", full: "warn", suspended: "bad" };

const dropped = (it) => Object.values(it.dropped).reduce((all, n) => all + n, 0);

const columns = (open) => [
  { title: "group", cell: (it) => h("button", { type: "button", cls: "link", onclick: () => open(it) }, name(it.group, 120)) },
  { title: "vhost", cell: (it) => name(it.vhost, 40) },
  { title: "members", num: true, cell: (it) => `${count(it.connected)} of ${count(it.members)} connected` },
  { title: "waits", num: true, cell: (it) => count(it.backlog.messages) }, { title: "bytes", num: true, cell: (it) => bytes(it.backlog.bytes) },
  { title: "in flight", num: true, cell: (it) => count(it.inflight) },
  { title: "redelivered", num: true, wide: true, cell: (it) => count(it.redelivered) },
  { title: "dropped", num: true, wide: true, cell: (it) => count(dropped(it)) },
];

const memberColumns = (vhost) => [
  { title: "member", cell: (it) => h("button", { type: "button", cls: "link", onclick: () => openSession(vhost, it.id) }, name(it.id, 60)) },
  { title: "state", cell: (it) => badge(words(it.state), STATES[it.state]) },
  { title: "lanes", num: true, cell: (it) => count(it.lanes) }, { title: "in flight", num: true, cell: (it) => count(it.inflight) },
  { title: "of all groups", num: true, wide: true, cell: (it) => `${count(it.inflight_all)} of ${count(it.window)}` },
  { title: "QoS", num: true, wide: true, cell: (it) => it.qos },
];

/// A list of groups; the members of one are shown below it when it is chosen.
export async function groupsCard() {
  const list = h("div", {});
  const one = h("div", { "aria-live": "polite" });
  async function open({ vhost, group }) {
    try {
      const [it, members] = await Promise.all([api.get("/group", { vhost, group }), api.get("/group/members", { vhost, group, limit: LIMIT })]);
      const lag = it.backlog.lag_seconds;
      put(one, h("h3", {}, name(group, 200)),
        h("div", { cls: "badges" }, badge(it.durable ? "on disk" : "in memory"), badge("order " + it.order), lag !== undefined && badge(`oldest ${age(lag)}`, lag > 60 ? "warn" : undefined)),
        members.items.length ? table("Members", memberColumns(vhost), members.items) : empty("No members", "What is published waits until one joins."),
        members.next ? h("p", { cls: "muted" }, "There are more.") : null);
    } catch (error) { put(one, trouble(error)); }
  }
  try {
    const told = await api.get("/groups", { limit: LIMIT });
    put(list, told.items.length ? table("Groups", columns(open), told.items) : empty("No groups", "A client makes one when it subscribes to $share/NAME/FILTER."),
      told.next ? h("p", { cls: "muted" }, "There are more.") : null);
  } catch (error) { put(list, trouble(error)); }
  return h("section", { cls: "card" }, h("div", { cls: "card-head" }, h("h2", {}, "Consumer groups")), list, one);
}
