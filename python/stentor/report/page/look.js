// The look: colours of the theme, numbers as people read them, and what all charts have in common.

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const html = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const whole = (number) => number.toLocaleString("en-US");

function seconds(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0 s";
  if (size < 1e-3) return `${trim(value * 1e6)} µs`;
  if (size < 1) return `${trim(value * 1e3)} ms`;
  if (size < 120) return `${trim(value)} s`;
  if (size < 7200) return `${trim(value / 60)} min`;
  return `${trim(value / 3600)} h`;
}

// An instant of the run, as exact as the steps between instants on an axis want it.
function instant(value, span) {
  const digits = Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(Math.max(span, 1e-6)))));
  return `${whole(Number(value.toFixed(digits)))} s`;
}

function trim(value) {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", { maximumFractionDigits: digits });
}

const WHEEL = ["#2f6f8f", "#e07a5f", "#81a94e", "#b565a7", "#d9a441", "#4f7cac", "#c8553d", "#3d8b7d", "#8f6bb3", "#a67c52"];
const WHEEL_DARK = ["#6db7d6", "#f09a80", "#a8cf75", "#d592c8", "#edc066", "#86aede", "#ec8570", "#6fc0b1", "#b99bdc", "#cfa67c"];
const dark = () => document.documentElement.dataset.theme === "dark";
const tint = (index) => (dark() ? WHEEL_DARK : WHEEL)[index % WHEEL.length];
const outcomeTint = (name) => style(name);

const charts = {};

function chart(id, height) {
  const element = document.getElementById(`chart-${id}`);
  if (height) element.style.height = `${height}px`;
  const made = charts[id] ||= echarts.init(element, null, { renderer: "canvas" });
  if (height && made.getHeight() !== height) made.resize();
  return made;
}

function draw(id, option, height) {
  const made = chart(id, height);
  made.setOption({ animation: false, textStyle: { fontFamily: "inherit", color: style("ink") }, ...option }, true);
  return made;
}

function axis(more = {}) {
  return {
    axisLine: { lineStyle: { color: style("line") } },
    axisTick: { show: false },
    axisLabel: { color: style("soft"), fontSize: 11, ...more.axisLabel },
    splitLine: { lineStyle: { color: style("line"), opacity: 0.7 } },
    nameTextStyle: { color: style("soft"), fontSize: 11 },
    ...Object.fromEntries(Object.entries(more).filter(([key]) => key !== "axisLabel")),
  };
}

function tooltip(more = {}) {
  return {
    backgroundColor: style("card"), borderColor: style("line"), textStyle: { color: style("ink"), fontSize: 12 },
    extraCssText: "border-radius:10px; box-shadow: var(--shadow); max-width: 420px; white-space: normal;",
    confine: true, ...more,
  };
}

function slider(more = {}) {
  return {
    type: "slider", bottom: 6, borderColor: "transparent", backgroundColor: "transparent",
    fillerColor: `${style("accent")}22`, handleStyle: { color: style("card"), borderColor: style("accent") },
    moveHandleStyle: { color: style("accent"), opacity: 0.5 }, emphasis: { moveHandleStyle: { color: style("accent") } },
    dataBackground: { lineStyle: { color: style("soft"), opacity: 0.5 }, areaStyle: { color: style("soft"), opacity: 0.15 } },
    selectedDataBackground: { lineStyle: { color: style("accent") }, areaStyle: { color: style("accent"), opacity: 0.25 } },
    textStyle: { color: style("soft"), fontSize: 11 }, brushSelect: true, ...more,
  };
}

const note = (id, text) => { document.getElementById(`note-${id}`).textContent = text; };

function later(wait, call) {
  let timer = 0;
  return (...args) => { clearTimeout(timer); timer = setTimeout(() => call(...args), wait); };
}
