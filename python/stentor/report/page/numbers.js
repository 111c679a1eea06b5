// Numbers: latencies, mailbox depths, and tables of agents, topics and failures.

const DEEPEST = 8;
const STEPS_A_DECADE = 4;
const ROWS = 300;

// Bins that are as wide as what is in them is long: 0 by itself, then four a decade.
function histogram(values) {
  const bins = new Map();
  for (const value of values) {
    const bin = value <= 1e-6 ? -Infinity : Math.floor(Math.log10(value) * STEPS_A_DECADE);
    bins.set(bin, (bins.get(bin) || 0) + 1);
  }
  return bins;
}

function drawLatency(model) {
  const { accepted, begun, ended } = model.deliveries;
  const found = model.within();
  const latency = [];
  const waited = [];
  for (const i of found) {
    if (model.outcome(i) === "handled") latency.push(ended[i] - accepted[i]);
    if (begun[i] !== null) waited.push(begun[i] - accepted[i]);
  }
  const [whole_, part] = [histogram(latency), histogram(waited)];
  const finite = [...whole_.keys(), ...part.keys()].filter(Number.isFinite);
  const bins = finite.length ? Array.from({ length: Math.max(...finite) - Math.min(...finite) + 1 }, (_, k) => Math.min(...finite) + k) : [];
  if (whole_.has(-Infinity) || part.has(-Infinity) || !bins.length) bins.unshift(-Infinity);
  const edge = (bin) => (bin === -Infinity ? 0 : 10 ** (bin / STEPS_A_DECADE));
  const sorted = Float64Array.from(latency).sort();
  const quantile = (share) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : null);
  const bars = (counts, name, color) => ({ name, type: "bar", barGap: "-20%", barCategoryGap: "18%", itemStyle: { color, borderRadius: [3, 3, 0, 0] }, data: bins.map((bin) => counts.get(bin) || 0) });
  draw("latency", {
    grid: { left: 50, right: 14, top: 44, bottom: 30 },
    legend: { left: 0, top: 0, itemWidth: 11, itemHeight: 11, icon: "roundRect", textStyle: { color: style("soft"), fontSize: 12 } },
    title: { right: 0, top: 2, text: sorted.length ? `half within ${seconds(quantile(0.5))},  90 % within ${seconds(quantile(0.9))},  99 % within ${seconds(quantile(0.99))}` : "nothing was handled", textStyle: { color: style("ink"), fontSize: 12, fontWeight: 500 } },
    tooltip: tooltip({ trigger: "axis", axisPointer: { type: "shadow", shadowStyle: { color: `${style("accent")}18` } }, formatter: (items) => [bins[items[0].dataIndex] === -Infinity ? "<b>at once</b>" : `<b>${seconds(edge(bins[items[0].dataIndex]))} to ${seconds(edge(bins[items[0].dataIndex] + 1))}</b>`, ...items.map((item) => `${item.marker} ${item.seriesName} <b>${whole(item.value)}</b>`)].join("<br>") }),
    xAxis: axis({ type: "category", data: bins.map((bin) => (bin === -Infinity ? "at once" : seconds(edge(bin)))) }),
    yAxis: axis({ type: "value", minInterval: 1, axisLabel: { formatter: (value) => trim(value) } }),
    series: [bars(whole_, "latency", style("accent")), bars(part, "in the mailbox", style("dropped"))],
  });
}

function drawDepth(model) {
  const { accepted, begun, agent } = model.deliveries;
  const waits = new Map();
  for (const i of model.passing) {
    const until = begun[i] === null ? model.over(i) : begun[i];
    if (until === accepted[i]) continue;
    if (!waits.has(agent[i])) waits.set(agent[i], [[], []]);
    const [arrivals, departures] = waits.get(agent[i]);
    arrivals.push(accepted[i]);
    departures.push(until);
  }
  const lines = [...waits.entries()].map(([which, [arrivals, departures]]) => ({
    which, ...depths(Float64Array.from(arrivals).sort(), Float64Array.from(departures).sort(), model.end),
  }));
  lines.sort((a, b) => b.peak - a.peak || a.which - b.which);
  draw("depth", {
    grid: { left: 46, right: 14, top: 44, bottom: 30 },
    legend: { type: "scroll", left: 0, top: 0, right: 10, itemWidth: 14, itemHeight: 8, icon: "roundRect", textStyle: { color: style("soft"), fontSize: 12 }, pageTextStyle: { color: style("soft") }, pageIconColor: style("accent"), pageIconInactiveColor: style("line") },
    title: lines.length ? undefined : { left: "center", top: "middle", text: "no message ever waited", textStyle: { color: style("soft"), fontSize: 13, fontWeight: 400 } },
    tooltip: tooltip({ trigger: "axis", formatter: (items) => [`<b>${instant(items[0].axisValue, model.end / 1000)}</b>`, ...items.map((item) => `${item.marker} ${html(item.seriesName)} <b>${whole(item.value[1])}</b>`)].join("<br>") }),
    xAxis: axis({ type: "value", min: model.window[0], max: model.window[1], splitLine: { show: false }, axisLabel: { formatter: (value) => instant(value, (model.window[1] - model.window[0]) / 8), hideOverlap: true } }),
    yAxis: axis({ type: "value", minInterval: 1, axisLabel: { formatter: (value) => trim(value) } }),
    series: lines.slice(0, DEEPEST).map(({ which, points }, place) => ({
      name: model.name(which), type: "line", step: "end", symbol: "none", sampling: "max", lineStyle: { width: 1.7 },
      areaStyle: { opacity: 0.07 }, color: tint(place), data: points,
    })),
  });
}

// How many wait at each instant, from when each came and went.
function depths(arrivals, departures, end) {
  const points = [[0, 0]];
  let [came, went, peak] = [0, 0, 0];
  while (came < arrivals.length || went < departures.length) {
    const leaves = came === arrivals.length || departures[went] <= arrivals[came];
    const time = leaves ? departures[went++] : arrivals[came++];
    const depth = came - went;
    peak = Math.max(peak, depth);
    const last = points[points.length - 1];
    if (last[0] === time) last[1] = depth; else points.push([time, depth]);
  }
  points.push([end, 0]);
  return { peak, points };
}

// -- tables

function drawTables(model) {
  const found = model.within();
  const { agent, outcome, accepted, ended } = model.deliveries;
  const row = (name) => ({ name, got: 0, sent: 0, bad: 0, time: 0, handled: 0 });
  const agents = new Map();
  const topics = new Map();
  const of = (map, key, name) => { if (!map.has(key)) map.set(key, row(name)); return map.get(key); };
  for (const i of found) {
    const name = model.run.outcomes[outcome[i]];
    const message = model.deliveries.message[i];
    for (const each of [of(agents, agent[i], model.name(agent[i])), of(topics, model.messages.topic[message], model.topicOf(i))]) {
      each.got++;
      if (name === "handled") { each.handled++; each.time += ended[i] - accepted[i]; }
      else if (name !== "stored") each.bad++;
    }
    of(agents, model.sender(i), model.name(model.sender(i))).sent++;
  }
  table("agents", ["agent", "got", "sent", "went wrong", "mean latency"], [...agents.entries()].filter(([key]) => key >= 0), (key) => chooseAgent(key), true);
  table("topics", ["topic", "deliveries", "", "went wrong", "mean latency"], [...topics.entries()], (key) => chooseTopic(model.run.topics[key]), false);
}

function table(id, heads, entries, choose, sent) {
  entries.sort((a, b) => b[1].got + b[1].sent - a[1].got - a[1].sent || (a[1].name < b[1].name ? -1 : 1));
  const most = Math.max(1, ...entries.map(([, row]) => row.got));
  const cells = ([key, row]) => `<tr data-key="${key}"><td>${html(row.name)}</td><td class="number">${whole(row.got)}<span class="bar" style="width:${(46 * row.got) / most}px"></span></td>${sent ? `<td class="number">${whole(row.sent)}</td>` : ""}<td class="number">${row.bad ? `<span class="badge" style="--tint:var(--failed)">${whole(row.bad)}</span>` : ""}</td><td class="number">${row.handled ? seconds(row.time / row.handled) : "–"}</td></tr>`;
  fill(id, heads.filter((head) => head !== "").map((head, index) => [head, index > 0]), entries.slice(0, ROWS).map(cells), (tr) => choose(Number(tr.dataset.key)));
}

function fill(id, heads, rows, click) {
  const element = document.getElementById(`table-${id}`);
  element.innerHTML = rows.length
    ? `<table><thead><tr>${heads.map(([head, number]) => `<th class="${number ? "number" : ""}">${head}</th>`).join("")}</tr></thead><tbody>${rows.join("")}</tbody></table>`
    : '<p class="empty">Nothing.</p>';
  for (const tr of element.querySelectorAll("tbody tr")) tr.addEventListener("click", () => click(tr));
}

function drawFailures(model) {
  const wrong = Array.from(model.within().filter((i) => !["handled", "stored", "open"].includes(model.outcome(i))));
  const rank = (i) => (model.outcome(i) === "failed" ? 0 : 1);
  wrong.sort((a, b) => rank(a) - rank(b) || model.over(a) - model.over(b));
  const { error, agent, attempts } = model.deliveries;
  const rows = wrong.slice(0, ROWS).map((i) => `<tr data-key="${i}"><td class="number">${instant(model.over(i), model.end / 1000)}</td><td>${badge(model.outcome(i))}</td><td>${html(model.name(agent[i]))}</td><td>${html(model.topicOf(i))}</td><td>${html(model.name(model.sender(i)))}</td><td class="number">${attempts[i]}</td><td class="mono">${error[i] < 0 ? "" : html(model.run.errors[error[i]])}</td></tr>`);
  fill("failures", [["when", true], ["outcome"], ["agent"], ["topic"], ["from"], ["attempts", true], ["error"]], rows, (tr) => showDelivery(model, Number(tr.dataset.key)));
  note("failures", wrong.length > ROWS ? `The first ${ROWS} of ${whole(wrong.length)}, failures before the rest.` : "");
}

const badge = (outcome) => `<span class="badge" style="--tint:var(--${outcome})">${outcome}</span>`;
