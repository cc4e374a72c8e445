// The loss after each step, as lines and as a table.

import { changesOf } from "./changes.js";
import { element, svgElement } from "./element.js";
import { figure, laneName, lossFigure } from "./figures.js";
import { watchRecords } from "./watch.js";

const WIDTH = 360;
const HEIGHT = 176;
const EDGE = { left: 36, right: 12, top: 12, bottom: 34 };
// Steps that the axis has from the start, so that the lines grow to the right at first.
const STEPS = 12;
const SPLITS = [
  ["train", "batch"],
  ["eval", "unseen"],
];

export function mountCurve(store, root) {
  const chart = svgElement("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  const legend = element("ul", { class: "legend" });
  const changes = element("ol", { class: "changes" });
  const table = element("div", { class: "scroll", tabindex: "0" });
  table.setAttribute("role", "region");
  table.setAttribute("aria-label", "Table of the losses");
  const details = element("details", {}, element("summary", {}, "The numbers as a table"), table);
  root.append(chart, legend, changes, details);

  const tabulate = () => {
    if (details.open) table.replaceChildren(lossTable(store.state.lanes));
  };
  details.addEventListener("toggle", tabulate);
  watchRecords(store, (lanes) => {
    const marks = lanes.flatMap((lane, index) => marksOf(lane, laneName(index, lanes)));
    drawCurve(chart, lanes, marks);
    legend.replaceChildren(...legendOf(lanes));
    changes.replaceChildren(
      ...marks.map((mark) => element("li", {}, `Before step ${mark.step}${mark.text}`)),
    );
    changes.hidden = marks.length === 0;
    tabulate();
  });
}

// Where settings changed between two steps.
function marksOf({ records }, lane) {
  return records.slice(1).flatMap((record, index) => {
    const changes = changesOf(records[index].settings, record.settings);
    const text = `${lane && `, ${lane.toLowerCase()}`}: ${changes.join("; ")}.`;
    return changes.length ? [{ step: record.step, text }] : [];
  });
}

function drawCurve(chart, lanes, marks) {
  const records = lanes.flatMap((lane) => lane.records);
  const losses = records.flatMap((one) => [one.train.loss, one.eval.loss]).filter(Number.isFinite);
  const last = Math.max(STEPS, ...records.map((record) => record.step));
  const ticks = ticksUpTo(Math.max(0, ...losses) || 1, 4);
  const top = ticks.at(-1);
  const x = (step) => EDGE.left + (step / last) * (WIDTH - EDGE.left - EDGE.right);
  const y = (loss) => HEIGHT - EDGE.bottom - (loss / top) * (HEIGHT - EDGE.top - EDGE.bottom);

  chart.setAttribute("aria-label", spokenCurve(lanes));
  chart.replaceChildren(
    ...ticks.flatMap((tick) => [
      svgElement("line", { class: "grid", x1: x(0), x2: x(last), y1: y(tick), y2: y(tick) }),
      svgElement("text", { x: EDGE.left - 6, y: y(tick) + 4, class: "loss" }, tickText(tick)),
    ]),
    ...ticksUpTo(last, 6)
      .filter((tick) => tick <= last && Number.isInteger(tick))
      .map((tick) =>
        svgElement("text", { x: x(tick), y: HEIGHT - EDGE.bottom + 16, class: "step" }, `${tick}`),
      ),
    svgElement("text", { x: x(last / 2), y: HEIGHT - 4, class: "step" }, "step"),
    ...marks.map(({ step }) =>
      svgElement("line", {
        class: "mark",
        x1: x(step - 0.5),
        x2: x(step - 0.5),
        y1: EDGE.top,
        y2: y(0),
      }),
    ),
    ...lanes.flatMap((lane, index) =>
      SPLITS.flatMap(([split]) => lossLine(lane.records, split, index, x, y)),
    ),
  );
}

// A step without a finite loss is a gap in the line.
function lossLine(records, split, index, x, y) {
  let pen = "M";
  const path = records.map((record) => {
    const loss = record[split].loss;
    if (!Number.isFinite(loss)) {
      pen = "M";
      return "";
    }
    const point = `${pen}${x(record.step).toFixed(1)} ${y(loss).toFixed(1)}`;
    pen = "L";
    return point;
  });
  const ends = records.filter((record) => Number.isFinite(record[split].loss)).slice(-1);
  return [
    svgElement("path", { class: `line lane-${index + 1} ${split}`, d: path.join("") || "M0 0" }),
    ...ends.map((record) => endMark(index, x(record.step), y(record[split].loss))),
  ];
}

// A circle ends the lines of the first lane, a square those of the second.
function endMark(index, x, y) {
  const name = `end lane-${index + 1}`;
  if (index === 0) return svgElement("circle", { class: name, cx: x, cy: y, r: 4 });
  return svgElement("rect", { class: name, x: x - 4, y: y - 4, width: 8, height: 8 });
}

// Round numbers from 0 on; the last one is not below the highest value.
function ticksUpTo(highest, count) {
  const rough = highest / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const needed = Math.ceil(highest / size - 1e-9);
  return Array.from({ length: needed + 1 }, (_, index) => Number((index * size).toPrecision(6)));
}

// As short as the space before the axis: 20000 is "2e4".
const tickText = (tick) => (tick < 1e4 ? `${tick}` : tick.toExponential().replace("e+", "e"));

function legendOf(lanes) {
  return lanes.map((lane, index) => {
    const samples = SPLITS.map(([split, text]) => {
      const sample = svgElement("svg", { viewBox: "0 0 36 12", "aria-hidden": "true" });
      sample.append(
        svgElement("path", { class: `line lane-${index + 1} ${split}`, d: "M0 6L36 6" }),
        endMark(index, 30, 6),
      );
      const loss = lossFigure(lane.records.at(-1)?.[split].loss);
      return element("span", {}, sample, `${text} ${loss}`);
    });
    const name = laneName(index, lanes);
    return element("li", {}, name && element("b", {}, name), ...samples);
  });
}

function spokenCurve(lanes) {
  const said = lanes.map(({ records }, index) => {
    const [first, last] = [records[0], records.at(-1)];
    if (!last) return "";
    const parts = SPLITS.map(
      ([split, text]) =>
        `${text} from ${lossFigure(first[split].loss)} to ${lossFigure(last[split].loss)}`,
    );
    const name = laneName(index, lanes);
    return `${name}${name && ": "}${parts.join(", ")}, after step ${last.step}.`;
  });
  return `Loss after each step. ${said.join(" ")}`;
}

function lossTable(lanes) {
  const heads = lanes.flatMap((_, index) => {
    const name = laneName(index, lanes);
    const texts = ["batch", "right", "unseen", "right", "in the step", "seconds"];
    return texts.map((text) => element("th", { scope: "col" }, `${name} ${text}`.trim()));
  });
  const steps = [...new Set(lanes.flatMap((lane) => lane.records.map((one) => one.step)))];
  const rows = steps.sort((one, other) => one - other).map((step) => lossRow(lanes, step));
  return element(
    "table",
    {},
    element(
      "caption",
      {},
      "Losses after each step, in eval mode. “In the step”: the loss that the step itself computed, before the weights moved.",
    ),
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Step"), ...heads)),
    element("tbody", {}, ...rows),
  );
}

function lossRow(lanes, step) {
  const cells = lanes.flatMap(({ records }) => {
    const record = records.find((one) => one.step === step);
    const texts = record
      ? [
          lossFigure(record.train.loss),
          `${record.train.correct}`,
          lossFigure(record.eval.loss),
          `${record.eval.correct}`,
          lossFigure(record.loss),
          figure(record.seconds),
        ]
      : Array(6).fill("–");
    return texts.map((text) => element("td", {}, text));
  });
  return element("tr", {}, element("th", { scope: "row" }, `${step}`), ...cells);
}
