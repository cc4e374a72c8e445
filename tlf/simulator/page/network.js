// The network: one lane, or two side by side.

import { CALM, HURRIED } from "./dots.js";
import { element } from "./element.js";
import { createLane } from "./lane.js";
import { flowRange } from "./readouts.js";

export function mountNetwork(store, root) {
  const list = element("div", { class: "lanes" });
  root.append(list);
  let views = [];
  // What has happened since the last frame.
  let changed = new Set();
  let stepped = new Map();
  let frame = 0;

  store.subscribe((_state, change) => {
    changed.add(change.kind === "state" ? "costs" : change.kind);
    if (change.kind === "stepped") stepped.set(change.lane, change.record);
    if (change.kind === "restarted" || change.kind === "state") {
      stepped.delete(change.lane);
      changed.add("begun");
    }
    if (!frame) frame = requestAnimationFrame(draw);
  });

  function draw() {
    frame = 0;
    const { lanes, stepping, playing } = store.state;
    if (lanes.length !== views.length) build(lanes.length);
    const range = flowRange(lanes);
    const pace = playing || stepping ? HURRIED : CALM;
    views.forEach((view, index) => {
      view.show(lanes[index], { range, lanes: lanes.length, changed });
      if (stepped.has(index)) view.measured(stepped.get(index), range, pace);
      else if (changed.has("begun")) view.clear();
      else if (changed.has("stepping")) stepping ? view.begin(pace) : view.land();
    });
    changed = new Set();
    stepped = new Map();
  }

  function build(count) {
    views = views.slice(0, count);
    while (views.length < count) views.push(createLane(store, views.length));
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
