// Details: one delivery, its message, what caused it, and what it caused.

const CHAIN = 40;

function brief(model, i) {
  const { deliveries, messages } = model;
  const message = deliveries.message[i];
  const lines = [
    `<b>${html(model.topicOf(i))}</b> ${badge(model.outcome(i))}`,
    `${html(model.name(model.sender(i)))} → ${html(model.name(deliveries.agent[i]))}`,
    `at ${instant(deliveries.accepted[i], model.end / 1e4)}, ${seconds(model.over(i) - deliveries.accepted[i])} in all${deliveries.begun[i] === null ? "" : `, ${seconds(deliveries.begun[i] - deliveries.accepted[i])} of it waiting`}`,
    `<span class="mono">${html(messages.payload[message].slice(0, 90))}</span>`,
  ];
  if (deliveries.error[i] >= 0) lines.push(`<span style="color:var(--failed)">${html(model.run.errors[deliveries.error[i]].slice(0, 140))}</span>`);
  return lines.join("<br>");
}

function showDelivery(model, i) { showMessage(model, model.deliveries.message[i], i); }

function showMessage(model, message, chosen = -1) {
  const { messages, deliveries } = model;
  const element = document.getElementById("details");
  const error = chosen >= 0 && deliveries.error[chosen] >= 0 ? model.run.errors[deliveries.error[chosen]] : null;
  const facts = [
    ["id", `<span class="mono">${html(messages.id[message])}</span>`],
    ["from", html(model.name(messages.sender[message]))],
    ["accepted", instant(messages.time[message], model.end / 1e4)],
    ["priority", ["low", "normal", "high", "urgent"][messages.priority[message]]],
    ["addressed", messages.addressing[message]],
  ];
  const causes = [];
  for (let m = messages.cause[message]; m >= 0 && causes.length < CHAIN; m = messages.cause[m]) causes.push(m);
  const effects = model.effectsOf(message);
  element.innerHTML = `<button class="close" type="button" aria-label="Close">✕</button>
    <h2>${html(model.run.topics[messages.topic[message]])}</h2>
    <dl>${facts.map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`).join("")}</dl>
    ${error === null ? "" : `<h3>Why it failed, after ${deliveries.attempts[chosen]} attempt${deliveries.attempts[chosen] === 1 ? "" : "s"}</h3><pre style="color:var(--failed)">${html(error)}</pre>`}
    <h3>Payload</h3><pre>${html(messages.payload[message])}</pre>
    <h3>Deliveries</h3>${model.deliveriesOf(message).slice(0, CHAIN).map((i) => `<div>${badge(model.outcome(i))} ${html(model.name(deliveries.agent[i]))}<small style="color:var(--soft)"> ${seconds(model.over(i) - deliveries.accepted[i])}${deliveries.error[i] >= 0 ? ` · ${html(model.run.errors[deliveries.error[i]])}` : ""}</small></div>`).join("") || "nobody"}
    <h3>Caused by</h3>${causes.map((m) => step(model, m)).join("") || "nothing: it came from outside of handlers"}
    <h3>It caused ${whole(effects.length)} message${effects.length === 1 ? "" : "s"}</h3>${effects.slice(0, CHAIN).map((m) => step(model, m)).join("")}`;
  element.hidden = false;
  element.scrollTop = 0;
  element.querySelector(".close").addEventListener("click", () => { element.hidden = true; });
  for (const button of element.querySelectorAll(".step")) button.addEventListener("click", () => showMessage(model, Number(button.dataset.message)));
}

function step(model, message) {
  const { messages } = model;
  return `<button type="button" class="step" data-message="${message}">${html(model.run.topics[messages.topic[message]])}<small>${html(model.name(messages.sender[message]))}, at ${instant(messages.time[message], model.end / 1e4)} · ${html(messages.payload[message].slice(0, 60))}</small></button>`;
}
