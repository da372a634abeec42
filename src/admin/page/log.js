// The log, reloading the configuration, and the settings in force.

import * as api from "./api.js";
import * as live from "./live.js";
import { badge, confirm, count, empty, field, h, input, name, put, say, seen, select, table, trouble, words } from "./dom.js";

function changes(title, list) {
  if (!list?.length) return null;
  return [h("h3", {}, title), table(title, [
    { title: "setting", cell: (it) => name(it.name, 80) }, { title: "before", cell: (it) => name(it.before, 120) }, { title: "after", cell: (it) => name(it.after, 120) }], list)];
}

function reloadCard() {
  const result = h("div", { role: "status" });
  const button = h("button", { type: "button", cls: "primary", onclick: async () => {
    if (!await confirm({ title: "Reload", does: "Reload", says: "Configuration, users, rules and certificates are read again. If something is wrong, everything stays as it was." })) return;
    button.disabled = true;
    try {
      const told = await api.send("POST", "/reload");
      put(result, h("p", {}, badge("reloaded", "ok")), changes("Taken", told.taken), changes("Wait for a restart", told.waiting), told.taken?.length || told.waiting?.length ? null : h("p", { cls: "muted" }, "No setting is another than before."));
    } catch (error) {
      const faults = error.told?.error?.faults ?? error.told?.error?.errors ?? [];
      put(result, trouble(error), faults.length ? h("ul", {}, faults.map((it) => h("li", {}, seen([it.file, it.line].filter(Boolean).join(":") + " " + (it.message ?? ""))))) : null);
    }
    button.disabled = false;
  } }, "Reload");
  return h("section", { cls: "card" }, h("div", { cls: "card-head" }, h("h2", {}, "Configuration"), button), result.childElementCount ? null : h("p", { cls: "muted" }, "Reads files again, as SIGHUP does, and says what came of it."), result);
}

function levelCard() {
  const filter = input({ name: "filter", required: true, list: "filters", placeholder: "info,ringmq::broker=debug", cls: "long" });
  const seconds = select({ name: "seconds", value: "600" }, [["60", "1 minute"], ["600", "10 minutes"], ["3600", "1 hour"]]);
  const form = h("form", { cls: "filters" }, field("Filter", filter), h("datalist", { id: "filters" }, ["warn", "info", "debug", "info,ringmq::broker=debug"].map((value) => h("option", { value }))),
    field("For", seconds), h("button", { type: "submit", cls: "primary" }, "Set"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await api.send("PUT", "/log-level", {}, { filter: filter.value.trim(), seconds: Number(seconds.value) });
      say(`Logged is ${filter.value.trim()} for ${seconds.selectedOptions[0].textContent}, then what was before`, "ok");
    } catch (error) { say(error.missing ? "Not available in this broker" : [error.message, error.hint].filter(Boolean).join(": "), "bad"); }
  });
  return h("section", { cls: "card" }, h("h2", {}, "Log level"), h("p", { cls: "muted" }, "More of it, or less, for a while:"), form);
}

/// Disconnects clients over some time, for another broker, or accepts them again.
function drainCard() {
  const seconds = input({ name: "seconds", type: "number", min: 1, max: 86400, value: 60, required: true });
  const says = h("p", { cls: "muted" });
  const begin = h("button", { type: "button", cls: "danger", onclick: async () => {
    const values = await confirm({ title: "Drain", does: "Drain", says: [h("p", {}, "No client is let in from now on, /readyz says so, and all clients are disconnected evenly over this time."), h("p", {}, "It lasts until it is ended here or the broker restarts.")], fields: [field("Seconds", seconds)] });
    if (values) await act("POST", { seconds: Number(values.seconds) }, "The broker is draining");
  } }, "Drain");
  const end = h("button", { type: "button", cls: "primary", onclick: () => act("DELETE", undefined, "Clients are let in again") }, "Let clients in");
  async function act(method, body, done) {
    begin.disabled = end.disabled = true;
    try { await api.send(method, "/drain", {}, body); say(done, "ok"); } catch (error) { say([error.message, error.hint].filter(Boolean).join(": "), "bad"); }
    begin.disabled = end.disabled = false;
  }
  const show = () => {
    const now = live.latest();
    const draining = Boolean(now?.draining);
    begin.hidden = draining;
    end.hidden = !draining;
    says.textContent = draining ? `Draining: ${count(live.sum(now.metrics.connections))} connections are left.` : "Before a restart or an upgrade: has all clients leave evenly, so that they do not come back as one storm.";
  };
  show();
  return [h("section", { cls: "card" }, h("div", { cls: "card-head" }, h("h2", {}, "Drain"), begin, end), says), live.follow(show)];
}

const LINES_MAX = 1000;

/// The style of a line, in any log format.
function kindOf(line) {
  const level = /^(?:<(\d)>)|\b(ERROR|WARN|DEBUG|TRACE)\b|(?:"level":\s*"|level=)(\w+)/i.exec(line);
  const found = (level?.[2] ?? level?.[3] ?? { 3: "error", 4: "warn", 7: "debug" }[level?.[1]] ?? "").toLowerCase();
  return { error: "bad", warn: "warn", debug: "dim", trace: "dim" }[found] ?? "";
}

/// The last lines of the log, requested every two seconds while the page is shown.
function logCard() {
  const search = input({ placeholder: "part of a line", "aria-label": "Part of a line" });
  const list = h("div", { cls: "lines", tabindex: "0", role: "log", "aria-live": "off", "aria-label": "Lines of the log" });
  const node = h("section", { cls: "card" }, h("div", { cls: "card-head" }, h("h2", {}, "Log"), search), list);
  let from = 0, over = false, timer = null, broker = live.brokers();
  const fits = (line) => line.toLowerCase().includes(search.value.trim().toLowerCase());
  async function load() {
    if (over) return;
    // Another broker numbers its lines anew. Which one answers is known only from live figures.
    const { state } = live.connection();
    const isKnown = state === "live" || from === 0 && state === "connecting";
    if (broker !== live.brokers()) {
      list.append(h("div", { cls: "warn" }, "The broker was started again"));
      from = 0;
      broker = live.brokers();
    }
    try {
      if (isKnown && document.visibilityState === "visible") {
        const { first, items } = await api.get("/log", { from });
        const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
        for (const line of items) {
          const row = h("div", { cls: kindOf(line) }, seen(line.replace(/^<\d>/, "").slice(0, 2000)));
          row.hidden = !fits(line);
          list.append(row);
        }
        from = first + items.length;
        while (list.childElementCount > LINES_MAX) list.firstElementChild.remove();
        if (atEnd && items.length) list.scrollTop = list.scrollHeight;
      }
    } catch (error) {
      if (error.missing || error.status === 401) { put(list, trouble(error)); return; }
    }
    timer = setTimeout(load, 2000);
  }
  search.addEventListener("input", () => [...list.children].forEach((row) => { row.hidden = !fits(row.textContent); }));
  return { node, load, end() { over = true; clearTimeout(timer); } };
}

async function settings(room) {
  const body = h("div", {});
  const search = input({ placeholder: "part of a name", "aria-label": "Part of a setting’s name" });
  room.append(h("section", { cls: "card" }, h("div", { cls: "card-head" }, h("h2", {}, "Settings"), search), body));
  let items;
  try { ({ items = [] } = await api.get("/config")); } catch (error) { return put(body, trouble(error)); }
  const from = (it) => it.origin === "default" ? h("span", { cls: "muted" }, "default") : name([it.origin, it.variable, it.file && `${it.file}${it.line ? ":" + it.line : ""}`].filter(Boolean).join(" "), 120);
  const show = () => {
    const found = items.filter((it) => it.name.includes(search.value.trim()));
    put(body, found.length ? table("Settings", [
      { title: "setting", cell: (it) => h("code", {}, name(it.name, 80)) }, { title: "value", cell: (it) => { const own = (it.values ?? [it.value]).filter((v) => v !== null && v !== undefined).join(", "); return own === "" ? h("span", { cls: "muted" }, it.default || "–") : name(own, 160); } },
      { title: "from", cell: from }, { title: "a reload", wide: true, cell: (it) => words(it.reload ?? "") }], found) : empty("No such setting"));
  };
  search.addEventListener("input", show);
  show();
  return undefined;
}

export default {
  title: "Log",
  async open(room) {
    room.querySelector("h1").textContent = "Log and settings";
    const lines = logCard();
    room.append(lines.node);
    await lines.load();
    const acts = [["PUT", "/log-level", levelCard], ["POST", "/reload", reloadCard]].filter(([method, path]) => api.can("operate") && api.answers(method, path));
    if (acts.length) room.append(h("div", { cls: "two" }, acts.map(([, , make]) => make())));
    let unfollow = () => {};
    if (api.can("operate") && api.answers("POST", "/drain")) {
      const [card, stop] = drainCard();
      room.append(card);
      unfollow = stop;
    }
    await settings(room);
    return () => { unfollow(); lines.end(); };
  },
};
