// The overview: what the run came to, and how many deliveries were accepted when, by outcome.

const BINS = 160;

function drawCards(model) {
  const { deliveries, messages } = model;
  const counts = new Array(model.run.outcomes.length).fill(0);
  for (const outcome of deliveries.outcome) counts[outcome]++;
  const at = (name) => counts[model.run.outcomes.indexOf(name)];
  const cards = [
    [whole(messages.time.length), "messages"], [whole(model.size), "deliveries"],
    [whole(model.run.agents.length), "agents"], [whole(model.run.topics.length), "topics"],
    [seconds(model.run.end), "long"], [whole(at("handled")), "handled"],
    ...["failed", "dropped", "expired", "stored", "abandoned", "open"].filter((name) => at(name)).map((name) => [whole(at(name)), name, name === "failed"]),
  ];
  document.getElementById("cards").innerHTML = cards
    .map(([value, label, bad]) => `<div class="${bad ? "bad" : ""}"><b>${value}</b><span>${label}</span></div>`).join("");
}

function drawOverview(model) {
  const width = model.end / BINS;
  const { accepted, outcome } = model.deliveries;
  const series = model.run.outcomes.map(() => new Array(BINS).fill(0));
  for (const i of model.passing) series[outcome[i]][Math.min(BINS - 1, Math.floor(accepted[i] / width))]++;
  const barWidth = Math.max(1, (chart("overview").getWidth() - 60) / BINS - 1);
  const middle = (bin) => (bin + 0.5) * width;
  const made = draw("overview", {
    grid: { left: 46, right: 14, top: 14, bottom: 68 },
    tooltip: tooltip({
      trigger: "axis", axisPointer: { type: "shadow", shadowStyle: { color: `${style("accent")}18` } },
      formatter: (items) => {
        const some = items.filter((item) => item.value[1]);
        const rows = some.map((item) => `${item.marker} ${item.seriesName} <b>${whole(item.value[1])}</b>`);
        return [`<b>${instant(items[0].value[0] - width / 2, width)}</b>`, ...(rows.length ? rows : ["nothing"])].join("<br>");
      },
    }),
    xAxis: axis({ type: "value", min: 0, max: model.end, splitLine: { show: false }, axisLabel: { formatter: (value) => instant(value, model.end / 10) } }),
    yAxis: axis({ type: "value", minInterval: 1, axisLabel: { formatter: (value) => trim(value) } }),
    dataZoom: [slider({
      height: 26, startValue: model.window[0], endValue: model.window[1], filterMode: "none",
      labelFormatter: (value) => instant(value, model.end / 100),
    })],
    series: model.run.outcomes.map((name, index) => ({
      name, type: "bar", stack: "all", barWidth, itemStyle: { color: outcomeTint(name) },
      data: series[index].map((count, bin) => [middle(bin), count]),
    })),
  });
  made.off("datazoom");
  made.on("datazoom", later(60, () => {
    const zoom = made.getOption().dataZoom[0];
    model.zoom(zoom.startValue, zoom.endValue, "overview");
  }));
}

function moveOverview(model) {
  charts.overview.dispatchAction({ type: "dataZoom", startValue: model.window[0], endValue: model.window[1] });
}
