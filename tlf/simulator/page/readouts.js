// The numbers beside a stage: what a step has measured. A number that does not exist is "none".

import { element, setText } from "./element.js";
import { countText, figure, inPercent } from "./figures.js";

// Key, label, what the label means.
const READOUTS = [
  ["flow", "Gradient flow", "Norm of the gradient of the loss with respect to this output"],
  ["gradient", "Own gradient", "Norm of the gradient of this stage's parameters"],
  ["update", "Update", "Norm of the change of the weights, in percent of theirs"],
  ["statistics", "Statistics", "What BatchNorm and the like keep of their input"],
  ["moved", "Moved", "Weights that changed in this step, if only by a bit"],
  ["rate", "Learning rate", "The highest of this stage's parameters"],
];

const NOT_YET = "–";

// Powers of ten between which all norms of gradients are shown: one scale for all lanes and steps,
// so that sizes can be compared.
export function flowRange(lanes) {
  const range = [-5, 1];
  for (const { records } of lanes) {
    for (const { flow } of Object.values(records.at(-1)?.stages ?? {})) {
      if (!flow) continue;
      range[0] = Math.min(range[0], Math.floor(Math.log10(flow)));
      range[1] = Math.max(range[1], Math.ceil(Math.log10(flow)));
    }
  }
  return range;
}

// Where a norm is on that scale, from 0 to 1.
export function flowPart(flow, [low, high]) {
  if (!flow) return 0;
  return Math.min(1, Math.max(0.02, (Math.log10(flow) - low) / (high - low)));
}

export function createReadouts() {
  const cells = {};
  const root = element("dl", { class: "readouts" });
  for (const [key, label, title] of READOUTS) {
    cells[key] = element("dd");
    root.append(
      element("div", { class: `readout ${key}` }, element("dt", { title }, label), cells[key]),
    );
  }
  const bar = element("span", { class: "flow-bar", "aria-hidden": "true" });
  const number = element("span", { class: "flow-number" });
  const reason = element("span", { class: "flow-reason" });
  cells.flow.append(number, bar, reason);

  // `stage` is null where no step has been made.
  function show(stage, context) {
    const texts = stage ? readoutTexts(stage, context) : {};
    for (const [key] of READOUTS) {
      setText(key === "flow" ? number : cells[key], texts[key] ?? NOT_YET);
    }
    setText(reason, texts.reason ?? "");
    bar.style.setProperty("--part", String(flowPart(stage?.flow, context.range)));
    bar.toggleAttribute("data-none", !stage?.flow);
    cells.statistics.title = cells.statistics.textContent;
    cells.statistics.toggleAttribute("data-drifts", stage !== null && drifts(stage, context));
    cells.moved.title = stage
      ? `${countText(stage.moved)} of ${countText(stage.trains)} that train`
      : "";
  }
  return { root, show };
}

// `expected`: whether the settings of the step lead a gradient here. `fact`: why there is none.
function readoutTexts(stage, { broken, expected, observed, fact, naive }) {
  const trains = stage.trains > 0;
  // `due`: whether there is a number, if it is finite.
  const missing = (due) => (broken && due ? "not finite" : "none");
  const norm = (value, due) => (value === null ? missing(due) : figure(value));
  return {
    flow: observed || !expected ? norm(stage.flow, expected) : "not seen",
    reason: stage.flow === null ? fact : "",
    gradient: norm(stage.gradient, trains),
    update: updateText(stage, missing(trains)),
    statistics: statisticsText(stage, drifts(stage, { naive })),
    moved: movedText(stage),
    rate: stage.rate === null ? "none" : String(Number(stage.rate.toPrecision(3))),
  };
}

function updateText(stage, absent) {
  if (stage.update === null || stage.weights === null) return absent;
  return stage.weights ? inPercent(stage.update / stage.weights) : figure(stage.update);
}

// 99.99 % of many weights is not all of them.
function movedText({ moved, trains }) {
  if (moved === 0) return "none";
  if (moved === trains) return "all";
  const percent = (100 * moved) / trains;
  return `${percent > 99 ? Math.floor(100 * percent) / 100 : percent.toPrecision(2)} %`;
}

// Frozen, and its statistics move: the silent fault of naive freezing.
const drifts = (stage, { naive }) =>
  naive && Boolean(stage.statistics?.changed) && stage.trains === 0;

function statisticsText({ statistics }, warns) {
  if (!statistics) return "keeps none";
  if (!statistics.changed) return "unchanged, bit for bit";
  const { drift } = statistics;
  const text = drift === null ? "changed" : `drift ${inPercent(drift)}`;
  return warns ? `⚠ ${text}` : text;
}
