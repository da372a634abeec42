// Sessions: those with the highest values of a measure, and all of them.

import * as api from "./api.js";
import { empty, field, h, put, select, table, trouble } from "./dom.js";
import { SESSION_COLUMNS, listing } from "./clients.js";
import { groupsCard } from "./groups.js";

const MEASURES = [["backlog_messages", "messages that wait"], ["backlog_bytes", "bytes that wait"], ["lag", "lag"], ["dropped", "dropped messages"], ["inflight", "messages in flight"], ["outgoing", "output that is not taken"]];

export default {
  title: "Sessions",
  async open(room, given) {
    const by = select({ name: "by", value: given.by || "backlog_messages" }, MEASURES);
    const body = h("div", {});
    room.append(h("section", { cls: "card" }, h("div", { cls: "card-head" }, h("h2", {}, "Those that have most"), field("of", by)), body));
    let asked = 0;
    async function top() {
      const own = ++asked;
      let items;
      try {
        if (by.value === "lag") {
          // A broker that cannot rank by lag ranks by backlog: a lag needs a backlog.
          try { ({ items } = await api.get("/top", { by: "lag", n: 20 })); } catch (error) {
            if (error.status !== 422) throw error;
            ({ items } = await api.get("/top", { by: "backlog_messages", n: 50 }));
            items = items.sort((a, b) => (b.backlog.lag_seconds ?? 0) - (a.backlog.lag_seconds ?? 0)).slice(0, 20);
          }
        } else ({ items } = await api.get("/top", { by: by.value, n: 20 }));
      } catch (error) {
        if (own === asked) put(body, trouble(error));
        return;
      }
      if (own !== asked) return;
      put(body, items.length ? table("Sessions that have most", SESSION_COLUMNS(top), items) : empty("No session has any"));
    }
    by.addEventListener("change", top);
    await top();
    if (api.answers("GET", "/groups")) room.append(await groupsCard());
    const all = h("section", {}, h("h2", {}, "All sessions"));
    room.append(all);
    const list = await listing(all, { path: "/sessions", columns: SESSION_COLUMNS, given, sessions: true });
    return () => { asked += 1; list.end(); };
  },
};
