// What the settings of a lane lead to. The page computes it at once; what only the program knows
// (memory, what is computed once) follows.

import { element, setText } from "./element.js";
import { bytesText, countText, inPercent, secondsText, shortCount } from "./figures.js";

// How many parameters of a stage train.
export function trainsOf(scene, settings, stage) {
  const state = settings.stages[stage.name];
  if (state === "frozen") return 0;
  if (state === "trainable") return stage.parameters;
  return scene.presets.find((preset) => preset.id === state)?.trains[stage.name] ?? 0;
}

// Where the gradient goes, from the stem to the head: "solid" where it reaches parameters,
// "hollow" where it only passes, "none" where it does not come.
export function pathOf(scene, settings) {
  const trains = scene.stages.map((stage) => trainsOf(scene, settings, stage));
  const lowest = trains.findIndex((count) => count > 0);
  return trains.map((count, index) => {
    if (lowest < 0 || index < lowest) return "none";
    return count > 0 ? "solid" : "hollow";
  });
}

// Multiply-adds of a step for one image: forward, gradients of activations above the lowest
// training stage, gradients of the weights that train.
function workOf(stages, trains) {
  const lowest = trains.findIndex((count) => count > 0);
  const sum = (part) => stages.reduce((all, stage, index) => all + part(stage, index), 0);
  return {
    forward: sum((stage) => stage.multiply_adds),
    activations: lowest < 0 ? 0 : sum((stage, index) => (index > lowest ? stage.multiply_adds : 0)),
    weights: sum((stage, index) =>
      stage.parameters ? (stage.multiply_adds * trains[index]) / stage.parameters : 0,
    ),
  };
}

function consequencesOf(scene, settings) {
  const trains = scene.stages.map((stage) => trainsOf(scene, settings, stage));
  const every = scene.stages.map((stage) => stage.parameters);
  const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);
  return {
    trainable: sum(trains),
    parameters: sum(every),
    work: workOf(scene.stages, trains),
    everything: sum(Object.values(workOf(scene.stages, every))),
  };
}

const WORK = [
  ["forward", "forward"],
  ["activations", "gradients of activations"],
  ["weights", "gradients of weights"],
];

export function createConsequences(scene) {
  const root = element("dl", { class: "consequences" });
  const tile = (key, label, means, ...extra) => {
    const value = element("strong");
    const note = element("small");
    root.append(
      element(
        "div",
        { class: `consequence ${key}` },
        element("dt", { title: means }, label),
        element("dd", {}, value, ...extra, note),
      ),
    );
    return (text, detail, title = text) => {
      setText(value, text);
      setText(note, detail);
      value.title = title;
    };
  };
  const share = element("span", { class: "share", "aria-hidden": "true" });
  const pieces = WORK.map(([key, title]) => element("span", { class: key, title }));
  const work = element("span", { class: "work", "aria-hidden": "true" }, ...pieces);
  const trainable = tile("trainable", "Trainable", "Parameters that a step can change", share);
  const cost = tile("cost", "Work a step", "Multiply-adds of its forward and backward pass", work);
  const once = tile("once", "Computed once", "What a run stores, because it never changes");
  const memory = tile(
    "memory",
    "Memory a step",
    "What it keeps beside the weights: for the backward pass, gradients, the optimizer's state",
  );
  const time = tile("time", "Time a step", "Of the last one, as it was measured");

  function show(settings, costs, record, waiting) {
    const found = consequencesOf(scene, settings);
    share.style.setProperty("--part", String(found.trainable / (found.parameters || 1)));
    trainable(
      shortCount(found.trainable),
      `${inPercent(found.trainable / (found.parameters || 1))} of ${shortCount(found.parameters)}`,
      `${countText(found.trainable)} of ${countText(found.parameters)}`,
    );
    showWork(found);
    once(...onceTexts(costs, waiting));
    memory(
      costs ? bytesText(costs.memory) : waiting,
      costs ? ifAllTrains(found, bytesText(costs.memory_everything)) : "",
    );
    const seconds = record?.seconds ?? null;
    time(
      seconds === null ? "–" : secondsText(seconds),
      costs?.seconds_everything ? ifAllTrains(found, secondsText(costs.seconds_everything)) : "",
    );
  }
  function showWork({ work: parts, everything }) {
    WORK.forEach(([key], index) => {
      pieces[index].style.setProperty("--part", String(everything ? parts[key] / everything : 0));
    });
    const all = parts.forward + parts.activations + parts.weights;
    cost(
      everything ? inPercent(all / everything) : "–",
      everything ? "of training everything" : "not known for this network",
    );
  }
  return { root, show };
}

function onceTexts(costs, waiting) {
  if (!costs) return [waiting, ""];
  if (costs.computed_once === null) return ["nothing", "all of it runs in every step"];
  const left = costs.everything ? inPercent(costs.multiply_adds / costs.everything) : "";
  return [costs.computed_once, left && `a run’s step: ${left}`];
}

const ifAllTrains = ({ trainable, parameters }, text) =>
  trainable === parameters ? "everything trains" : `${text} to train all`;
