// The steps of a lane as a table: for readers who want no motion, and for all who want the numbers.

import { stillMotion } from "./dots.js";
import { element } from "./element.js";
import { figure, lossFigure } from "./figures.js";

const SHOWN_STEPS = 50;

export function createStepTable(scene) {
  const stages = [...scene.stages].reverse();
  const header = (text, scope) => element("th", { scope }, text);
  const body = element("tbody");
  const table = element(
    "table",
    {},
    element("caption", {}, "Norm of the gradient of each stage's output, from the head down."),
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        ...["Step", "Loss", ...stages.map(({ name }) => name)].map((text) => header(text, "col")),
      ),
    ),
    body,
  );
  const root = element(
    "details",
    { class: "steps" },
    element("summary", {}, "Table of the steps"),
    element(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of the steps" },
      table,
    ),
  );
  root.open = stillMotion.matches;
  let records = [];
  let newest = null;

  const cells = (record) => {
    const loss = record.loss === null ? "not a number" : lossFigure(record.loss);
    // Of a step that broke, or of an output that cannot be seen, nobody knows that there is none.
    const flows = stages.map(({ name, observed }) => {
      const { flow } = record.stages[name];
      return flow === null && !record.broken && observed ? "none" : figure(flow);
    });
    return element(
      "tr",
      {},
      header(String(record.step), "row"),
      ...[loss, ...flows].map((text) => element("td", {}, text)),
    );
  };
  // The newest step is on top. A closed table is not drawn.
  function draw() {
    if (!root.open) return;
    const steps = records.filter((record) => record.step > 0).slice(-SHOWN_STEPS);
    body.replaceChildren(...steps.reverse().map(cells));
  }
  root.addEventListener("toggle", draw);
  return {
    root,
    show(all) {
      const last = all.at(-1);
      if (records === all && newest === last) return;
      [records, newest] = [all, last];
      draw();
    },
  };
}
