// The model: the run as columns, the filters, and the deliveries that pass them.

async function unpack() {
  const text = document.getElementById("data").textContent;
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

class Model {
  constructor(run) {
    this.run = run;
    this.messages = run.messages;
    this.deliveries = run.deliveries;
    this.size = run.deliveries.message.length;
    this.end = Math.max(run.end, 1e-9);
    this.topic = "";
    this.agent = -1;
    this.outcomes = run.outcomes.map(() => true);
    this.window = [0, this.end];
    this.listeners = [];
    this.found = null;
    this.byMessage = null;
    this.effects = null;
    this.pass();
  }

  // -- filters

  set(changes) {
    Object.assign(this, changes);
    this.pass();
    this.tell("filter");
  }

  zoom(from, to, source) {
    const window = [Math.max(0, from), Math.min(this.end, Math.max(to, from + 1e-9))];
    if (window[0] === this.window[0] && window[1] === this.window[1]) return;
    this.window = window;
    this.found = null;
    this.tell("window", source);
  }

  get filtered() { return this.topic !== "" || this.agent >= 0 || this.outcomes.includes(false); }
  get zoomed() { return this.window[0] > 0 || this.window[1] < this.end; }

  listen(listener) { this.listeners.push(listener); }
  tell(what, source) { for (const listener of this.listeners) listener(what, source); }

  pass() {
    const matches = matcher(this.topic, this.run.topics);
    this.wrong = matches === null;
    const topics = this.run.topics.map(matches || (() => true));
    const { message, agent, outcome } = this.deliveries;
    const { topic, sender } = this.messages;
    const passing = new Int32Array(this.size);
    let count = 0;
    for (let i = 0; i < this.size; i++) {
      const m = message[i];
      if (!topics[topic[m]] || !this.outcomes[outcome[i]]) continue;
      if (this.agent >= 0 && agent[i] !== this.agent && sender[m] !== this.agent) continue;
      passing[count++] = i;
    }
    this.passing = passing.subarray(0, count);
    this.found = null;
  }

  // The deliveries that pass and have a part in the window.
  within() {
    const { accepted } = this.deliveries;
    const [from, to] = this.window;
    this.found ??= this.zoomed ? this.passing.filter((i) => accepted[i] <= to && this.over(i) >= from) : this.passing;
    return this.found;
  }

  // -- deliveries

  over(i) { const ended = this.deliveries.ended[i]; return ended === null ? this.end : ended; }
  sender(i) { return this.messages.sender[this.deliveries.message[i]]; }
  topicOf(i) { return this.run.topics[this.messages.topic[this.deliveries.message[i]]]; }
  name(agent) { return agent < 0 ? "outside" : this.run.agents[agent]; }
  outcome(i) { return this.run.outcomes[this.deliveries.outcome[i]]; }

  deliveriesOf(message) {
    this.byMessage ??= group(this.deliveries.message);
    return this.byMessage.get(message) || [];
  }

  effectsOf(message) {
    this.effects ??= group(this.messages.cause);
    return this.effects.get(message) || [];
  }
}

const byName = (model) => (a, b) => a - b && (a < 0 ? -1 : b < 0 ? 1 : model.name(a).localeCompare(model.name(b), "en", { numeric: true }));

function group(column) {
  const groups = new Map();
  column.forEach((key, index) => {
    const members = groups.get(key);
    if (members) members.push(index); else groups.set(key, [index]);
  });
  return groups;
}

// -- patterns: * is one segment, ** any number of them, and ? * [a-c] [!a] stand for characters inside a segment

function matcher(pattern, topics) {
  if (pattern === "" || pattern === "*" || pattern === "**") return () => true;
  const slash = !pattern.includes(".") && (pattern.includes("/") || topics.some((topic) => topic.includes("/")));
  const separator = slash ? "/" : ".";
  let parts = pattern.split(separator);
  if (slash) parts = parts.map((part) => ({ "+": "*", "#": "**" })[part] || part);
  if (parts.includes("")) return null;
  const steps = [];
  for (const part of parts) {
    if (part === "**") { steps.push(null); continue; }
    const source = glob(part);
    if (source === null) return null;
    steps.push(new RegExp(`^${source}$`, "su"));
  }
  return (topic) => match(steps, topic.split(separator));
}

function glob(part) {
  let source = "";
  for (let i = 0; i < part.length; i++) {
    const c = part[i];
    if (c === "*") source += ".*";
    else if (c === "?") source += ".";
    else if (c === "[") {
      const close = part.indexOf("]", i + 2);
      if (close < 0) return null;
      const inside = part.slice(i + 1, close).replace(/[\\\]^]/g, "\\$&");
      source += `[${inside.replace(/^!/, "^")}]`;
      i = close;
    } else source += c.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
  }
  return source;
}

// Level by level: which steps may come next, so that many ** cost no more than few.
function match(steps, segments) {
  let now = new Set(open(steps, 0));
  for (const segment of segments) {
    const next = new Set();
    for (const step of now) {
      if (step >= steps.length) continue;
      if (steps[step] === null) for (const s of open(steps, step)) next.add(s);
      else if (steps[step].test(segment)) for (const s of open(steps, step + 1)) next.add(s);
    }
    now = next;
  }
  return now.has(steps.length);
}

function open(steps, step) {
  const reached = [step];
  while (steps[step] === null) reached.push(++step);
  return reached;
}
