// Charts in SVG: lines over time with the values beside them, and small ones without.

import { h, s, put } from "./dom.js";

const HEIGHT = 168;
const PAD = { left: 52, right: 10, top: 8, bottom: 20 };
const GAP_MS = 4500;

// The time at the pointer, for all charts together.
let cursor = null;
const charts = new Set();

function point(at) {
  cursor = at;
  charts.forEach((draw) => draw());
}

/// Round numbers from 0 up to at least `most`.
function ticks(most) {
  if (!(most > 0)) return [0, 1];
  const raw = most / 3;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= raw - 1e-12);
  const list = [];
  for (let at = 0; at < most + step * 0.999; at += step) list.push(at);
  return list;
}

/// The same in powers of two, for bytes.
function byteTicks(most) {
  if (!(most > 0)) return [0, 1024];
  let step = 2 ** Math.ceil(Math.log2(most / 4));
  if (most / step <= 2) step /= 2;
  const list = [];
  for (let at = 0; at < most + step * 0.999; at += step) list.push(at);
  return list;
}

const clock = (t) => new Date(t).toTimeString().slice(0, 8);

// Seconds that an axis may show, and the number of its parts.
const SPANS = [[60, 4], [120, 4], [300, 5], [900, 3], [3600, 4]];

/// The axis for a span of time: no longer than the data, and no longer than requested.
function spanOf(points, seconds) {
  const known = points.length ? (points.at(-1).t - points[0].t) / 1000 : 0;
  return SPANS.find(([span]) => span >= seconds || span >= known) ?? SPANS.at(-1);
}

function back(seconds) {
  if (seconds === 0) return "now";
  return seconds < 60 || seconds % 60 ? `−${seconds} s` : `−${seconds / 60} min`;
}

/// A chart of lines. A series has a `label`, a colour class `cls`, and takes its value `of` a
/// point; `show` makes text of values. With `log` the axis has powers of ten.
export function lineChart({ label, series, show, isBytes, log, fill = true }) {
  const legend = h("div", { cls: "legend" });
  const values = series.map((one) => {
    const value = h("strong", {}, "–");
    legend.append(h("span", { cls: "key " + one.cls }, h("i", { "aria-hidden": "true" }), one.label, " ", value));
    return value;
  });
  const when = h("span", { cls: "when" });
  legend.append(when);
  const svg = s("svg", { cls: "chart", role: "img", "aria-label": label, height: HEIGHT });
  const node = h("div", { cls: "chart-box" }, legend, svg);
  let data = [], wanted = 300, span = 300_000, width = 600, shown = [];

  function draw() {
    if (!node.isConnected) return;
    const now = data.at(-1)?.t ?? Date.now();
    const [axis, cuts] = spanOf(data, wanted);
    span = axis * 1000;
    const from = now - span;
    shown = data.filter((p) => p.t >= from - 2000);
    const inner = { w: Math.max(40, width - PAD.left - PAD.right), h: HEIGHT - PAD.top - PAD.bottom };
    const x = (t) => PAD.left + ((t - from) / span) * inner.w;
    let most = 0, least = Infinity;
    for (const p of shown) for (const one of series) {
      const v = one.of(p);
      if (v > most) most = v;
      if (v > 0 && v < least) least = v;
    }
    let y, marks;
    if (log) {
      const low = Math.floor(Math.log10(Number.isFinite(least) ? least : 1e-4));
      const high = Math.max(low + 1, Math.ceil(Math.log10(most > 0 ? most : 1e-2) - 1e-9));
      marks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
      y = (v) => PAD.top + inner.h * (1 - (Math.log10(Math.max(v, 10 ** low)) - low) / (high - low));
    } else {
      marks = isBytes ? byteTicks(most) : ticks(most);
      const top = marks.at(-1);
      y = (v) => PAD.top + inner.h * (1 - v / top);
    }
    const parts = marks.map((mark) => [
      s("line", { cls: "rule", x1: PAD.left, x2: PAD.left + inner.w, y1: y(mark), y2: y(mark) }),
      s("text", { cls: "tick", x: PAD.left - 8, y: y(mark) + 4, "text-anchor": "end" }, show(mark))]);
    const steps = width < 420 && cuts % 2 === 0 ? 2 : cuts;
    for (let i = 0; i <= steps; i += 1) {
      const ago = Math.round(axis * (1 - i / steps));
      parts.push(s("text", { cls: "tick", x: PAD.left + (inner.w * i) / steps, y: HEIGHT - 4,
        "text-anchor": i === 0 ? "start" : i === steps ? "end" : "middle" }, back(ago)));
    }
    const base = PAD.top + inner.h;
    series.forEach((one, index) => {
      let path = "", area = "", start = null, last = null;
      for (const p of shown) {
        const v = one.of(p);
        const known = v !== null && v !== undefined;
        const joins = last && p.t - last.t < GAP_MS && known;
        if (last && !joins && start !== null) { area += `L${x(last.t).toFixed(1)} ${base}Z`; start = null; }
        if (!known) { last = null; continue; }
        const at = `${x(p.t).toFixed(1)} ${y(v).toFixed(1)}`;
        path += (joins ? "L" : "M") + at;
        if (start === null) { start = p; area += `M${x(p.t).toFixed(1)} ${base}L${at}`; } else area += "L" + at;
        last = p;
      }
      if (start !== null && last) area += `L${x(last.t).toFixed(1)} ${base}Z`;
      if (fill && index === 0 && !log) parts.push(s("path", { cls: "area " + one.cls, d: area }));
      parts.push(s("path", { cls: "line " + one.cls, d: path }));
    });
    const at = cursor !== null && shown.length ? shown.reduce((a, b) => (Math.abs(b.t - cursor) < Math.abs(a.t - cursor) ? b : a)) : null;
    const told = at ?? shown.at(-1);
    if (at) {
      parts.push(s("line", { cls: "cursor", x1: x(at.t), x2: x(at.t), y1: PAD.top, y2: base }));
      for (const one of series) {
        const v = one.of(at);
        if (v !== null && v !== undefined) parts.push(s("circle", { cls: "dot " + one.cls, cx: x(at.t), cy: y(v), r: 3.5 }));
      }
    }
    svg.setAttribute("width", width);
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    put(svg, parts);
    when.textContent = at ? clock(at.t) : "";
    series.forEach((one, index) => {
      const v = told ? one.of(told) : null;
      values[index].textContent = v === null || v === undefined ? "–" : show(v);
    });
    const said = series.map((one, index) => `${one.label} ${values[index].textContent}`).join(", ");
    svg.setAttribute("aria-label", `${label}: ${said}`);
  }

  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const now = data.at(-1)?.t ?? Date.now();
    point(now - span + ((event.clientX - box.left - PAD.left) / Math.max(40, width - PAD.left - PAD.right)) * span);
  });
  svg.addEventListener("pointerleave", () => point(null));
  const observer = new ResizeObserver(([entry]) => {
    width = Math.max(200, Math.floor(entry.contentRect.width));
    draw();
  });
  observer.observe(node);
  charts.add(draw);
  return {
    node,
    update(points, seconds) { data = points; wanted = seconds; draw(); },
    end() { observer.disconnect(); charts.delete(draw); },
  };
}

/// A small line without axes, for the shape of the last minutes.
export function spark(cls) {
  const svg = s("svg", { cls: "spark", viewBox: "0 0 100 28", preserveAspectRatio: "none", "aria-hidden": "true" });
  return {
    node: svg,
    update(points, of) {
      const now = points.at(-1)?.t ?? 0;
      const seen = points.filter((p) => p.t > now - 180_000 && of(p) !== null && of(p) !== undefined);
      if (seen.length < 2) return put(svg);
      const most = Math.max(...seen.map(of), 1e-9);
      const first = Math.min(seen[0].t, now - 60_000);
      const at = seen.map((p) => `${(((p.t - first) / (now - first)) * 100).toFixed(2)} ${(26 - (of(p) / most) * 23).toFixed(2)}`);
      const begin = at[0].split(" ")[0];
      put(svg, s("path", { cls: "area " + cls, d: `M${begin} 28L${at.join("L")}L100 28Z` }),
        s("path", { cls: "line " + cls, d: "M" + at.join("L") }));
    },
  };
}
