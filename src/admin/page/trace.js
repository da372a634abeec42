// Live messages of the broker: those of a topic filter, or everything of one client.
// The broker bounds the trace, and reports how many events it left out.

import * as api from "./api.js";
import { age, badge, confirm, count, empty, field, h, input, name, put, say, seen, select, trouble, words } from "./dom.js";
import { payload, vhostField } from "./detail.js";

const ROWS_MAX = 500;
const BUFFER_MAX = 2000;

// Fields that a line shows elsewhere, or not at all.
const PLACED = ["time", "client", "client_id", "vhost", "direction", "packet", "kind", "topic", "qos", "retain", "dup", "payload", "payload_base64", "payload_bytes", "bytes", "address", "decision", "shard", "outcome", "allowed"];

function clockOf(event) {
  const date = new Date(event.time);
  return Number.isNaN(date.getTime()) ? "" : date.toTimeString().slice(0, 8) + "." + String(date.getMilliseconds()).padStart(3, "0");
}

const plain = (value) => (Array.isArray(value) ? value.map(plain).join(", ") : value !== null && typeof value === "object" ? Object.values(value).map(plain).join(" ") : String(value));

const empties = (value) => value === null || value === undefined || value === "" || value === false || (Array.isArray(value) && !value.length);

/// The further fields of a line.
const rest = (event) => Object.entries(event).filter(([key, value]) => !PLACED.includes(key) && !empties(value))
  .map(([key, value]) => (key === "why" ? plain(value) : `${words(key)} ${plain(value)}`)).join(" · ");

const ARROWS = { received: ["→", "from the client"], sent: ["←", "to the client"], own: ["•", "from the broker"] };
const OUTCOMES = { sent: "ok", waits: "warn", dropped: "bad" };

function row(event) {
  if (event.skipped !== undefined) return h("div", { cls: "event skipped" }, `${count(event.skipped)} events were left out`);
  if (event.ended !== undefined) return h("div", { cls: "event skipped" }, `The trace has ended: ${seen(event.ended)}`);
  const has = event.payload_bytes > 0;
  const [arrow, meaning] = ARROWS[event.direction] ?? ["", ""];
  const line = [
    h("time", { title: event.time }, clockOf(event)), h("span", { cls: "arrow", title: meaning }, arrow), h("b", {}, words(event.decision ?? event.packet ?? event.kind ?? "")),
    event.client ? h("span", { title: event.address }, name(event.client, 40)) : null, event.topic !== undefined ? h("span", { cls: "topic" }, name(event.topic, 120)) : null,
    event.qos !== undefined && event.qos !== null ? badge("QoS " + event.qos) : null, event.retain ? badge("retain") : null, event.dup ? badge("again", "warn") : null,
    event.outcome ? badge(words(event.outcome), OUTCOMES[event.outcome]) : null, event.allowed !== undefined ? badge(event.allowed ? "allowed" : "denied", event.allowed ? "ok" : "bad") : null,
    h("span", { cls: "muted rest" }, seen(rest(event)).slice(0, 400)),
    has ? h("span", { cls: "muted head" }, event.payload === undefined ? "binary" : seen(event.payload.slice(0, 60))) : null];
  if (!has) return h("div", { cls: "event" }, line);
  const inner = h("details", { cls: "event" }, h("summary", {}, line));
  inner.addEventListener("toggle", () => { if (inner.open && inner.childElementCount === 1) inner.append(payload(event)); });
  return inner;
}

/// The stream of a trace; it pauses while the operator has scrolled away from its newest line.
function viewer(room) {
  const says = h("span", { cls: "muted", role: "status" });
  const list = h("div", { cls: "events", tabindex: "0", role: "log", "aria-live": "off", "aria-label": "Events" });
  const pause = h("button", { type: "button", "aria-pressed": "false", onclick: () => turn(!paused) }, "Pause");
  const clear = h("button", { type: "button", onclick: () => { put(list); seenCount = 0; state(); } }, "Clear");
  const stop = h("button", { type: "button", cls: "danger", hidden: true }, "Stop");
  room.append(h("div", { cls: "pager" }, says, pause, clear, stop), list);
  let paused = false, waiting = [], lost = 0, seenCount = 0, timer = null, status = "not started";

  function state() {
    const held = waiting.length + lost;
    says.textContent = `${status} · ${count(seenCount)} events${lost ? ` · ${count(lost)} not kept` : ""}${paused && held ? ` · ${count(held)} wait` : ""}`;
  }
  function turn(on) {
    paused = on;
    pause.textContent = on ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", String(on));
    if (!on) list.scrollTop = 0;
    flush();
  }
  function flush() {
    timer = null;
    if (!paused && waiting.length) {
      const rows = waiting.slice(-ROWS_MAX).map(row).reverse();
      waiting = [];
      list.querySelector(":scope > .empty")?.remove();
      list.prepend(...rows);
      while (list.childElementCount > ROWS_MAX) list.lastElementChild.remove();
    }
    state();
  }
  list.addEventListener("scroll", () => { if (list.scrollTop > 24 && !paused) turn(true); });
  put(list, empty("Nothing yet", "Events appear here, the newest first."));
  state();
  return {
    stop, list,
    take(event) {
      if (event.skipped === undefined) seenCount += 1;
      waiting.push(event);
      if (waiting.length > BUFFER_MAX) { lost += waiting.length - BUFFER_MAX; waiting = waiting.slice(-BUFFER_MAX); }
      timer ??= setTimeout(flush, 200);
    },
    say(text) { status = text; state(); },
    end() { clearTimeout(timer); },
  };
}

/// Begins a trace with these parameters and follows it. It ends when it is stopped, and when the
/// page is closed in any way: the broker ends it with its reader.
function runner(room) {
  const view = viewer(room);
  let running = null;
  function end() {
    running?.abort();
    if (running) view.say("stopped");
    running = null;
    view.stop.hidden = true;
  }
  view.stop.onclick = end;
  async function follow(id, own) {
    const abort = new AbortController();
    running = abort;
    view.stop.hidden = false;
    view.say("running");
    try {
      await api.lines("/trace/stream", { id, end: own ? "true" : undefined }, abort.signal, view.take);
    } catch (error) {
      if (error.name !== "AbortError") view.list.prepend(trouble(error));
    }
    if (running !== abort) return;
    running = null;
    view.stop.hidden = true;
    view.say("ended");
  }
  return {
    async begin(wishes) {
      end();
      put(view.list);
      view.say("starting");
      try {
        follow((await api.send("POST", "/traces", wishes)).trace, true);
      } catch (error) {
        view.say("not started");
        put(view.list, trouble(error));
      }
    },
    attach(id) { end(); put(view.list); follow(id, false); },
    end() { end(); view.end(); },
  };
}

const MINUTES = [["60", "1 minute"], ["600", "10 minutes"], ["3600", "1 hour"]];

const needsRight = () => empty("This needs the right operate", "A trace shows what clients send. The token that is signed in may only look at figures.");

const given = (form) => Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));

/// A form to publish a message, for tokens with the right.
async function publisher() {
  const body = h("textarea", { name: "payload", rows: 3, spellcheck: "false" });
  const form = h("form", { cls: "filters" }, await vhostField({ name: "vhost" }), field("Topic", input({ name: "topic", required: true, cls: "long" })),
    field("QoS", select({ name: "qos", value: "1" }, [["0", "0"], ["1", "1"], ["2", "2"]])), field("Retain", select({ name: "retain" }, [["", "no"], ["yes", "yes"]])),
    h("label", { cls: "field whole" }, h("span", {}, "Payload"), body), h("button", { type: "submit", cls: "primary" }, "Publish"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const it = Object.fromEntries(new FormData(form));
    try {
      const told = await api.send("POST", "/publish", {}, { vhost: it.vhost, topic: it.topic, qos: Number(it.qos), retain: it.retain === "yes", payload: it.payload });
      say(told.matched === false ? "Stored where it must be; nobody is subscribed" : "Published, and stored where it must be", "ok");
    } catch (error) { say([error.message, error.hint].filter(Boolean).join(": "), "bad"); }
  });
  return h("details", { cls: "card" }, h("summary", {}, "Publish a message"), form);
}

export const tail = {
  title: "Tail",
  async open(room, params) {
    if (!api.can("operate")) { room.append(needsRight()); return undefined; }
    const form = h("form", { cls: "filters" }, await vhostField({ name: "vhost", value: params.vhost }),
      field("Topic filter", input({ name: "topic", value: params.topic ?? "#", required: true, cls: "long" })),
      field("Payload", select({ name: "payload", value: "256" }, [["0", "none"], ["64", "64 bytes"], ["256", "256 bytes"], ["1024", "1 KiB"]])),
      field("For", select({ name: "seconds", value: "600" }, MINUTES)), h("button", { type: "submit", cls: "primary" }, "Follow"));
    room.append(h("p", { cls: "muted" }, "Messages as they come in and go out. Scrolling down pauses."), form);
    if (api.can("publish") && api.answers("POST", "/publish")) room.append(await publisher());
    const run = runner(room);
    form.addEventListener("submit", (event) => { event.preventDefault(); run.begin({ ...given(form), kinds: "packet" }); });
    return run.end;
  },
};

export const trace = {
  title: "Trace",
  async open(room, params) {
    if (!api.can("operate")) { room.append(needsRight()); return undefined; }
    const form = h("form", { cls: "filters" }, await vhostField({ name: "vhost", value: params.vhost }, true),
      field("Client id", input({ name: "id", value: params.id ?? "" })), field("Id begins with", input({ name: "id_prefix", value: "" })), field("User", input({ name: "user", value: "" })),
      field("Address or range", input({ name: "address", value: "" })), field("Topic filter", input({ name: "topic", value: "" })),
      field("Payload", select({ name: "payload", value: "64" }, [["0", "none"], ["64", "64 bytes"], ["1024", "1 KiB"]])),
      field("For", select({ name: "seconds", value: "600" }, MINUTES)), h("button", { type: "submit", cls: "primary" }, "Trace"));
    const others = h("div", {});
    room.append(h("p", { cls: "muted" }, "Packets of a client, user, address or topic, and what the broker decided: which rule, who got it, what was dropped and why."), form, others);
    const run = runner(room);
    async function list() {
      try {
        const { items = [] } = await api.get("/traces");
        put(others, items.length ? h("div", { cls: "card" }, h("h2", {}, "Traces that run"), h("ul", { cls: "plain" }, items.map((it) => h("li", {}, h("span", {}, name(["id", "id_prefix", "user", "address", "topic", "vhost"].filter((key) => !empties(it[key])).map((key) => `${words(key)} ${it[key]}`).join(", "), 200), h("span", { cls: "muted" }, ` by ${seen(it.by)} · ${count(it.events)} events · ${age(it.seconds_left)} left`)),
          h("button", { type: "button", onclick: () => run.attach(it.trace) }, "Follow"),
          h("button", { type: "button", cls: "danger", onclick: async () => {
            if (!await confirm({ title: "End trace", does: "End it", says: "It ends for everybody who follows it." })) return;
            await api.send("DELETE", "/trace", { id: it.trace }).catch((error) => say(error.message, "bad"));
            list();
          } }, "End"))))) : null);
      } catch (error) { put(others, error.missing ? null : trouble(error)); }
    }
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const wishes = given(form);
      if (!["id", "id_prefix", "user", "address", "topic"].some((key) => wishes[key])) return say("Say what is to be traced: a client, a user, an address or a topic", "bad");
      await run.begin(wishes);
      list();
    });
    await list();
    return run.end;
  },
};
