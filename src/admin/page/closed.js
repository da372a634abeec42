// Closed connections: client, time and reason.

import * as api from "./api.js";
import { age, badge, bytes, empty, field, h, input, name, put, seen, table, trouble, words } from "./dom.js";
import { vhostField } from "./detail.js";

const CALM = ["client", "stopping", "kicked", "taken_over"];

export default {
  title: "Closed",
  async open(room, given) {
    const form = h("form", { cls: "filters", role: "search", "aria-label": "Filter closed connections" },
      await vhostField({ name: "vhost", value: given.vhost }, true), field("Client id begins with", input({ name: "id_prefix", value: given.id_prefix ?? "" })),
      field("Reason", input({ name: "reason", value: given.reason ?? "", placeholder: "keep alive" })), h("button", { type: "submit", cls: "primary" }, "Show"));
    const body = h("div", {});
    const more = h("button", { type: "button", hidden: true }, "Older");
    room.append(h("p", { cls: "muted" }, "The last connections that ended on each shard, the newest first."), form, body, h("div", { cls: "pager" }, more));
    let next = null, all = [];
    const muted = (says) => h("span", { cls: "muted" }, says);
    const columns = [
      { title: "client", cell: (it) => (it.id === null ? muted("no client") : name(it.id, 48)) }, { title: "ended", cell: (it) => `${age(it.ago_seconds)} ago` },
      { title: "reason", cell: (it) => badge(words(it.reason), CALM.includes(it.reason) ? "" : "warn") }, { title: "more", wide: true, cell: (it) => seen(it.says).slice(0, 300) },
      { title: "vhost", wide: true, cell: (it) => (it.vhost === null ? "" : name(it.vhost, 24)) }, { title: "user", wide: true, cell: (it) => (it.user === null ? muted("nobody") : name(it.user, 24)) },
      { title: "address", wide: true, cell: (it) => it.address }, { title: "lasted", num: true, cell: (it) => age(it.connected_seconds) },
      { title: "bytes in", num: true, wide: true, cell: (it) => bytes(it.received?.bytes) }, { title: "bytes out", num: true, wide: true, cell: (it) => bytes(it.sent?.bytes) },
    ];
    function show() {
      put(body, all.length ? table("Closed connections", columns, all) : empty("None", [...new FormData(form).values()].some(Boolean) ? "No connection that is known has ended like this." : "No connection has ended since the broker started."));
      more.hidden = !next;
    }
    async function load(cursor) {
      try {
        const wanted = Object.fromEntries([...new FormData(form)].map(([key, value]) => [key, key === "reason" ? value.trim().replaceAll(" ", "_") : value]));
        const page = await api.get("/closed", { limit: 100, ...wanted, cursor });
        all = cursor ? [...all, ...page.items] : page.items;
        next = page.next ?? null;
        show();
      } catch (error) { put(body, trouble(error)); more.hidden = true; }
    }
    more.addEventListener("click", () => load(next));
    form.addEventListener("submit", (event) => { event.preventDefault(); load(); });
    await load();
  },
};
