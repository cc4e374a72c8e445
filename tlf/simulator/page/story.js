// What the last step did, in sentences, and the steps before it.

import { element, setText } from "./element.js";
import { laneName } from "./figures.js";
import { withTerms } from "./terms.js";
import { watchRecords } from "./watch.js";

// Steps that the history shows.
const KEPT = 100;

export function mountStory(store, root) {
  const now = element("div", { class: "now" });
  const list = element("ol", { class: "history", tabindex: "0", "aria-label": "Earlier steps" });
  const earlier = element("details", {}, element("summary", {}, "Earlier steps"), list);
  root.append(now, earlier);
  const announced = document.getElementById("announced");

  const tellHistory = () => {
    if (earlier.open) list.replaceChildren(...historyOf(store.state.lanes));
  };
  earlier.addEventListener("toggle", tellHistory);

  watchRecords(store, (lanes) => {
    now.replaceChildren(...lanes.map(lastStep));
    tellHistory();
    if (isWhole(lanes)) setText(announced, lanes.map(spoken).join(" ").trim());
  });
}

// Lanes step one after the other: a step is told when all have made it. One that was not recorded
// makes none.
function isWhole(lanes) {
  const [first, ...others] = lanes.flatMap((lane) => lane.records.at(-1)?.step ?? []);
  return first !== undefined && others.every((step) => step === first);
}

function lastStep(lane, index, lanes) {
  const record = lane.records.at(-1);
  const name = laneName(index, lanes);
  if (!record) return element("p", {}, `${name}${name && ": "}${lane.missing ?? "no step yet"}`);
  const title = `${name}${name && ", "}step ${record.step}`;
  return element(
    "div",
    { class: record.broken ? "broken" : null },
    element("h3", {}, title[0].toUpperCase() + title.slice(1)),
    sentencesOf(record),
  );
}

function sentencesOf(record) {
  const linked = new Set();
  const items = record.sentences.map((one) => element("li", {}, ...withTerms(one, linked)));
  return element("ul", { class: "sentences" }, ...items);
}

function historyOf(lanes) {
  const steps = lanes.flatMap((lane, index) =>
    lane.records.slice(-KEPT).map((record) => ({ record, index })),
  );
  steps.sort((a, b) => b.record.step - a.record.step || a.index - b.index);
  return steps.map(({ record, index }) => {
    const name = laneName(index, lanes);
    const title = element("b", {}, `Step ${record.step}${name && `, ${name.toLowerCase()}`}: `);
    return element("li", {}, title, record.sentences.join(" "));
  });
}

// The two most telling sentences are enough to listen to.
function spoken(lane, index, lanes) {
  const record = lane.records.at(-1);
  if (!record) return "";
  const name = laneName(index, lanes);
  const sentences = record.sentences.slice(0, 2).join(" ");
  return `${name ? `${name}, step` : "Step"} ${record.step}: ${sentences}`;
}
