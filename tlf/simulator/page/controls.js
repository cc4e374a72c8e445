// Train step, ×10, play, reset, compare: each a button with a key.

import { trainsOf } from "./consequences.js";
import { element, setText } from "./element.js";
import { isBroken } from "./store.js";

const HANDLED = "button, a[href], input, select, textarea, summary, [contenteditable], dialog";

export function mountControls(store, root) {
  const { state } = store;
  let many = false;
  const controls = [
    createControl("Space", " ", "primary", () => store.step(1)),
    createControl("X", "x", "", () => {
      many = true;
      store.step(10);
    }),
    createControl("P", "p", "", () => (running() ? pause() : store.play(true))),
    createControl("R", "r", "", () => store.reset()),
    createControl("C", "c", "", () => store.compare(state.lanes.length < 2)),
  ];
  const [step, ten, play, reset, compare] = controls;
  const counter = element("span", { class: "counter" });
  const reason = element("span", { class: "reason", id: "no-step" });
  root.append(...controls.map((one) => one.button), counter, reason);
  nameControl(step, "Train step");
  nameControl(ten, "×10");
  nameControl(reset, "Reset");

  const running = () => state.playing || (many && state.stepping);
  function pause() {
    if (state.playing) store.play(false);
    else store.stop();
  }

  function show() {
    const why = whyNoStep(store);
    setText(reason, why);
    const steps = Math.max(0, ...state.lanes.map((lane) => lane.records.at(-1)?.step ?? 0));
    setText(
      counter,
      state.left === null || steps + state.left === 0
        ? `Step ${steps}`
        : `Step ${steps} of ${steps + state.left}`,
    );
    for (const one of [step, ten]) allowControl(one, !why && !running(), why);
    allowControl(play, !why || running(), why);
    allowControl(reset, steps > 0, "");
    reset.button.classList.toggle("primary", isBroken(state));
    nameControl(play, running() ? "Pause" : "Play");
    nameControl(compare, state.lanes.length > 1 ? "One lane" : "Compare");
  }
  store.subscribe((_state, change) => {
    // Also where the steps were refused: then none begins, and none ends.
    if (!state.stepping && ["state", "stepping", "failed"].includes(change.kind)) many = false;
    show();
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const found = controls.find((one) => one.key === event.key.toLowerCase());
    const handled = event.target.closest(HANDLED);
    // Space presses what has the focus; letters are text only where one can write.
    if (!found || (handled && (found === step || !handled.matches("button, a, summary")))) return;
    event.preventDefault();
    if (!event.repeat) found.press();
  });
}

function createControl(keyName, key, kind, act) {
  const label = element("span", { class: "label" });
  const button = element(
    "button",
    { class: `control ${kind}`, type: "button", "aria-keyshortcuts": keyName },
    label,
    " ",
    element("kbd", { "aria-hidden": "true" }, keyName),
  );
  const press = () => {
    if (button.getAttribute("aria-disabled") !== "true") act();
  };
  button.addEventListener("click", press);
  return { button, label, key, press };
}

const nameControl = (control, text) => setText(control.label, text);

// A button that cannot be used keeps the focus and says why.
function allowControl({ button }, can, why) {
  button.setAttribute("aria-disabled", String(!can));
  if (!can && why) button.setAttribute("aria-describedby", "no-step");
  else button.removeAttribute("aria-describedby");
}

function whyNoStep({ scene, state, recorded }) {
  const { lanes, left } = state;
  if (!lanes.length) return "";
  if (isBroken(state)) return "Broken: reset to begin again.";
  const still = lanes.findIndex(({ settings }) =>
    scene.stages.every((stage) => trainsOf(scene, settings, stage) === 0),
  );
  if (still >= 0) {
    const where = lanes.length > 1 ? ` in lane ${still + 1}` : "";
    return `Nothing trains${where}: click a stage to train it.`;
  }
  if (lanes.every((lane) => lane.missing)) return "Not recorded: choose a preset.";
  if (left !== 0) return "";
  return recorded
    ? "The recording ends here: reset to see it again."
    : "The page keeps no more steps: reset to make new ones.";
}
