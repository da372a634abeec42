// Retained messages as a tree of topics; each level is requested when it is opened.

import * as api from "./api.js";
import { age, badge, bytes, confirm, count, empty, field, h, input, name, pairs, put, say, trouble } from "./dom.js";
import { payload, vhostField } from "./detail.js";

const LIMIT = 500;
const PAGES_MAX = 4;

export default {
  title: "Retained",
  async open(room, given) {
    const form = h("form", { cls: "filters", role: "search", "aria-label": "Topics" },
      await vhostField({ name: "vhost", value: given.vhost }), field("Topic begins with", input({ name: "prefix", value: given.prefix ?? "", cls: "long" })),
      h("button", { type: "submit", cls: "primary" }, "Show"));
    const tree = h("div", { cls: "tree", tabindex: "0", role: "region", "aria-label": "Topics" });
    const message = h("div", { cls: "message-room" }, empty("No message chosen", "Choose a topic on the left."));
    room.append(form, h("div", { cls: "halves" }, h("section", { cls: "card" }, tree), h("section", { cls: "card", "aria-live": "polite" }, message)));
    const vhost = () => form.elements.vhost.value;
    let chosen = null;

    async function open(topic, button) {
      chosen?.removeAttribute("aria-current");
      chosen = button;
      button.setAttribute("aria-current", "true");
      put(message, h("p", { cls: "muted" }, "asking…"));
      let it;
      try { it = await api.get("/retained/message", { vhost: vhost(), topic }); } catch (error) { return put(message, trouble(error)); }
      put(message, h("h2", {}, name(topic, 300)),
        h("div", { cls: "badges" }, badge("QoS " + it.qos), it.age_seconds !== undefined && badge(age(it.age_seconds) + " old")),
        payload(it), pairs([["Vhost", name(vhost())], it.shard !== undefined && ["Shard", it.shard]]),
        api.can("operate") && api.answers("DELETE", "/retained/message") && h("div", { cls: "buttons" }, h("button", { type: "button", cls: "danger", onclick: () => remove(topic) }, "Delete")));
    }

    async function remove(topic) {
      if (!await confirm({ title: "Delete retained message", does: "Delete", says: [name(topic, 300), h("p", {}, "Clients that subscribe from now on do not get it.")] })) return;
      try {
        await api.send("DELETE", "/retained/message", { vhost: vhost(), topic });
        say("The retained message was deleted", "ok");
        put(message, empty("Deleted"));
        load();
      } catch (error) { say(error.message, "bad"); }
    }

    /// The topics below a prefix, grouped by their next level.
    async function level(prefix, list) {
      put(list, h("li", { cls: "muted" }, "asking…"));
      const found = [];
      let cursor;
      try {
        for (let page = 0; page < PAGES_MAX; page += 1) {
          const told = await api.get("/retained", { vhost: vhost(), prefix, limit: LIMIT, cursor });
          found.push(...told.items);
          cursor = told.next;
          if (!cursor) break;
        }
      } catch (error) { return put(list, h("li", {}, trouble(error))); }
      const base = prefix.slice(0, prefix.lastIndexOf("/") + 1);
      const groups = new Map();
      for (const it of found) {
        const rest = it.topic.slice(base.length);
        const slash = rest.indexOf("/");
        const key = slash < 0 ? rest : rest.slice(0, slash);
        if (!groups.has(key)) groups.set(key, { own: null, below: 0 });
        const group = groups.get(key);
        if (slash < 0) group.own = it;
        else group.below += 1;
      }
      const rows = [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, group]) => {
        const topic = base + key;
        const parts = [];
        if (group.own) {
          const button = h("button", { type: "button", cls: "topic", onclick: () => open(topic, button) }, name(key, 60), h("span", { cls: "muted" }, bytes(group.own.bytes)));
          parts.push(button);
        }
        if (group.below) {
          const inner = h("ul", {});
          const details = h("details", {}, h("summary", {}, name(key, 60), h("span", { cls: "muted" }, `/ ${count(group.below)}${cursor ? " or more" : ""}`)), inner);
          details.addEventListener("toggle", () => { if (details.open && !inner.childElementCount) level(topic + "/", inner); });
          parts.push(details);
        }
        return h("li", {}, parts);
      });
      if (cursor) rows.push(h("li", { cls: "muted" }, `The first ${count(found.length)} topics are shown. A longer prefix shows others.`));
      put(list, rows.length ? rows : h("li", { cls: "muted" }, prefix ? "No retained message has such a topic." : "No message is retained in this vhost."));
    }

    async function load() {
      const list = h("ul", {});
      put(tree, list);
      await level(form.elements.prefix.value, list);
    }
    form.addEventListener("submit", (event) => { event.preventDefault(); put(message, empty("No message chosen")); load(); });
    await load();
  },
};
