// Connections that have ended: whose, when and why.

import * as api from "./api.js";
import { age, badge, bytes, count, empty, field, h, input, name, put, table, trouble, words } from "./dom.js";
import { vhostField } from "./detail.js";

const CALM = ["client", "stopping", "kicked", "taken_over", "disconnected"];

export default {
  title: "Closed",
  async open(room, given) {
    const form = h("form", { cls: "filters", role: "search", "aria-label": "Filter closed connections" },
      await vhostField({ name: "vhost", value: given.vhost }, true), field("Client id begins with", input({ name: "id_prefix", value: given.id_prefix ?? "" })),
      field("Reason", input({ name: "reason", value: given.reason ?? "", placeholder: "keep alive" })), h("button", { type: "submit", cls: "primary" }, "Show"));
    const body = h("div", {});
    const more = h("button", { type: "button", hidden: true }, "Older");
    room.append(h("p", { cls: "muted" }, "The last connections that ended on each shard, the newest first."), form, body, h("div", { cls: "pager" }, more));
    let items = [], next = null, all = [];
    const at = (it) => it.at ?? it.time ?? it.closed_at;
    const ago = (it) => it.ago_seconds ?? it.closed_seconds ?? it.age_seconds ?? (at(it) !== undefined ? (Date.now() - (typeof at(it) === "number" ? at(it) * 1000 : Date.parse(at(it)))) / 1000 : undefined);
    const columns = [
      { title: "client", cell: (it) => (it.id ?? it.client ?? null) === null ? h("span", { cls: "muted" }, "no client") : name(it.id ?? it.client, 48) },
      { title: "ended", cell: (it) => (ago(it) === undefined ? "–" : `${age(ago(it))} ago`) },
      { title: "reason", cell: (it) => badge(words(it.reason ?? "–"), CALM.includes(it.reason) ? "" : "warn") },
      { title: "more", wide: true, cell: (it) => { const says = it.says ?? it.detail ?? it.message; return says === undefined || says === null ? "" : name(says, 160); } },
      { title: "vhost", wide: true, cell: (it) => (it.vhost === undefined || it.vhost === null ? "" : name(it.vhost, 24)) }, { title: "user", wide: true, cell: (it) => (it.user === undefined || it.user === null ? "" : name(it.user, 24)) },
      { title: "address", wide: true, cell: (it) => it.address ?? "" },
      { title: "lasted", num: true, cell: (it) => age(it.connected_seconds ?? it.seconds ?? it.duration_seconds) },
      { title: "messages in", num: true, wide: true, cell: (it) => count(it.received?.messages ?? it.received_messages ?? it.messages_received) },
      { title: "bytes in", num: true, wide: true, cell: (it) => bytes(it.received?.bytes ?? it.received_bytes) },
      { title: "bytes out", num: true, wide: true, cell: (it) => bytes(it.sent?.bytes ?? it.sent_bytes) },
    ];
    function show() {
      const { vhost, id_prefix: prefix, reason } = Object.fromEntries(new FormData(form));
      items = all.filter((it) => (!vhost || it.vhost === vhost) && (!prefix || String(it.id ?? it.client ?? "").startsWith(prefix)) && (!reason || words(it.reason).includes(words(reason))));
      const known = columns.filter((column, index) => index < 3 || items.some((it) => !["", "–"].includes(column.cell(it))));
      put(body, items.length ? table("Closed connections", known, items) : empty("None", all.length ? "None of those that are known is like this." : "No connection has ended since the broker started."));
      more.hidden = !next;
    }
    async function load(cursor) {
      try {
        const wanted = Object.fromEntries([...new FormData(form)].map(([key, value]) => [key, key === "reason" ? value.trim().replaceAll(" ", "_") : value]));
        const page = await api.get("/closed", { limit: 100, ...api.taken("/closed", wanted), cursor });
        all = cursor ? [...all, ...(page.items ?? [])] : page.items ?? [];
        next = page.next ?? null;
        show();
      } catch (error) { put(body, trouble(error)); more.hidden = true; }
    }
    more.addEventListener("click", () => load(next));
    form.addEventListener("submit", (event) => { event.preventDefault(); load(); });
    await load();
  },
};
