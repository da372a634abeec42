// Elements and text. Text of clients (ids, topics, payloads) becomes text nodes and nothing
// else: there is no markup from strings anywhere in the page.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name === "cls" ? "class" : name, value === true ? "" : value);
  }
  add(node, children);
  return node;
}

function add(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
}

/// An element with attributes, `on…` listeners and children.
export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);

/// The same for SVG.
export const s = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

/// Replaces the children of an element.
export function put(node, ...children) {
  const fresh = document.createDocumentFragment();
  add(fresh, children);
  node.replaceChildren(fresh);
  return node;
}

/// Sets text only if it differs, so that screen readers are not disturbed.
export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

// Invisible characters, and those that change the direction of the text around them.
// eslint-disable-next-line no-control-regex
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/// Foreign text for display: invisible characters are written out.
export const seen = (value) => String(value).replace(UNSEEN, (c) =>
  "⟨" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "⟩");

/// A foreign name, cut to a length, isolated from the direction of the text around it.
export function name(value, most = 80) {
  const whole = String(value ?? "");
  const cut = whole.length > most ? whole.slice(0, most) + "…" : whole;
  const title = whole.length > most ? `${whole.length} characters` : undefined;
  return h("bdi", { cls: "name", title }, whole === "" ? "(empty)" : seen(cut));
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/// 1234567 as 1,234,567.
export const count = (n) => (n === undefined || n === null ? "–" : whole.format(n));

/// 1234567 as 1.23 M.
export function short(n) {
  if (n === undefined || n === null || Number.isNaN(n)) return "–";
  for (const [step, unit] of [[1e9, " G"], [1e6, " M"], [1e4, " k"]]) {
    if (Math.abs(n) >= step) {
      const value = n / (step === 1e4 ? 1e3 : step);
      return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2) + unit;
    }
  }
  return n >= 100 || Number.isInteger(n) ? whole.format(n) : n.toFixed(n >= 10 ? 1 : 2);
}

/// Bytes in powers of two.
export function bytes(n) {
  if (n === undefined || n === null || Number.isNaN(n)) return "–";
  let unit = 0;
  while (Math.abs(n) >= 1024 && unit < 5) { n /= 1024; unit += 1; }
  return (unit === 0 ? Math.round(n) : n.toFixed(n >= 100 ? 0 : 1)) + " " + ["B", "KiB", "MiB", "GiB", "TiB", "PiB"][unit];
}

/// Seconds of a latency: 0.000123 as 123 µs.
export function brief(seconds) {
  if (seconds === undefined || seconds === null || Number.isNaN(seconds)) return "–";
  const digits = (v) => (v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v.toFixed(2));
  if (seconds === 0) return "0";
  if (seconds < 1e-3) return Math.round(seconds * 1e6) + " µs";
  return seconds < 1 ? digits(seconds * 1e3) + " ms" : digits(seconds) + " s";
}

/// Seconds of a duration: 4000 as 1 h 6 m.
export function age(seconds) {
  if (seconds === undefined || seconds === null || Number.isNaN(seconds)) return "–";
  if (seconds < 10) return seconds.toFixed(1).replace(/\.0$/, "") + " s";
  const n = Math.round(seconds);
  if (n < 60) return n + " s";
  if (n < 3600) return `${Math.floor(n / 60)} m ${n % 60} s`;
  if (n < 86400) return `${Math.floor(n / 3600)} h ${Math.floor((n % 3600) / 60)} m`;
  return `${Math.floor(n / 86400)} d ${Math.floor((n % 86400) / 3600)} h`;
}

export const percent = (fraction) => (Number.isFinite(fraction) ? (fraction * 100).toFixed(fraction < 0.1 ? 1 : 0) + " %" : "–");

/// A reason of the broker, in words.
export const words = (reason) => String(reason).replaceAll("_", " ");

const ICONS = {
  overview: "M2 9.5 5 6l3 3 5.5-6M2 13.5h12", clients: "M8 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM2.5 14c.6-2.6 2.8-4 5.5-4s4.9 1.4 5.5 4",
  closed: "M6 2.500H3v11h3M7 8h7m-2.5-3L14 8l-2.5 3", sessions: "M2.5 3.500h11v3h-11zm0 5h11v4h-11zM5 5h.01M5 10.500h.01",
  retained: "M4 2.500h8v11l-4-3-4 3z", tail: "M2.5 4h11M2.5 8h7m-7 4h4m5.5-3v4.500m-2-2 2 2 2-2", trace: "M7 12a5 5 0 1 0 0-10 5 5 0 0 0 0 10Zm3.5-1.500L14 14",
  log: "M3.5 2h9v12h-9zM6 5.500h4m-4 3h4m-4 3h2", access: "M8 1.8 3 4v4c0 3 2 5.3 5 6.3 3-1 5-3.3 5-6.300V4zM6 8l1.5 1.500L10.2 6.6",
  close: "M4 4l8 8m0-8-8 8", theme: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12", out: "M9 2.500H3v11h6M7 8h7m-2.5-2.500L14 8l-2.5 2.5",
};

export const icon = (which) => s("svg", { viewBox: "0 0 16 16", cls: "icon", "aria-hidden": "true" },
  s("path", { d: ICONS[which], fill: "none", stroke: "currentColor", "stroke-width": "1.5", "stroke-linecap": "round", "stroke-linejoin": "round" }));

/// A titled box.
export const card = (title, props, ...children) => {
  const { extra, ...rest } = props || {};
  return h("section", { ...rest, cls: "card " + (rest.cls || "") },
    h("div", { cls: "card-head" }, h("h2", {}, title), extra), ...children);
};

/// A labelled control of a form.
export const field = (label, control) => h("label", { cls: "field" }, h("span", {}, label), control);

export const input = (props) => h("input", { type: "text", autocomplete: "off", spellcheck: "false", ...props });

export const select = (props, options) => {
  const { value, ...rest } = props;
  const node = h("select", rest, options.map(([of, label]) => h("option", { value: of }, label)));
  if (value !== undefined) node.value = value;
  return node;
};

/// An error or an empty result, in place of the content.
export function trouble(error) {
  if (error.missing) {
    return h("div", { cls: "empty" }, h("strong", {}, "Not available in this broker"),
      h("p", {}, "Its version does not answer this question."));
  }
  // What the broker has not answered is requested again when it is back.
  return h("div", { cls: error.status === 0 ? "empty bad unreached" : "empty bad", role: "alert" }, h("strong", {}, seen(error.message)), error.hint && h("p", {}, seen(error.hint)));
}

export const empty = (says, more) => h("div", { cls: "empty" }, h("strong", {}, says), more && h("p", {}, more));

/// A short word in a coloured frame.
export const badge = (says, kind) => h("span", { cls: "badge " + (kind || "") }, says);

/// A table; columns have a title, whether they are numbers, and a cell for each row.
export function table(label, columns, rows) {
  const kind = (column) => [column.num && "num", column.wide && "wide"].filter(Boolean).join(" ") || undefined;
  return h("div", { cls: "scroll", tabindex: "0", role: "region", "aria-label": label },
    h("table", {}, h("caption", { cls: "hidden" }, label),
      h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col", cls: kind(column) }, column.title)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((column, at) =>
        h(at === 0 ? "th" : "td", { scope: at === 0 ? "row" : undefined, cls: kind(column) }, column.cell(row))))))));
}

/// Pairs of names and values.
export const pairs = (list) => h("dl", { cls: "pairs" }, list.filter(Boolean).map(([key, value]) => [h("dt", {}, key), h("dd", {}, value)]));

/// Asks for confirmation; resolves to the form's values, or null.
export function confirm({ title, says, does, fields = [] }) {
  return new Promise((resolve) => {
    const form = h("form", { method: "dialog", cls: "stack" },
      h("h2", { id: "confirm-title" }, title), h("div", { cls: "says" }, says), fields,
      h("div", { cls: "buttons" },
        h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
        h("button", { type: "submit", value: "yes", cls: "danger" }, does)));
    const dialog = h("dialog", { cls: "confirm", "aria-labelledby": "confirm-title" }, form);
    dialog.addEventListener("close", () => {
      const values = dialog.returnValue === "yes" ? Object.fromEntries(new FormData(form)) : null;
      dialog.remove();
      resolve(values);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

let toasts;

/// Reports for some seconds what was done.
export function say(message, kind) {
  if (!toasts?.isConnected) {
    toasts = h("div", { cls: "toasts", role: "status", "aria-live": "polite" });
    document.body.append(toasts);
  }
  const node = h("div", { cls: "toast " + (kind || "") }, seen(message));
  toasts.append(node);
  setTimeout(() => node.remove(), 6000);
}
