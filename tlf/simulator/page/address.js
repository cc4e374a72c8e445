// The settings of the lanes, in the address of the page: a reload or a shared link shows the same.
//
//     #a=last                                  the preset "last"
//     #a=last,layer3:trainable;batch=4&b=all   a preset and what differs from it; a second lane
//     #a=head&tour=2                           a lesson of the tour

import { isDecay, isRate, isSeed, numberIn, sameSettings } from "./settings.js";

const LANES = ["a", "b"];

// `tour` tells which lesson the reader went to; `showLesson` goes to one, and says which is shown.
export function mountAddress(store, tour, showLesson) {
  const { scene } = store;
  let opened = false;
  let lesson = 0;

  const follow = () => {
    const wanted = addressRead(scene, location.hash.slice(1));
    const { lanes, faults } = wanted;
    const now = store.state.lanes;
    const same =
      lanes.length === now.length && lanes.every((one, i) => sameSettings(one, now[i].settings));
    if (lanes.length && !same) store.lanes(lanes);
    lesson = showLesson(wanted.lesson);
    if (lesson !== wanted.lesson) faults.push(`there is no lesson ${wanted.lesson}`);
    if (faults.length) store.note(`The address was not understood: ${faults.join("; ")}.`);
  };
  const write = () => {
    const lanes = store.state.lanes.map((lane) => lane.settings);
    history.replaceState(null, "", `#${addressWritten(scene, lanes, lesson)}`);
  };
  store.subscribe((state, change) => {
    if (!["state", "settings"].includes(change.kind) || !state.lanes.length) return;
    if (!opened) {
      opened = true;
      follow();
    }
    write();
  });
  tour.addEventListener("tour", (event) => {
    lesson = event.detail;
    write();
  });
  addEventListener("hashchange", () => {
    follow();
    write();
  });
}

const encoded = encodeURIComponent;

function addressWritten(scene, lanes, lesson) {
  const parts = lanes.map((lane, index) => `${LANES[index]}=${addressOfLane(scene, lane)}`);
  if (lesson) parts.push(`tour=${lesson}`);
  return parts.join("&");
}

// From the preset that differs least.
function addressOfLane(scene, settings) {
  const texts = scene.presets.map((preset) => {
    const stages = Object.entries(settings.stages)
      .filter(([stage, value]) => preset.settings.stages[stage] !== value)
      .map(([stage, value]) => `,${encoded(stage)}:${encoded(value)}`);
    const before = knobsOf(preset.settings);
    const now = knobsOf(settings);
    const knobs = [...new Set([...Object.keys(before), ...Object.keys(now)])]
      .filter((name) => before[name] !== now[name])
      .map((name) => `;${encoded(name)}=${encoded(now[name] ?? "none")}`);
    return [encoded(preset.id), ...stages, ...knobs];
  });
  return texts.reduce((least, text) => (text.length < least.length ? text : least)).join("");
}

function knobsOf({ stages, lr, ...knobs }) {
  const rates = Object.entries(lr).map(([name, rate]) => [`lr.${name}`, rate]);
  return { ...knobs, ...Object.fromEntries(rates) };
}

function addressRead(scene, hash) {
  const faults = [];
  const lanes = [];
  let lesson = 0;
  for (const part of hash.split("&").filter((one) => one)) {
    const [name, ...text] = part.split("=");
    const value = text.join("=");
    if (LANES.includes(name)) lanes[LANES.indexOf(name)] = laneOfAddress(scene, value, faults);
    else if (name === "tour" && /^[1-9]\d?$/.test(value)) lesson = Number(value);
    else faults.push(`“${decoded(part)}” is no lane`);
  }
  return { lanes: lanes.filter((lane) => lane), lesson, faults };
}

function laneOfAddress(scene, text, faults) {
  const [states, ...knobs] = text.split(";");
  const [id, ...stages] = states.split(",");
  const preset = scene.presets.find((one) => one.id === decoded(id));
  if (!preset) {
    faults.push(`“${decoded(id)}” is no preset`);
    return null;
  }
  const settings = structuredClone(preset.settings);
  for (const one of stages) {
    const [stage, state] = one.split(":").map(decoded);
    if (statesOf(scene, stage).includes(state)) settings.stages[stage] = state;
    else faults.push(`“${stage}” cannot be “${state ?? ""}”`);
  }
  for (const one of knobs) {
    const [name, value = ""] = one.split("=").map(decoded);
    if (!setKnob(scene, settings, name, value)) faults.push(`“${name}” cannot be “${value}”`);
  }
  return settings;
}

function statesOf(scene, stage) {
  if (!scene.stages.some((one) => one.name === stage)) return [];
  return ["frozen", "trainable", ...scene.presets.map((preset) => preset.settings.stages[stage])];
}

// Whether the value is one that the page can set; then it is set.
function setKnob(scene, settings, name, text) {
  const set = (table, key, value, valid) => {
    if (valid) table[key] = value;
    return valid;
  };
  const number = numberIn(text);
  const rate = name.startsWith("lr.") ? name.slice(3) : null;
  if (rate !== null) {
    if (!["backbone", ...scene.stages.map((stage) => stage.name)].includes(rate)) return false;
    if (text === "none") return delete settings.lr[rate];
    return set(settings.lr, rate, number, isRate(number));
  }
  const knobs = {
    batch: () => [number, scene.batches.includes(number)],
    layer_decay: () => (text === "none" ? [null, true] : [number, isDecay(number)]),
    naive: () => [text === "true", ["true", "false"].includes(text)],
    optimizer: () => [text, scene.optimizers.includes(text)],
    seed: () => [number, isSeed(number)],
    weights: () => [text, scene.initialisations.includes(text)],
  };
  return Object.hasOwn(knobs, name) && set(settings, name, ...knobs[name]());
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
