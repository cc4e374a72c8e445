// Formulas with the numbers of the last step, and the glossary.

import { element, ownMarkup } from "./element.js";
import { laneName } from "./figures.js";
import { FORMULAS } from "./formulas.js";
import { GLOSSARY } from "./glossary.js";
import { withTerms } from "./terms.js";
import { watchRecords } from "./watch.js";

export function mountExplained(store, root) {
  const formulas = FORMULAS.map((formula) => formulaPart(store, formula));
  const words = element("dl", { class: "glossary" }, ...GLOSSARY.map(glossaryEntry));
  const glossary = element("details", {}, element("summary", {}, "Glossary"), words);
  root.append(
    element(
      "p",
      { class: "muted" },
      "Click a formula to see it with the numbers of the last step.",
    ),
    ...formulas.map((formula) => formula.root),
    glossary,
  );

  watchRecords(store, (lanes) => {
    for (const formula of formulas) formula.show(lanes);
  });
  // A link to an entry finds it shown.
  document.addEventListener(
    "click",
    (event) => {
      if (event.target.closest("a.term")) glossary.open = true;
    },
    { capture: true },
  );
}

function glossaryEntry({ id, term, means }) {
  return element(
    "div",
    { id: `term-${id}`, tabindex: "-1" },
    element("dt", {}, term),
    element("dd", {}, means),
  );
}

function formulaPart(store, { id, title, math, sentences, columns, note }) {
  const linked = new Set();
  const items = sentences.map((one) => element("li", {}, ...withTerms(one, linked)));
  const numbers = element("div", {
    class: "scroll",
    tabindex: "0",
    role: "region",
    "aria-label": `${title}: numbers of the last step`,
  });
  const root = element(
    "details",
    { id: `formula-${id}` },
    element("summary", {}, title),
    element(
      "div",
      { class: "formula" },
      element("div", {}, ownMarkup(math)),
      element("ol", {}, ...items),
    ),
    numbers,
  );
  const show = (lanes) => {
    if (root.open) numbers.replaceChildren(...numbersOf(store.scene, lanes, columns, note));
  };
  root.addEventListener("toggle", () => show(store.state.lanes));
  return { root, show };
}

// The stages of each lane in the last step, the head on top.
function numbersOf(scene, lanes, columns, note) {
  const stages = scene.stages.map((stage) => stage.name).reverse();
  const made = lanes.flatMap((lane, index) => {
    const record = lane.records.at(-1);
    return record ? [{ record, name: laneName(index, lanes) }] : [];
  });
  const heads = made.flatMap(() =>
    columns.map(([title]) => element("th", { scope: "col" }, title)),
  );
  const rows = stages.map((stage) => {
    const cells = made.flatMap(({ record }) =>
      columns.map(([, read]) => element("td", {}, read(record.stages[stage]))),
    );
    return element("tr", {}, element("th", { scope: "row" }, stage), ...cells);
  });
  const caption = element(
    "caption",
    {},
    "Gradients and moves are norms. A number that does not exist is –.",
  );
  const notes = made
    .map(({ record, name }) => [name, note?.(record.settings)])
    .filter(([, text]) => text)
    .map(([name, text]) => element("p", {}, `${name}${name && ": "}${text}`));
  const head = element(
    "thead",
    {},
    element("tr", {}, element("td"), ...made.map((one) => laneHead(one, columns.length))),
    element("tr", {}, element("th", { scope: "col" }, "stage"), ...heads),
  );
  return [...notes, element("table", {}, caption, head, element("tbody", {}, ...rows))];
}

function laneHead({ record, name }, span) {
  const step = `step ${record.step}`;
  const text = name ? `${name}, ${step}` : `Step ${record.step}`;
  return element("th", { scope: "colgroup", colspan: span }, text);
}
