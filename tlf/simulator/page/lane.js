// One lane: a column with the loss on top, then the stages from the head to the stem, and the
// images at the bottom.

import { createConsequences, pathOf, trainsOf } from "./consequences.js";
import { createDots, kindsOf, stillMotion } from "./dots.js";
import { element, setText } from "./element.js";
import { lossFigure } from "./figures.js";
import { createLevel } from "./level.js";
import { sameSettings } from "./settings.js";
import { createStepTable } from "./step-table.js";

const DENSE = 12;

// `toggle` freezes or thaws a stage of a lane.
export function createLane(store, index, toggle) {
  const { scene } = store;
  const title = element("h3");
  const status = element("p", { class: "lane-status" });
  const consequences = createConsequences(scene);
  const levels = [...scene.stages]
    .reverse()
    .map((stage) => createLevel(scene, stage, () => toggle(index, stage.name)));
  const top = laneTop(scene);
  const bottom = laneBottom(scene);
  const rising = element("div", { class: "rising", "aria-hidden": "true" });
  const list = element("ol", { class: "levels" }, ...levels.map((level) => level.root));
  const tower = element("div", { class: "tower" }, top.root, list, bottom.root, rising);
  const table = createStepTable(scene);
  const root = element(
    "article",
    { class: "lane", "data-lane": String(index), "aria-label": `Lane ${index + 1}` },
    element("header", { class: "lane-head" }, title, status),
    tower,
    consequences.root,
    table.root,
  );
  tower.toggleAttribute("data-dense", levels.length > DENSE);
  const dots = createDots(scene, rising, levels);
  // The record that is shown.
  let last;

  // Returns whether the lane has begun anew.
  function show(lane, { range, lanes }) {
    const { settings, records } = lane;
    const record = records.at(-1);
    const preset = scene.presets.find((one) => sameSettings(one.settings, settings));
    const name = preset ? preset.title : "Your own settings";
    setText(title, lanes > 1 ? `Lane ${index + 1}: ${name}` : name);
    const { costs } = lane;
    const fresh = costs && costKey(costs.settings) === costKey(settings) ? costs : null;
    const made = record?.step ? record : null;
    const stale = made !== null && !sameSettings(made.settings, settings);
    consequences.show(
      settings,
      fresh,
      stale ? null : made,
      store.recorded ? "not recorded" : "checking",
    );
    showStatus(lane, record, stale);
    tower.toggleAttribute("data-stale", stale);
    top.show(record);
    bottom.show(settings.batch);
    showLevels(settings, made, range);
    table.show(records);
    const begun = record !== last && !record?.step;
    last = record;
    return begun;
  }

  function showLevels(settings, made, range) {
    const path = pathOf(scene, settings).reverse();
    const lowest = path.lastIndexOf("solid");
    const kinds = made && kindsOf(scene, made).reverse();
    const wanted = made && pathOf(scene, made.settings).reverse();
    tower.toggleAttribute("data-still", lowest < 0);
    levels.forEach((level, at) => {
      const stage = scene.stages[levels.length - 1 - at];
      level.showState(trainsOf(scene, settings, stage), path[at], at === lowest);
      level.showGradient(kinds?.[at]);
      const first = wanted && wanted[at] === "none" && wanted[at - 1] !== "none";
      level.showNumbers(made ? made.stages[level.name] : null, {
        range,
        broken: Boolean(made?.broken),
        expected: wanted?.[at] !== "none",
        observed: stage.observed,
        fact: first ? "nothing from here on down trains" : "",
        naive: Boolean(made?.settings.naive),
      });
    });
  }

  function showStatus(lane, record, stale) {
    const [kind, text] = statusOf(lane, record, stale);
    root.dataset.status = kind;
    setText(status, text);
  }

  // With reduced motion, the numbers and the table tell it all.
  const moving = () => !stillMotion.matches;
  return {
    root,
    blocks: levels.map((level) => level.block),
    show,
    rise: (pace) => moving() && dots.rise(pace, true),
    fall: (record, how) => moving() && dots.fall(record, how),
    land: dots.land,
    clear: dots.clear,
  };
}

// What the program's costs depend on.
const costKey = ({ stages, batch, optimizer, naive }) =>
  JSON.stringify([Object.entries(stages), batch, optimizer, naive]);

function statusOf(lane, record, stale) {
  if (record?.broken) return ["broken", `✖ Broken: ${record.broken}. Reset to begin again.`];
  if (!record) return ["missing", "Not recorded: this page has no steps with these settings."];
  if (stale) return ["stale", `Changed after step ${record.step}: the next step uses it.`];
  if (record.skipped) {
    return ["skipped", `Step ${record.step} moved nothing: its gradients overflowed in fp16.`];
  }
  if (lane.settings.naive) {
    return ["naive", "⚠ Naive freezing: stages in training mode."];
  }
  if (record.step === 0) return ["ready", "No step yet. Press “Train step”."];
  return ["stepped", `After step ${record.step}.`];
}

// The loss, where the gradient begins.
function laneTop(scene) {
  const loss = element("strong", { class: "loss" });
  const label = element("span", { class: "label", title: "Of the batch, before weights move" });
  const batch = element("span");
  const unseen = element("span");
  const root = element(
    "div",
    { class: "lane-top" },
    element("span", { class: "turn", "aria-hidden": "true" }),
    element("div", { class: "loss-of-step" }, label, loss),
    element("div", { class: "loss-notes" }, batch, unseen),
  );
  // The gradient comes from the loss that a step computes before the weights move.
  function show(record) {
    setText(label, record?.step ? `Loss in step ${record.step}` : "Loss");
    const of = record && (record.step ? record.loss : record.train.loss);
    setText(loss, record ? (of === null ? "not a number" : lossFigure(of)) : "–");
    setText(batch, record ? resultText("Batch", record.train, record.settings.batch) : "");
    setText(unseen, record ? resultText("Unseen", record.eval, scene.eval.length) : "");
  }
  return { root, show };
}

const resultText = (name, { correct }, count) => `${name}: ${correct} of ${count} right`;

// The images of the batch, where the forward pass begins.
function laneBottom(scene) {
  const thumbnails = scene.train.map((image) => {
    if (!image.thumbnail) return element("span", { class: "thumbnail" });
    const src = `data:image/jpeg;base64,${image.thumbnail}`;
    return element("img", { class: "thumbnail", src, alt: "", width: "28", height: "28" });
  });
  const label = element("span", { class: "label" });
  const root = element(
    "div",
    { class: "lane-bottom" },
    element("span", { class: "start", "aria-hidden": "true" }),
    element("div", { class: "batch" }, label, ...thumbnails),
  );
  function show(batch) {
    setText(label, batch === 1 ? "1 image" : `${batch} images`);
    thumbnails.forEach((thumbnail, at) => {
      thumbnail.hidden = at >= batch;
    });
  }
  return { root, show };
}
