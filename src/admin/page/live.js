// Live figures: one stream feeds all live parts of the page. It stops while the page is hidden.

import { ApiError, lines } from "./api.js";

const POINTS_MAX = 3600;
const FRAMES_MAX = 61;
const KEPT = "ringmq.history";
const KEPT_POINTS = 900;

const listeners = new Set();
let points = [];
let frames = [];
let state = "connecting";
let since = Date.now();
let error = null;
let abort = null;
let timer = null;
let wait = 1000;
let rates = null;
let restarts = 0;
let onBack = () => {};

export const latest = () => frames.at(-1)?.value ?? null;
export const history = () => points;
export const connection = () => ({ state, since, error });
/// Rates per second between the last two lines.
export const current = () => rates;

/// How often the broker was found to be another process than before.
export const brokers = () => restarts;

/// Calls `then` when the broker is reached again.
export const whenBack = (then) => { onBack = then; };

/// Seconds since the last line was received.
export const lineAge = () => (frames.length ? (Date.now() - frames.at(-1).t) / 1000 : 0);

/// Calls `then` now and after each change; returns a function that ends this.
export function follow(then) {
  listeners.add(then);
  then();
  return () => listeners.delete(then);
}

const tell = () => listeners.forEach((then) => then());

function become(next, why = null) {
  const isBack = state === "lost" && next === "live";
  if (state !== next) since = Date.now();
  state = next;
  error = why;
  tell();
  if (isBack) onBack();
}

export const sum = (value) => (typeof value === "number" ? value
  : value && typeof value === "object" ? Object.values(value).reduce((all, one) => all + sum(one), 0) : 0);

/// The growth of a counter with reasons within the last minute, by reason.
export function lastMinute(metric) {
  const now = frames.at(-1)?.value.metrics[metric];
  const then = frames[0]?.value.metrics[metric];
  if (now === undefined) return {};
  const of = (a, b) => Math.max(0, (a ?? 0) - (b ?? 0));
  if (typeof now !== "object") return { all: of(now, then) };
  return Object.fromEntries(Object.entries(now).map(([reason, value]) => [reason, of(value, then?.[reason])]));
}

/// Seconds that the last minute covers so far.
export const minuteLength = () => (frames.length < 2 ? 0 : (frames.at(-1).value.uptime_ms - frames[0].value.uptime_ms) / 1000);

/// The histograms of a line by name; a name with a label has several.
export function histograms(of) {
  const found = [];
  for (const [name, value] of Object.entries(of || {})) {
    if (!name.endsWith("_seconds") || !value || typeof value !== "object") continue;
    if ("p99" in value) found.push([name, value]);
    else for (const [label, inner] of Object.entries(value)) {
      if (inner && typeof inner === "object" && "p99" in inner) found.push([name + " " + label, inner]);
    }
  }
  return found;
}

function take(value) {
  const before = frames.at(-1)?.value;
  const t = Date.now();
  // Another broker, or a restarted one: earlier values do not compare.
  const isOther = before && (value.uptime_ms < before.uptime_ms || value.metrics.process_start_time_seconds !== before.metrics.process_start_time_seconds);
  const isNew = !before || isOther;
  if (isOther) restarts += 1;
  if (isNew) frames = [];
  const dt = isNew ? 0 : (value.uptime_ms - before.uptime_ms) / 1000;
  if (before && !isNew && dt <= 0) return;
  frames.push({ t, value });
  while (frames.length > FRAMES_MAX || value.uptime_ms - frames[0].value.uptime_ms > 61_000 && frames.length > 2) frames.shift();
  const m = value.metrics;
  const rate = (metric) => (dt > 0 ? Math.max(0, sum(m[metric]) - sum(before.metrics[metric])) / dt : null);
  const busy = {};
  for (const [shard, seconds] of Object.entries(m.shard_busy_seconds_total || {})) {
    const then = before?.metrics.shard_busy_seconds_total?.[shard];
    busy[shard] = dt > 0 && then !== undefined ? Math.min(1, Math.max(0, seconds - then) / dt) : null;
  }
  rates = { busy, dt };
  const point = {
    t, in: rate("messages_received_total"), out: rate("messages_sent_total"), drop: rate("messages_dropped_total"),
    bin: rate("received_bytes_total"), bout: rate("sent_bytes_total"), acks: rate("packets_sent_total"),
    conns: sum(m.connections), backlog: m.session_backlog_bytes, cpu: rate("process_cpu_seconds_total"), waits: rate("publisher_waits_total"),
    rss: m.process_resident_memory_bytes, free: m.disk_free_bytes, log: rate("log_appended_bytes_total"), connects: rate("connects_total"),
  };
  for (const [name, { p50, p99, p999, count }] of histograms(value.latency)) {
    if (count > 0) point["h:" + name] = [p50, p99, p999, count];
  }
  points.push(point);
  if (points.length > POINTS_MAX) points.splice(0, points.length - POINTS_MAX);
  wait = 1000;
  become("live");
}

async function run() {
  abort = new AbortController();
  const own = abort;
  try {
    await lines("/live", {}, own.signal, take);
    // The stream ended: tokens were reloaded, or the broker stops.
    if (own === abort) become("lost");
  } catch (why) {
    if (own !== abort || why.name === "AbortError") return;
    if (why instanceof ApiError && why.status === 401) return;
    become("lost", why instanceof ApiError && why.status ? why : null);
  }
  if (own !== abort) return;
  abort = null;
  timer = setTimeout(run, wait);
  wait = Math.min(wait * 2, 10_000);
}

/// Runs the stream from now on, while the tab is visible.
export function start() {
  stop();
  if (!points.length) recall();
  if (document.visibilityState === "visible") run();
}

export function stop() {
  clearTimeout(timer);
  const own = abort;
  abort = null;
  own?.abort();
}

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") stop();
  else if (sessionStorage.getItem("ringmq.token")) { become("connecting"); start(); }
});

// The collected values are restored when the page is reloaded.
addEventListener("pagehide", () => {
  try { sessionStorage.setItem(KEPT, JSON.stringify(points.slice(-KEPT_POINTS))); } catch { /* it is a convenience */ }
});

function recall() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) || "[]");
    points = kept.filter((point) => typeof point.t === "number" && point.t <= Date.now());
  } catch { points = []; }
}

export function forget() {
  stop();
  points = [];
  frames = [];
  rates = null;
  state = "connecting";
  sessionStorage.removeItem(KEPT);
}

// A stream without new lines is not live, whatever its last line said.
setInterval(() => {
  const last = frames.at(-1)?.t ?? since;
  if (state === "live" && Date.now() - last > 3500) become("stale");
  else if (state !== "live" && abort) tell();
}, 1000);
