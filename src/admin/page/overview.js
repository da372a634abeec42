// The state of the broker: rates, latencies, shards, drops and waits, the disk.

import * as api from "./api.js";
import * as live from "./live.js";
import { lineChart, spark } from "./chart.js";
import { age, badge, brief, bytes, card, count, empty, h, name, pairs, percent, put, seen, select, short, text, words } from "./dom.js";

const RANGE = "ringmq.range";
const TITLES = {
  publish_ack_duration_seconds: "Acknowledge", publish_store_duration_seconds: "Store", log_sync_duration_seconds: "Sync",
  turn_duration_seconds: "Turn", deliver_duration_seconds: "Deliver", queue_wait_duration_seconds: "Queue wait", client_ack_duration_seconds: "Client ack",
};
const MEANINGS = {
  publish_ack_duration_seconds: "message received to PUBACK or PUBREC", publish_store_duration_seconds: "message received to written in the log",
  deliver_duration_seconds: "message received to a subscriber’s output", queue_wait_duration_seconds: "stored to first sent, if it waited",
  client_ack_duration_seconds: "sent to acknowledged by the client",
  log_sync_duration_seconds: "one commit group, written and synced", turn_duration_seconds: "one turn of a shard, without its sleep",
};

// In the order in which a message passes them.
const ORDER = Object.keys(MEANINGS);
const rank = ([key]) => { const at = ORDER.indexOf(key.split(" ")[0]); return at < 0 ? ORDER.length : at; };

const titleOf = (key) => {
  const [metric, ...label] = key.split(" ");
  return (TITLES[metric] || words(metric.replace(/_duration_seconds$/, ""))) + (label.length ? `, ${label.join(" ")}` : "");
};

function tile(label, cls, of) {
  const value = h("div", { cls: "value" }, "–");
  const more = h("div", { cls: "more" });
  const line = spark(cls);
  return {
    node: h("div", { cls: "tile" }, h("div", { cls: "label" }, label), value, more, line.node),
    update(now, says) { text(value, now); text(more, says || ""); line.update(live.history(), of); },
  };
}

/// Counts by reason: in the last minute, and since the start.
function reasons(title, metrics, none) {
  const body = h("div", {});
  return {
    node: card(title, { cls: "reasons" }, body),
    update(m) {
      const rows = metrics.flatMap(([metric, prefix]) => {
        const minute = live.lastMinute(metric);
        const all = typeof m[metric] === "object" ? m[metric] : { [prefix]: m[metric] ?? 0 };
        return Object.entries(all).map(([reason, total]) => ({ reason: prefix && typeof m[metric] === "object" ? `${prefix}: ${reason}` : reason, total, minute: minute[reason] ?? minute.all ?? 0 }));
      }).filter((row) => row.total > 0).sort((a, b) => b.minute - a.minute || b.total - a.total);
      if (!rows.length) return put(body, empty(none));
      const most = Math.max(...rows.map((row) => row.minute), 1);
      const bar = (row) => {
        const node = h("meter", { min: 0, max: most, "aria-label": words(row.reason) });
        node.value = row.minute;
        return node;
      };
      return put(body, h("table", { cls: "compact" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "reason"), h("th", { scope: "col", cls: "bar" }, h("span", { cls: "hidden" }, "share")), h("th", { scope: "col", cls: "num" }, "last minute"), h("th", { scope: "col", cls: "num" }, "since start"))),
        h("tbody", {}, rows.slice(0, 8).map((row) => h("tr", { cls: row.minute ? "" : "calm" }, h("th", { scope: "row" }, words(row.reason)), h("td", { cls: "bar" }, bar(row)), h("td", { cls: "num" }, short(row.minute)), h("td", { cls: "num" }, short(row.total)))))));
    },
  };
}

function shardCard() {
  const body = h("div", { cls: "shards" });
  const rows = new Map();
  return {
    node: card("Load per shard", {}, body),
    update(now) {
      const m = now.metrics;
      const busy = live.current()?.busy || {};
      for (let shard = 0; shard < now.shards; shard += 1) {
        if (!rows.has(shard)) {
          const row = { load: h("strong", {}), says: h("span", { cls: "muted" }), bar: h("meter", { min: 0, max: 1, high: 0.75, low: 0.5, optimum: 0, "aria-label": `Load of shard ${shard}` }) };
          row.node = h("div", { cls: "shard" }, h("span", {}, `Shard ${shard}`), row.bar, row.load, row.says);
          rows.set(shard, row);
          body.append(row.node);
        }
        const row = rows.get(shard);
        const known = m.snapshot_age_seconds?.[shard];
        const old = known === undefined ? undefined : known + live.lineAge();
        const silent = old === undefined || old > 4 || live.connection().state !== "live";
        row.node.classList.toggle("silent", silent);
        const load = silent ? null : busy[shard];
        row.bar.value = load ?? 0;
        text(row.load, load === null || load === undefined ? "–" : percent(load));
        const here = `${short(m.shard_connections?.[shard] ?? 0)} connections · ${short(m.shard_sessions?.[shard] ?? 0)} sessions`;
        text(row.says, old === undefined ? "has never answered" : silent ? `silent, figures ${age(old)} old` : here);
      }
    },
  };
}

/// Seconds until free space reaches its limit at the rate of the last minutes; null if it does not
/// decrease.
function timeToFull(m) {
  const seen = live.history().filter((p) => p.free > 0 && p.t > Date.now() - 900_000);
  if (seen.length < 30 || seen.at(-1).t - seen[0].t < 60_000) return undefined;
  const t0 = seen[0].t;
  const n = seen.length;
  const mt = seen.reduce((all, p) => all + (p.t - t0), 0) / n;
  const mf = seen.reduce((all, p) => all + p.free, 0) / n;
  let cov = 0, varT = 0;
  for (const p of seen) { cov += (p.t - t0 - mt) * (p.free - mf); varT += (p.t - t0 - mt) ** 2; }
  const slope = (cov / varT) * 1000;
  // Lower rates are noise: the disk would take a year or more to fill.
  if (!(slope < 0) || m.disk_free_bytes / -slope > 31_536_000) return null;
  return Math.max(0, m.disk_free_bytes - m.disk_low_limit_bytes) / -slope;
}

function diskCard() {
  const body = h("div", {});
  const meter = h("meter", { min: 0, max: 1, "aria-label": "Used space of the disk" });
  const head = h("div", { cls: "disk-head" });
  body.append(head, meter);
  const list = h("div", {});
  body.append(list);
  return {
    node: card("Disk", {}, body),
    update(m) {
      const size = m.disk_size_bytes;
      if (!size) return put(body, empty("No figures of the disk yet"));
      const used = (size - m.disk_free_bytes) / size;
      const limit = 1 - m.disk_low_limit_bytes / size;
      Object.assign(meter, { low: Math.max(0, limit - 0.1), high: limit, optimum: 0, value: used });
      put(head, h("strong", {}, bytes(m.disk_free_bytes)), ` free of ${bytes(size)}`, m.disk_short ? badge("publishers wait", "bad") : null);
      const full = timeToFull(m);
      put(list, pairs([
        ["Time to full", full === undefined ? "after a minute of figures" : full === null ? "not filling" : age(full)],
        ["Publishers wait below", bytes(m.disk_low_limit_bytes)],
        ["Log", `${bytes(m.log_bytes)} in ${count(live.sum(m.log_segments) - (m.log_segments?.spare ?? 0))} segments`],
        ["Written", bytes(live.history().at(-1)?.log ?? 0) + "/s"],
        ["Not committed", bytes(m.log_uncommitted_bytes)],
        ["To read at a start", bytes(m.log_since_checkpoint_bytes)],
      ]));
    },
  };
}

function latencyCard() {
  let chosen = "publish_ack_duration_seconds";
  const pick = h("div", { cls: "segments", role: "group", "aria-label": "Latency of" });
  const meaning = h("p", { cls: "muted meaning" });
  const of = (at) => (p) => p["h:" + chosen]?.[at];
  const chart = lineChart({ label: "Latency", log: true, show: brief, series: [
    { label: "p50", cls: "s1", of: of(0) }, { label: "p99", cls: "s2", of: of(1) }, { label: "p99.9", cls: "s3", of: of(2) }] });
  const body = h("tbody", {});
  const tableNode = h("table", { cls: "compact tight" }, h("thead", {}, h("tr", {}, ["", "/s", "p50", "p99", "p99.9", "p99, all"].map((title, at) => h("th", { scope: "col", cls: at ? "num" : undefined }, title || h("span", { cls: "hidden" }, "of"))))), body);
  let keys = "";
  const buttons = new Map();
  const mark = () => {
    buttons.forEach((button, key) => button.setAttribute("aria-pressed", String(key === chosen)));
    text(meaning, `${titleOf(chosen)}: ${MEANINGS[chosen.split(" ")[0]] || ""}; each second by itself.`);
  };
  return {
    node: card("Latency", { extra: pick, cls: "latency" }, meaning, h("div", { cls: "split" }, chart.node, h("div", { cls: "scroll", tabindex: "0", role: "region", "aria-label": "Latencies" }, tableNode))),
    update(now, range) {
      const all = live.histograms(now.metrics).sort((a, b) => rank(a) - rank(b));
      const list = all.map(([key]) => key).join();
      if (list !== keys) {
        keys = list;
        buttons.clear();
        for (const [key] of all) buttons.set(key, h("button", { type: "button", onclick: () => { chosen = key; mark(); chart.update(live.history(), range()); } }, titleOf(key)));
        put(pick, [...buttons.values()]);
        mark();
      }
      const recent = new Map(live.histograms(now.latency));
      const dt = live.current()?.dt || 1;
      put(body, all.map(([key, start]) => {
        const it = recent.get(key);
        const on = it && it.count > 0;
        return h("tr", { cls: on ? "" : "calm" }, h("th", { scope: "row" }, titleOf(key)), h("td", { cls: "num" }, on ? short(it.count / dt) : "0"),
          [it?.p50, it?.p99, it?.p999].map((v) => h("td", { cls: "num" }, on ? brief(v) : "–")), h("td", { cls: "num" }, start.count ? brief(start.p99) : "–"));
      }));
      chart.update(live.history(), range());
    },
    end: chart.end,
  };
}

async function certificates(room) {
  try {
    const { items = [] } = await api.get("/certificates");
    if (!items.length) return;
    room.append(card("Certificates", {}, h("table", { cls: "compact" }, h("thead", {}, h("tr", {}, ["name", "valid until", "left"].map((title) => h("th", { scope: "col" }, title)))),
      h("tbody", {}, items.map((it) => {
        // A list of revoked certificates may lack an end of validity.
        const at = it.not_after ? Date.parse(it.not_after) : Infinity;
        const left = (at - Date.now()) / 1000;
        return h("tr", {}, h("th", { scope: "row", title: seen(it.file ?? "") }, name(it.subject || it.file || "")), h("td", {}, Number.isFinite(at) ? new Date(at).toISOString().slice(0, 10) : "–"),
          h("td", {}, left === Infinity ? "no end" : badge(left > 0 ? age(left) : "expired", left < 86400 ? "bad" : left < 14 * 86400 ? "warn" : "ok")));
      })))));
  } catch { /* a broker without TLS, or one that does not tell */ }
}

export default {
  title: "Overview",
  open(room) {
    const range = select({ "aria-label": "Time that charts show", value: sessionStorage.getItem(RANGE) || "300" },
      [["60", "1 minute"], ["300", "5 minutes"], ["900", "15 minutes"], ["3600", "1 hour"]]);
    const seconds = () => Number(range.value);
    const head = h("div", { cls: "muted subtitle" });
    room.querySelector("h1").after(head);
    room.querySelector("h1").append(range);
    const tiles = {
      in: tile("Messages in", "s1", (p) => p.in), out: tile("Messages out", "s2", (p) => p.out), conns: tile("Connections", "s1", (p) => p.conns),
      backlog: tile("Backlog", "s2", (p) => p.backlog), drops: tile("Dropped, last minute", "s3", (p) => p.drop), cpu: tile("CPU", "s1", (p) => p.cpu),
    };
    const messages = lineChart({ label: "Messages per second", show: short, series: [
      { label: "in", cls: "s1", of: (p) => p.in }, { label: "out", cls: "s2", of: (p) => p.out }, { label: "dropped", cls: "s3", of: (p) => p.drop }] });
    const traffic = lineChart({ label: "Bytes per second", show: bytes, isBytes: true, series: [
      { label: "in", cls: "s1", of: (p) => p.bin }, { label: "out", cls: "s2", of: (p) => p.bout }, { label: "log", cls: "s3", of: (p) => p.log }] });
    const latency = latencyCard();
    const shards = shardCard();
    const disk = diskCard();
    const lists = [
      reasons("Drops", [["messages_dropped_total", ""]], "Nothing was dropped"),
      reasons("Publishers wait for", [["publisher_waits_total", ""], ["request_waits_total", "requests for the disk"]], "No publisher had to wait"),
      reasons("Refused", [["connects_refused_total", ""], ["connections_refused_total", ""], ["messages_denied_total", "messages denied"], ["subscriptions_refused_total", "subscription"]], "Nobody was refused"),
      reasons("Disconnects", [["disconnects_total", ""]], "No connection has ended"),
    ];
    const grid = h("div", { cls: "grid" }, shards.node, disk.node, lists.map((list) => list.node));
    room.append(h("div", { cls: "tiles" }, Object.values(tiles).map((one) => one.node)),
      h("div", { cls: "two" }, card("Messages per second", {}, messages.node), card("Bytes per second", {}, traffic.node)), latency.node, grid);
    certificates(grid);
    const update = () => {
      const now = live.latest();
      const points = live.history();
      messages.update(points, seconds());
      traffic.update(points, seconds());
      if (!now) return;
      const m = now.metrics;
      const p = points.at(-1) || {};
      text(head, `Version ${now.version} · up ${age(now.uptime_seconds)} · ${now.shards} ${now.shards === 1 ? "shard" : "shards"} · ${short(m.subscriptions)} subscriptions · ${short(m.retained_messages)} retained`);
      tiles.in.update(short(p.in) + "/s", bytes(p.bin) + "/s");
      tiles.out.update(short(p.out) + "/s", bytes(p.bout) + "/s");
      const states = m.sessions || {};
      tiles.conns.update(short(live.sum(m.connections)), typeof states === "object" ? `${short(live.sum(states))} sessions, ${short(live.sum(states.absent))} absent` : "");
      tiles.backlog.update(bytes(m.session_backlog_bytes), m.session_backlog_messages !== undefined ? `${short(live.sum(m.session_backlog_messages))} messages` : m.sessions_full ? `${short(m.sessions_full)} sessions full` : "waiting in sessions");
      const dropped = Object.entries(live.lastMinute("messages_dropped_total")).sort((a, b) => b[1] - a[1]);
      const most = dropped[0]?.[1] > 0 ? `mostly ${words(dropped[0][0])}` : "none";
      tiles.drops.update(short(live.sum(Object.fromEntries(dropped))), most);
      tiles.cpu.update(p.cpu === null || p.cpu === undefined ? "–" : percent(p.cpu), `of one core · ${bytes(m.process_resident_memory_bytes)}`);
      shards.update(now);
      disk.update(m);
      latency.update(now, seconds);
      lists.forEach((list) => list.update(m));
    };
    range.addEventListener("change", () => { sessionStorage.setItem(RANGE, range.value); update(); });
    const unfollow = live.follow(update);
    return () => { unfollow(); messages.end(); traffic.end(); latency.end(); };
  },
};
