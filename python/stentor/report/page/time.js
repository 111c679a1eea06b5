// When what happened: a timeline with a lane for each agent, and a sequence diagram.

const LANES = 40;
const BARS = 4000;
const ARROWS = 400;
const LIFELINES = 24;

function evenly(items, most) {
  if (items.length <= most) return Array.from(items);
  const step = items.length / most;
  return Array.from({ length: most }, (_, k) => items[Math.floor(k * step)]);
}

function busiest(model, found, most, withSenders) {
  const counts = new Map();
  const add = (agent) => counts.set(agent, (counts.get(agent) || 0) + 1);
  for (const i of found) {
    add(model.deliveries.agent[i]);
    if (withSenders) add(model.sender(i));
  }
  const all = [...counts.entries()].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map(([agent]) => agent);
  return [all.slice(0, most), all.length];
}

function drawTimeline(model) {
  const found = model.within();
  const [lanes, all] = busiest(model, found, LANES, false);
  lanes.sort(byName(model));
  const lane = new Map(lanes.map((agent, index) => [agent, index]));
  const inLanes = found.filter((i) => lane.has(model.deliveries.agent[i]));
  const shown = evenly(inLanes, BARS);
  const { accepted, begun, agent, outcome } = model.deliveries;
  const tints = model.run.outcomes.map(outcomeTint);
  const names = lanes.map((each) => model.name(each));
  const left = 24 + Math.min(150, 7.2 * Math.max(1, ...names.map((name) => name.length)));
  const made = draw("timeline", {
    grid: { left, right: 16, top: 8, bottom: 30 },
    tooltip: tooltip({ formatter: ({ data }) => brief(model, data[4]) }),
    xAxis: axis({ type: "value", min: 0, max: model.end, axisLabel: { formatter: (value) => instant(value, (model.window[1] - model.window[0]) / 8) }, splitNumber: 8 }),
    yAxis: axis({ type: "category", data: names, inverse: true, axisLabel: { interval: 0, width: left - 20, overflow: "truncate", fontSize: 11.5 }, splitLine: { show: true, lineStyle: { color: style("line"), opacity: 0.55 } } }),
    dataZoom: [{ type: "inside", startValue: model.window[0], endValue: model.window[1], filterMode: "none", zoomOnMouseWheel: true, moveOnMouseMove: true, minValueSpan: 1e-6 }],
    series: [{
      type: "custom", clip: true, progressive: 0, encode: { x: [0, 1, 2], y: 3 },
      data: shown.map((i) => [accepted[i], begun[i] === null ? model.over(i) : begun[i], model.over(i), lane.get(agent[i]), i]),
      renderItem: (params, api) => bar(params, api, tints, outcome),
    }],
  }, 60 + Math.max(3, lanes.length) * (lanes.length > 24 ? 17 : 24));
  made.off("click");
  made.on("click", ({ data }) => { if (data) showDelivery(model, data[4]); });
  made.off("datazoom");
  made.on("datazoom", later(120, () => {
    const zoom = made.getOption().dataZoom[0];
    model.zoom(zoom.startValue, zoom.endValue, "timeline");
  }));
  const parts = [];
  if (all > lanes.length) parts.push(`The ${lanes.length} busiest of ${whole(all)} agents.`);
  if (inLanes.length > shown.length) parts.push(`${whole(shown.length)} of ${whole(inLanes.length)} deliveries, evenly chosen: zoom in for all.`);
  note("timeline", parts.join(" "));
}

function bar(params, api, tints, outcome) {
  const y = api.value(3);
  const [x0, middle] = api.coord([api.value(0), y]);
  const [x1] = api.coord([api.value(1), y]);
  const [x2] = api.coord([api.value(2), y]);
  const height = Math.min(15, api.size([0, 1])[1] * 0.62);
  const fill = tints[outcome[api.value(4)]];
  const area = params.coordSys;
  const piece = (from, to, opacity, least) => {
    const a = Math.max(area.x, from);
    const b = Math.min(area.x + area.width, Math.max(to, from + least));
    return b < a ? [] : [{ type: "rect", shape: { x: a, y: middle - height / 2, width: Math.max(b - a, 0.5), height, r: b - a > 6 ? 2.5 : 0 }, style: { fill, opacity } }];
  };
  return { type: "group", children: [...piece(x0, x1, 0.24, 0), ...piece(x1, x2, 0.95, 2.2)] };
}

function drawSequence(model) {
  const found = model.within().filter((i) => model.deliveries.accepted[i] >= model.window[0]);
  const candidates = found.subarray(0, ARROWS * 3);
  const [lines, all] = busiest(model, candidates, LIFELINES, true);
  lines.sort((a, b) => a - b);
  const line = new Map(lines.map((agent, index) => [agent, index]));
  const shown = Array.from(candidates.filter((i) => line.has(model.deliveries.agent[i]) && line.has(model.sender(i)))).slice(0, ARROWS);
  const tints = model.run.outcomes.map(outcomeTint);
  const names = lines.map((agent) => model.name(agent));
  const rows = 18;
  const made = draw("sequence", {
    grid: { left: 76, right: 44, top: 52, bottom: 10 },
    tooltip: tooltip({ formatter: ({ data }) => brief(model, data[3]) }),
    xAxis: axis({ type: "category", data: names, position: "top", axisLabel: { interval: 0, rotate: names.length > 12 ? 30 : 0, width: 110, overflow: "truncate", color: style("ink"), fontWeight: 600 }, splitLine: { show: false } }),
    yAxis: axis({ type: "category", data: shown.map((_, row) => row), inverse: true, splitLine: { show: false }, axisLine: { show: false }, axisLabel: { interval: 0, formatter: (row) => instant(model.deliveries.accepted[shown[row]], (model.window[1] - model.window[0]) / 20) } }),
    dataZoom: [
      { type: "inside", yAxisIndex: 0, startValue: 0, endValue: Math.min(rows, shown.length) - 1, zoomOnMouseWheel: "ctrl", moveOnMouseWheel: true, moveOnMouseMove: true, filterMode: "none" },
      { ...slider(), orient: "vertical", yAxisIndex: 0, right: 8, top: 52, bottom: 10, width: 14, startValue: 0, endValue: Math.min(rows, shown.length) - 1, showDetail: false, brushSelect: false, filterMode: "none", backgroundColor: `${style("line")}88`, borderRadius: 7 },
    ],
    series: [
      { type: "custom", silent: true, z: 1, clip: false, data: lines.map((_, index) => index), encode: { x: 0 }, renderItem: lifeline },
      { type: "custom", z: 2, clip: true, progressive: 0, encode: { x: [0, 1], y: 2 }, data: shown.map((i, row) => [line.get(model.sender(i)), line.get(model.deliveries.agent[i]), row, i]), renderItem: (params, api) => arrow(params, api, model, tints) },
    ],
  });
  made.off("click");
  made.on("click", ({ data }) => { if (Array.isArray(data)) showDelivery(model, data[3]); });
  const parts = [];
  if (found.length > shown.length) parts.push(`The first ${whole(shown.length)} of ${whole(found.length)} deliveries: choose a later time, or filter, to see others.`);
  if (all > lines.length) parts.push(`Among the ${lines.length} busiest agents.`);
  note("sequence", parts.join(" "));
}

function lifeline(params, api) {
  const x = api.coord([api.value(0), 0])[0];
  const area = params.coordSys;
  return { type: "line", shape: { x1: x, x2: x, y1: area.y, y2: area.y + area.height }, style: { stroke: style("line"), lineWidth: 1.5, lineDash: [4, 4] } };
}

function arrow(params, api, model, tints) {
  const i = api.value(3);
  const [x1, y] = api.coord([api.value(0), api.value(2)]);
  const x2 = api.coord([api.value(1), api.value(2)])[0];
  const stroke = tints[model.deliveries.outcome[i]];
  const shape = { stroke, fill: "none", lineWidth: 1.6 };
  const text = model.topicOf(i);
  const label = (x, align) => ({ type: "text", silent: true, style: { x, y: y - 4, text, align, verticalAlign: "bottom", fill: style("soft"), fontSize: 10.5, width: Math.max(90, Math.abs(x2 - x1) - 16), overflow: "truncate" } });
  const head = (x, way) => ({ type: "polygon", shape: { points: [[x, y], [x - 8 * way, y - 4], [x - 8 * way, y + 4]] }, style: { fill: stroke } });
  if (x1 === x2) {
    const loop = { type: "bezierCurve", shape: { x1, y1: y - 5, cpx1: x1 + 34, cpy1: y - 7, cpx2: x1 + 34, cpy2: y + 7, x2: x1 + 6, y2: y + 1 }, style: shape };
    return { type: "group", children: [loop, head(x1, -1), label(x1 + 32, "left")] };
  }
  const way = Math.sign(x2 - x1);
  const wide = { type: "rect", shape: { x: Math.min(x1, x2), y: y - 9, width: Math.abs(x2 - x1), height: 18 }, style: { fill: "transparent" } };
  return { type: "group", children: [wide, { type: "line", shape: { x1, y1: y, x2: x2 - 6 * way, y2: y }, style: shape }, head(x2, way), label((x1 + x2) / 2, "center")] };
}
