// Who talked to whom: a graph and a matrix of the deliveries in the window.

const GRAPH_AGENTS = 120;
const GRAPH_LINES = 600;
const MATRIX_AGENTS = 60;

function talk(model) {
  const pairs = new Map();
  const weight = new Map();
  const stride = model.run.agents.length + 1;
  for (const i of model.within()) {
    const from = model.sender(i) + 1;
    const to = model.deliveries.agent[i] + 1;
    const key = from * stride + to;
    const pair = pairs.get(key) || { from: from - 1, to: to - 1, count: 0, bad: 0 };
    pair.count++;
    if (model.outcome(i) !== "handled" && model.outcome(i) !== "stored") pair.bad++;
    pairs.set(key, pair);
    weight.set(from - 1, (weight.get(from - 1) || 0) + 1);
    weight.set(to - 1, (weight.get(to - 1) || 0) + 1);
  }
  return { pairs: [...pairs.values()], agents: [...weight.entries()].sort((a, b) => b[1] - a[1] || a[0] - b[0]) };
}

function drawTalk(model) {
  const found = talk(model);
  drawGraph(model, found);
  drawMatrix(model, found);
}

function drawGraph(model, { pairs, agents }) {
  const shown = agents.slice(0, GRAPH_AGENTS);
  const known = new Set(shown.map(([agent]) => agent));
  const heaviest = Math.max(1, ...shown.map(([, weight]) => weight));
  const links = pairs.filter((pair) => known.has(pair.from) && known.has(pair.to)).sort((a, b) => b.count - a.count).slice(0, GRAPH_LINES);
  const ring = shown.length <= 2 || links.length > 4 * shown.length;  // a dense graph is a ball without one
  const most = Math.max(1, ...links.map((pair) => pair.count));
  const labels = shown.length <= 60 ? shown.length : 14;
  const made = draw("graph", {
    tooltip: tooltip({
      formatter: ({ dataType, data }) => dataType === "edge"
        ? `<b>${html(model.name(data.from))}</b> → <b>${html(model.name(data.to))}</b><br>${whole(data.count)} deliveries${data.bad ? `, ${whole(data.bad)} of them went wrong` : ""}`
        : `<b>${html(data.title)}</b><br>${whole(data.weight)} deliveries sent or got`,
    }),
    series: [{
      type: "graph", layout: ring ? "circular" : "force", circular: { rotateLabel: true }, roam: true, scaleLimit: { min: 0.3, max: 8 }, draggable: shown.length <= 60,
      force: { repulsion: 110 + 24000 / (shown.length + 8), edgeLength: [30, 60 + 3000 / (shown.length + 10)], gravity: 0.11, layoutAnimation: false },
      edgeSymbol: ["none", "arrow"], edgeSymbolSize: [0, 7],
      emphasis: { focus: "adjacency", lineStyle: { opacity: 0.9 } },
      lineStyle: { curveness: ring ? 0.28 : 0.14 },
      left: "19%", right: "19%", top: "17%", bottom: "17%",
      data: shown.map(([agent, weight], place) => ({
        id: String(agent), name: String(agent), agent, weight, title: model.name(agent),
        label: { show: place < labels, formatter: model.name(agent) },
        symbol: agent < 0 ? "diamond" : "circle",
        symbolSize: 9 + 25 * Math.sqrt(weight / heaviest),
        itemStyle: { color: agent < 0 ? style("soft") : tint(agent), borderColor: style("card"), borderWidth: 1.5 },
      })),
      label: { position: "right", color: style("ink"), fontSize: 11.5, textBorderColor: style("card"), textBorderWidth: 2.5 },
      links: links.map((pair) => ({
        source: String(pair.from), target: String(pair.to), ...pair,
        lineStyle: { width: 0.7 + 4.5 * Math.sqrt(pair.count / most), opacity: (ring ? 0.12 : 0.25) + 0.4 * (pair.count / most), color: pair.bad > pair.count / 4 ? style("failed") : ring ? tint(pair.from) : style("soft") },
      })),
    }],
  });
  made.off("click");
  made.on("click", ({ dataType, data }) => { if (dataType === "node" && data.agent >= 0) chooseAgent(data.agent); });
  note("graph", `${agents.length > shown.length ? `The ${shown.length} busiest of ${whole(agents.length)} agents. ` : ""}${links.some((pair) => pair.bad > pair.count / 4) ? "Red: more than a quarter went wrong." : ""}`);
}

function drawMatrix(model, { pairs, agents }) {
  const shown = agents.slice(0, MATRIX_AGENTS).map(([agent]) => agent).sort(byName(model));
  const place = new Map(shown.map((agent, index) => [agent, index]));
  const cells = pairs.filter((pair) => place.has(pair.from) && place.has(pair.to));
  const names = shown.map((agent) => model.name(agent));
  const longest = Math.min(110, 7 * Math.max(1, ...names.map((name) => name.length)));
  const label = { fontSize: shown.length > 34 ? 8.5 : 11, interval: 0, width: longest, overflow: "truncate" };
  const made = draw("matrix", {
    grid: { left: longest + 16, right: 8, top: longest * 0.75 + 22, bottom: 40 },
    tooltip: tooltip({
      formatter: ({ data }) => `<b>${html(names[data[1]])}</b> → <b>${html(names[data[0]])}</b><br>${whole(data[3])} deliveries`,
    }),
    xAxis: axis({ type: "category", data: names, position: "top", splitArea: { show: false }, axisLabel: { ...label, rotate: 48 } }),
    yAxis: axis({ type: "category", data: names, inverse: true, axisLabel: label }),
    visualMap: {
      min: 0, max: Math.max(1, ...cells.map((pair) => Math.log2(pair.count + 1))), dimension: 2, show: true, orient: "horizontal", right: 6, bottom: 0,
      itemWidth: 10, itemHeight: 120, textStyle: { color: style("soft"), fontSize: 11 }, text: ["many", "few"], calculable: false,
      inRange: { color: dark() ? ["#1e2a38", "#2b5f78", "#5fb3c9", "#d7f3e3"] : ["#eef3f1", "#a9d4cf", "#3d94a0", "#173f5f"] },
    },
    series: [{
      type: "heatmap", data: cells.map((pair) => [place.get(pair.to), place.get(pair.from), Math.log2(pair.count + 1), pair.count]),
      itemStyle: { borderColor: style("card"), borderWidth: shown.length > 34 ? 0.5 : 1.5, borderRadius: shown.length > 34 ? 0 : 3 },
      emphasis: { itemStyle: { borderColor: style("ink"), borderWidth: 1.5 } },
    }],
  });
  made.off("click");
  made.on("click", ({ data }) => { if (data) chooseAgent(shown[data[0]]); });
  note("matrix", agents.length > shown.length ? `The ${shown.length} busiest of ${whole(agents.length)} agents.` : "");
}
