// The page: it reads the run, draws it, and draws again what a filter or a zoom changes.

let chooseAgent = () => {};
let chooseTopic = () => {};

function heading(model) {
  const { run } = model;
  const about = Object.entries(run.about).map(([name, value]) => `${html(name)} ${html(value)}`);
  document.getElementById("about").innerHTML = ["a recorded run", ...about].join(" · ");
  document.getElementById("digest").textContent = run.digest.slice(0, 16);
  document.getElementById("digest").title = run.digest;
  document.getElementById("version").textContent = run.version || "";
  if (run.warning) {
    document.getElementById("warning").textContent = run.warning;
    document.getElementById("warning").hidden = false;
  }
  const list = (id, texts) => {
    document.getElementById(id).innerHTML = texts.slice(0, 500).map((text) => `<option value="${html(text)}"></option>`).join("");
  };
  list("topics", run.topics);
  list("agents", run.agents);
}

function filters(model) {
  const [topic, agent] = ["topic", "agent"].map((id) => document.getElementById(id));
  const chips = document.getElementById("outcomes");
  const present = new Set(model.deliveries.outcome);
  chips.innerHTML = model.run.outcomes.map((name, index) => (present.has(index) ? `<button type="button" class="chip" aria-pressed="true" data-index="${index}" style="--tint:var(--${name})"><i></i>${name}</button>` : "")).join("");
  const chosen = () => model.run.agents.indexOf(agent.value);
  const apply = () => {
    agent.classList.toggle("wrong", agent.value !== "" && chosen() < 0);
    model.set({ topic: topic.value.trim(), agent: chosen() });
    topic.classList.toggle("wrong", model.wrong);
  };
  topic.addEventListener("input", later(150, apply));
  agent.addEventListener("input", later(150, apply));
  chooseAgent = (index) => { agent.value = agent.value === model.name(index) ? "" : model.name(index); apply(); };
  chooseTopic = (text) => { topic.value = topic.value === text ? "" : text; apply(); };
  for (const chip of chips.children) {
    chip.addEventListener("click", () => {
      const index = Number(chip.dataset.index);
      const outcomes = model.outcomes.map((on, each) => (each === index ? !on : on));
      chip.setAttribute("aria-pressed", String(outcomes[index]));
      model.set({ outcomes });
    });
  }
  document.getElementById("reset").addEventListener("click", () => {
    topic.value = agent.value = "";
    for (const chip of chips.children) chip.setAttribute("aria-pressed", "true");
    model.outcomes = model.outcomes.map(() => true);
    apply();
  });
  document.getElementById("window").addEventListener("click", () => model.zoom(0, model.end, "button"));
}

function tellShown(model) {
  document.getElementById("shown").value = `${whole(model.within().length)} of ${whole(model.size)} deliveries`;
  document.getElementById("reset").hidden = !model.filtered;
  const button = document.getElementById("window");
  const [from, to] = model.window;
  button.hidden = !model.zoomed;
  button.textContent = `${instant(from, (to - from) / 100)} – ${instant(to, (to - from) / 100)}  ✕`;
}

function theme(model) {
  const root = document.documentElement;
  let kept = null;
  try { kept = localStorage.getItem("stentor-theme"); } catch { /* a page from a file may have none */ }
  root.dataset.theme = kept || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("stentor-theme", root.dataset.theme); } catch { /* not kept then */ }
    drawAll(model);
  });
}

function drawAll(model, source) {
  tellShown(model);
  if (source === undefined) drawOverview(model);
  else if (source !== "overview") moveOverview(model);
  drawTalk(model);
  if (source !== "timeline") drawTimeline(model); else fineTimeline(model);
  drawSequence(model);
  drawLatency(model);
  drawDepth(model);
  drawTables(model);
  drawFailures(model);
}

// A zoom by the timeline itself draws it anew with more of the bars once the hand rests.
const fineTimeline = later(350, (model) => drawTimeline(model));

async function start() {
  const model = new Model(await unpack());
  theme(model);
  heading(model);
  drawCards(model);
  filters(model);
  drawAll(model);
  model.listen((what, source) => drawAll(model, what === "window" ? source : undefined));
  addEventListener("resize", later(150, () => { for (const each of Object.values(charts)) each.resize(); }));
  addEventListener("keydown", (press) => { if (press.key === "Escape") document.getElementById("details").hidden = true; });
  window.stentorReport = { model, charts };
  document.body.dataset.ready = "true";
}

start().catch((error) => {
  document.getElementById("warning").textContent = `This page could not be shown: ${error.message}`;
  document.getElementById("warning").hidden = false;
  throw error;
});
