// The network: one lane, or two side by side.

import { CALM, HURRIED } from "./dots.js";
import { element } from "./element.js";
import { inNextFrames } from "./frames.js";
import { createLane } from "./lane.js";
import { flowRange } from "./readouts.js";
import { createToggles } from "./toggles.js";

// Milliseconds after which the dots of a step that is being made begin to rise.
const BUSY = 80;

export function mountNetwork(store, root) {
  const list = element("div", { class: "lanes" });
  root.append(list);
  let views = [];
  // Of each lane, the piece of work that shows it: one that waits already is done once.
  let shows = [];
  // What has happened since the last frame.
  let changed = new Set();
  let stepped = new Map();
  let waiting = null;

  const toggles = createToggles(store);
  const drawSoon = () => inNextFrames(draw);
  const toggle = (lane, stage) => {
    toggles.toggle(lane, stage);
    drawSoon();
  };

  store.subscribe((_state, change) => {
    toggles.apply(change);
    changed.add(change.kind);
    if (change.kind === "stepped") stepped.set(change.lane, change.record);
    drawSoon();
  });

  function draw() {
    const { lanes, stepping } = store.state;
    if (lanes.length !== views.length) build(lanes.length);
    const range = flowRange(lanes);
    const [first, ...others] = shows;
    first?.();
    // A tab that was hidden learns from the whole state that a step has ended.
    if (changed.has("stepping") || changed.has("state")) follow(stepping);
    inNextFrames(...others, ...[...stepped].map((made) => () => fall(made, range)));
    changed = new Set();
    stepped = new Map();
  }

  // Reads the state when its frame comes: more may have happened since it was asked for.
  function show(index) {
    const { lanes } = store.state;
    if (!views[index] || !lanes[index]) return;
    const lane = { ...lanes[index], settings: toggles.settingsOf(index) };
    const begun = views[index].show(lane, { range: flowRange(lanes), lanes: lanes.length });
    if (begun) views[index].clear();
  }

  // The program is busy with other settings, too; that is over sooner than a step.
  function follow(stepping) {
    clearTimeout(waiting);
    if (!stepping) for (const view of views) view.land();
    else if (!stepped.size) waiting = setTimeout(rise, BUSY);
  }

  function rise() {
    for (const view of views) view.rise(store.state.playing ? HURRIED : CALM);
  }

  function fall([index, record], range) {
    const { lanes, playing, stepping } = store.state;
    const how = { range, pace: playing || stepping ? HURRIED : CALM, goesOn: stepping };
    if (lanes[index]?.records.at(-1) === record) views[index].fall(record, how);
  }

  function build(count) {
    views = views.slice(0, count);
    while (views.length < count) views.push(createLane(store, views.length, toggle));
    shows = views.map((_, index) => () => show(index));
    list.dataset.lanes = String(count);
    list.replaceChildren(...views.map((view) => view.root));
  }

  list.addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
    const [lane, level] = moves[event.key] ?? [];
    if (lane === undefined || !event.target.classList.contains("block")) return;
    const from = views.findIndex((view) => view.blocks.includes(event.target));
    const goal = views[from + lane]?.blocks[views[from].blocks.indexOf(event.target) + level];
    event.preventDefault();
    goal?.focus();
  });
}
