// The knobs of each lane. What cannot be set is said beside its field, and not sent.

import { element, setText } from "./element.js";
import { laneName } from "./figures.js";
import { HIGHEST, isDecay, isRate, isSeed, numberIn, sameRates, sameSettings } from "./settings.js";
import { withTerms } from "./terms.js";

const RATE = {
  limits: { min: 0, max: HIGHEST.rate, step: "any" },
  read: (text) => {
    const rate = numberIn(text);
    return isRate(rate)
      ? { value: rate }
      : { fault: `Write a number above 0, such as 0.01. To hold a stage still, freeze it.` };
  },
};

// A fieldset for each lane; lanes with other entries of the learning rate get other fields.
export function mountKnobs(store, root) {
  const sides = element("div", { class: "sides" });
  root.append(introductionOf(store), sides);
  let shown = [];
  let built = "";

  const build = (lanes) => {
    shown = lanes.map((lane, index) => laneKnobs(store, lane.settings, index));
    sides.replaceChildren(...shown.map((one) => one.root));
  };
  store.subscribe(({ lanes }, change) => {
    const now = JSON.stringify(lanes.map((lane) => Object.keys(lane.settings.lr)));
    if (now !== built) build(lanes);
    built = now;
    shown.forEach((one, index) => {
      one.show(lanes[index].settings, laneName(index, lanes), change.kind === "failed");
    });
  });
}

function introductionOf({ recorded }) {
  if (!recorded) {
    return element(
      "p",
      { class: "muted" },
      ...withTerms(
        "A change counts from the next training step on. Other weights or another seed begin anew: the lane goes back to step 0.",
      ),
    );
  }
  return element(
    "p",
    {},
    "This page is recorded: its presets can be played, and their knobs read. The live page turns them: ",
    element("code", {}, recorded.command),
  );
}

function laneKnobs(store, settings, lane) {
  const legend = element("legend");
  const knobs = knobsOfLane(store.scene, settings).map((knob) =>
    knobField(knob, `knob-${lane}-${knob.id}`, (value) => {
      store.change(lane, knob.change(value, store.state.lanes[lane].settings));
    }),
  );
  const fields = knobs.map((knob) => knob.root);
  const source = element("p", { class: "source" });
  const root = element(
    "fieldset",
    { disabled: Boolean(store.recorded) },
    legend,
    source,
    ...fields,
  );
  const show = (now, name, refused) => {
    setText(legend, name || "This network");
    setText(source, sourceOf(store.scene, now));
    for (const knob of knobs) knob.show(now, refused);
  };
  return { root, show };
}

// Where the learning rates come from, if they are those of a preset.
function sourceOf({ presets }, settings) {
  const same = presets.find((preset) => sameSettings(preset.settings, settings));
  return (same ?? presets.find((preset) => sameRates(preset.settings, settings)))?.rates ?? "";
}

// What can be set: where it stands in the settings, and how it is read from a text.
function knobsOfLane(scene, { lr }) {
  const simple = (name) => ({
    id: name,
    valueIn: (settings) => settings[name],
    change: (value) => ({ [name]: value }),
  });
  const choice = (choices) => ({
    choices,
    read: (text) => ({ value: choices.find((one) => `${one}` === text) }),
  });
  return [
    ...rateNames(lr).map((name) => rateKnob(name, lr)),
    {
      ...simple("layer_decay"),
      title: "Layer decay",
      unit: "0 to 1, empty: none",
      text: "Each stage trains at this fraction of the learning rate of the stage above it.",
      limits: { min: 0, max: 1, step: "any" },
      read: decayIn,
    },
    {
      ...simple("optimizer"),
      title: "Optimizer",
      text: "The rule that turns gradients into changes of the weights.",
      ...choice(scene.optimizers),
    },
    {
      ...simple("batch"),
      title: "Batch",
      unit: "images",
      text: "Images of a step. More of them give a steadier gradient, and a slower step.",
      ...choice(scene.batches),
    },
    {
      ...simple("weights"),
      title: "Weights",
      unit: "begins anew",
      text: "Pretrained weights know images already. Random weights have learned nothing.",
      ...choice(scene.initialisations),
    },
    {
      ...simple("seed"),
      title: "Seed",
      unit: "begins anew",
      text: "Decides what is drawn by chance: the new head, random weights, dropout.",
      limits: { min: 0, max: HIGHEST.seed, step: 1 },
      read: seedIn,
    },
  ];
}

const rateNames = (lr) => [...new Set(["head", "backbone", ...Object.keys(lr)])];

function rateKnob(name, lr) {
  const texts = {
    head: "How far a step moves the weights of the head. It is new, so it may move fast.",
    backbone: "The same for trainable stages. Low rates keep what pretrained weights know.",
  };
  return {
    id: `lr-${name}`,
    title: `Learning rate of ${name === "head" ? "the head" : name === "backbone" ? "the backbone" : name}`,
    unit: name in lr ? "above 0" : "not set: needed if it trains",
    text: texts[name] ?? "This stage has a rate of its own. Layer decay does not change it.",
    valueIn: (settings) => settings.lr[name],
    change: (rate, settings) => ({ lr: { ...settings.lr, [name]: rate } }),
    ...RATE,
  };
}

function decayIn(text) {
  if (text.trim() === "") return { value: null };
  const decay = numberIn(text);
  if (isDecay(decay)) return { value: decay };
  return { fault: "Write a number above 0 and at most 1, such as 0.5, or leave it empty." };
}

function seedIn(text) {
  const seed = numberIn(text);
  if (isSeed(seed)) return { value: seed };
  return { fault: `Write a whole number from 0 to ${HIGHEST.seed}.` };
}

function knobField(knob, id, set) {
  const help = element("p", { class: "help", id: `${id}-help` }, ...withTerms(knob.text));
  const fault = element("p", { class: "fault", id: `${id}-fault`, role: "alert" });
  const input = inputOf(knob, id);
  const unit = knob.unit ? element("span", { class: "unit" }, ` (${knob.unit})`) : "";
  const label = element("label", { for: id }, knob.title, unit);
  const root = element("div", { class: "knob" }, label, input, fault, help);

  const complain = (text) => {
    setText(fault, text);
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };
  let known = null;
  input.addEventListener("change", () => {
    // A number field that holds no number says so, and has no text.
    const read = input.validity.badInput ? knob.read("?") : knob.read(input.value);
    complain(read.fault ?? "");
    if (!read.fault && input.value !== known) set(read.value);
  });
  // What a person is typing stays, until the setting itself changes or what was sent is refused.
  const show = (settings, refused) => {
    const text = `${knob.valueIn(settings) ?? ""}`;
    if (text === known && !refused) return;
    known = text;
    input.value = text;
    complain("");
  };
  return { root, show };
}

function inputOf(knob, id) {
  const described = { id, "aria-describedby": `${id}-fault ${id}-help` };
  if (!knob.choices) return element("input", { type: "number", ...described, ...knob.limits });
  const options = knob.choices.map((one) => element("option", { value: one }, `${one}`));
  return element("select", described, ...options);
}
