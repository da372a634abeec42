// The frame: signing in, the pages, and the line of figures above each page.

import * as api from "./api.js";
import * as live from "./live.js";
import { age, bytes, h, icon, put, seen, short, text, trouble } from "./dom.js";
import overview from "./overview.js";
import clients from "./clients.js";
import closed from "./closed.js";
import sessions from "./sessions.js";
import retained from "./retained.js";
import { tail, trace } from "./trace.js";
import log from "./log.js";
import access from "./access.js";

const PAGES = { overview, clients, closed, sessions, retained, tail, trace, log, access };

const THEME = "ringmq.theme";

function applyTheme() {
  const theme = localStorage.getItem(THEME);
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

function turnTheme() {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  localStorage.setItem(THEME, dark ? "light" : "dark");
  applyTheme();
}

const brand = () => h("div", { cls: "brand" }, h("img", { src: "/page/icon.svg", alt: "", width: 26, height: 26 }), h("span", {}, "ringmq"));

/// Warnings for the operator, as sentences, the worst first.
function alarms() {
  const list = [];
  const { state, since, error } = live.connection();
  const silent = (Date.now() - since) / 1000;
  if (state === "lost") list.push(["bad", error ? `Live figures: ${error.message}. Trying again.` : `The broker has not been reached for ${age(Math.round(silent))}. Figures are old.`]);
  if (state === "stale") list.push(["warn", "The broker is silent. Figures are old."]);
  const now = live.latest();
  if (!now) return list;
  const m = now.metrics;
  if (now.draining) list.push(["warn", "The broker is draining: no client is let in, and those that are connected leave."]);
  if (!now.ready) list.push(["warn", "The broker is stopping: no client is let in."]);
  for (const shard of now.shards_without_figures) list.push(["bad", `Shard ${shard} has never answered.`]);
  for (const [shard, seconds] of Object.entries(m.snapshot_age_seconds || {})) {
    if (seconds > 3) list.push(["bad", `Shard ${shard} has not answered for ${age(seconds)}.`]);
  }
  if (m.disk_short) list.push(["bad", "Publishers wait for the disk: it is too full or too slow."]);
  else if (m.disk_size_bytes > 0 && m.disk_free_bytes < m.disk_low_limit_bytes * 2) list.push(["warn", `The disk is nearly full: ${bytes(m.disk_free_bytes)} free.`]);
  const failures = live.sum(live.lastMinute("disk_failures_total"));
  if (failures > 0) list.push(["bad", `The disk failed ${short(failures)} operations in the last minute.`]);
  if (m.config_last_reload_successful === 0) list.push(["bad", "The last reload failed: the broker runs with the configuration before. Its log says why."]);
  const dropped = live.lastMinute("messages_dropped_total");
  const drops = Object.entries(dropped).filter(([reason, n]) => n > 0 && reason !== "absent").reduce((all, [, n]) => all + n, 0);
  if (drops > 0) list.push(["warn", `${short(drops)} messages were dropped in the last minute.`]);
  return list;
}

function topLine() {
  const dot = h("span", { cls: "dot-state", "aria-hidden": "true" });
  const says = h("strong", {}, "connecting");
  const figures = {};
  const figure = (key, label, cls) => {
    figures[key] = h("strong", {}, "–");
    return h("div", { cls: "figure " + (cls || "") }, h("span", {}, label), figures[key]);
  };
  const node = h("section", { cls: "topline", "aria-label": "Figures" },
    h("div", { cls: "state" }, dot, says),
    figure("in", "in"), figure("out", "out"), figure("conns", "connections"), figure("lag", "worst lag", "lag"),
    figure("free", "disk free"), figure("drops", "drops, 1 min"));
  const update = () => {
    const { state } = live.connection();
    const now = live.latest();
    const bad = alarms();
    const kind = state !== "live" ? "old" : bad.some(([k]) => k === "bad") ? "bad" : bad.length ? "warn" : "ok";
    dot.className = "dot-state " + kind;
    text(says, state !== "live" ? { connecting: "connecting", lost: "not reached", stale: "silent" }[state] : kind === "ok" ? "well" : kind === "warn" ? "look" : "trouble");
    node.classList.toggle("stale", state !== "live");
    const last = live.history().at(-1);
    if (!now || !last) return;
    const m = now.metrics;
    text(figures.in, short(last.in) + "/s");
    text(figures.out, short(last.out) + "/s");
    text(figures.conns, short(live.sum(m.connections)));
    const lag = m.session_lag_seconds_max;
    node.classList.toggle("no-lag", lag === undefined);
    if (lag !== undefined) text(figures.lag, age(live.sum(lag)));
    text(figures.free, m.disk_size_bytes > 0 ? bytes(m.disk_free_bytes) : "–");
    text(figures.drops, short(live.sum(live.lastMinute("messages_dropped_total"))));
  };
  return { node, update };
}

let leave = () => {};

function frame() {
  const links = Object.entries(PAGES).map(([key, page]) =>
    h("a", { href: "#/" + key, "data-page": key }, icon(key), h("span", {}, page.title)));
  const line = topLine();
  const alarm = h("div", { cls: "alarms", "aria-live": "polite", role: "status" });
  const main = h("main", { id: "main", tabindex: "-1" });
  const rights = api.me().rights;
  const title = `rights: ${rights.join(", ") || "none"}`;
  put(document.body,
    h("a", { cls: "skip", href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } }, "To the page"),
    h("div", { cls: "shell" },
      h("header", { cls: "side" }, brand(), h("nav", { "aria-label": "Pages" }, links),
        h("div", { cls: "who" },
          h("div", { cls: "who-name", title }, h("bdi", {}, seen(api.me().name)), h("small", {}, rights.includes("admin") ? "all rights" : rights.includes("operate") ? "operator" : "read only")),
          h("button", { type: "button", cls: "quiet", title: "Light or dark", "aria-label": "Light or dark", onclick: turnTheme }, icon("theme")),
          h("button", { type: "button", cls: "quiet", title: "Sign out", "aria-label": "Sign out", onclick: api.signOut }, icon("out")))),
      h("div", { cls: "body" }, line.node, alarm, main)));
  let told = "";
  const unfollow = live.follow(() => {
    line.update();
    const list = alarms();
    // Digits change each second: screen readers are told only of other changes.
    const now = list.map(([kind, says]) => kind + says.replace(/[\d.,]+ ?[kMG]?/g, "#")).join();
    if (now !== told) put(alarm, list.map(([kind, says]) => h("div", { cls: "alarm " + kind }, says)));
    else list.forEach(([, says], at) => text(alarm.children[at], says));
    told = now;
  });
  let close = () => {};
  let opened = 0;
  async function route() {
    const [path, tail = ""] = location.hash.replace(/^#\/?/, "").split("?");
    const key = PAGES[path] ? path : "overview";
    close();
    close = () => {};
    document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
    links.forEach((link) => (link.dataset.page === key ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current")));
    document.querySelector(`[data-page=${key}]`).scrollIntoView({ block: "nearest", inline: "nearest" });
    document.title = `${PAGES[key].title} · ringmq`;
    const room = h("div", { cls: "page page-" + key }, h("h1", {}, PAGES[key].title));
    put(main, room);
    scrollTo(0, 0);
    const own = ++opened;
    try {
      const end = await PAGES[key].open(room, Object.fromEntries(new URLSearchParams(tail)));
      if (own === opened) close = end || (() => {});
      else end?.();
    } catch (error) {
      if (error.name !== "AbortError" && error.status !== 401) room.append(trouble(error));
    }
    room.dataset.ready = "yes";
  }
  addEventListener("hashchange", route);
  let known = live.brokers();
  live.whenBack(() => {
    // Another version may know other requests.
    if (known !== live.brokers()) api.resume().catch(() => {});
    known = live.brokers();
    if (main.querySelector(".unreached")) route();
  });
  route();
  live.start();
  leave = () => { removeEventListener("hashchange", route); unfollow(); close(); };
}

function signInForm(failed) {
  const secret = h("input", { type: "password", id: "secret", autocomplete: "off", spellcheck: "false", required: true });
  const fault = h("div", { cls: "fault", role: "alert" }, failed && [seen(failed.message), failed.hint && h("small", {}, seen(failed.hint))]);
  const button = h("button", { type: "submit", cls: "primary" }, "Sign in");
  const form = h("form", { cls: "signin" }, brand(), h("h1", {}, "Sign in"),
    h("label", { for: "secret" }, "Code or token"), secret, fault, button,
    h("p", { cls: "muted" }, "A code comes from ", h("code", {}, "ringmq ctl dashboard"), " on the broker’s host. The token is in ",
      h("code", {}, "admin.token"), " of the data directory, or one of ", h("code", {}, "--http-tokens"), "."));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    put(fault);
    try {
      await api.signIn(secret.value.trim());
      frame();
    } catch (error) {
      button.disabled = false;
      put(fault, seen(error.message), error.hint && h("small", {}, seen(error.hint)));
      secret.select();
    }
  });
  document.title = "Sign in · ringmq";
  put(document.body, h("main", { cls: "gate" }, form));
  secret.focus();
}

api.whenSignedOut((why) => { leave(); leave = () => {}; live.forget(); signInForm(why); });

async function begin() {
  applyTheme();
  const code = /^#code=([\w-]+)$/.exec(location.hash)?.[1];
  let failed = null;
  if (code) {
    // The code is valid once; it is removed so that no other page finds it in the history.
    history.replaceState(null, "", "/#/overview");
    try { await api.signIn(code); return frame(); } catch (error) { failed = error; }
  }
  try {
    if (await api.resume()) return frame();
  } catch (error) {
    if (error.status === 401) return failed ? signInForm(failed) : undefined;
    failed ??= error;
  }
  signInForm(failed);
}

begin();
