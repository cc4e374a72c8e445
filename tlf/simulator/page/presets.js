// Settings with a name, as a row of buttons, and the switch of naive freezing.

import { element, setText } from "./element.js";
import { sameSettings } from "./settings.js";

export function mountPresets(store, root) {
  const { scene } = store;
  let lane = 0;
  const targets = [0, 1].map((index) => {
    const button = element("button", { type: "button" }, `Lane ${index + 1}`);
    button.addEventListener("click", () => aim(index));
    return button;
  });
  const target = element(
    "div",
    { class: "preset-target", role: "group", "aria-label": "Presets change" },
    element("span", { class: "label" }, "Change"),
    ...targets,
  );
  const buttons = scene.presets.map((preset) => {
    const button = element(
      "button",
      { class: "preset", type: "button", "data-preset": preset.id },
      preset.title,
      element("span", { class: "hidden-text" }, `: ${preset.text}`),
    );
    button.addEventListener("click", () => store.preset(lane, preset.id));
    for (const name of ["pointerenter", "focus"]) {
      button.addEventListener(name, () => tell(preset));
    }
    for (const name of ["pointerleave", "blur"]) button.addEventListener(name, () => tell(chosen));
    return button;
  });
  // What the preset that is looked at shows, else the chosen one. Its button says the same.
  const text = element("p", { class: "preset-text", "aria-hidden": "true" });
  let chosen;
  const tell = (preset) =>
    setText(text, preset ? preset.text : "Your own settings: presets take their place.");
  const naive = element("input", {
    type: "checkbox",
    role: "switch",
    "aria-describedby": "naive-warning",
  });
  naive.addEventListener("change", () => store.change(lane, { naive: naive.checked }));
  const warning = element("small", { id: "naive-warning" });
  root.append(
    element("div", { class: "preset-list" }, ...buttons),
    target,
    text,
    element(
      "div",
      { class: "naive" },
      element("label", {}, naive, " Naive freezing"),
      " ",
      warning,
    ),
  );

  function aim(index) {
    lane = index;
    show();
  }
  function show() {
    const { lanes } = store.state;
    // The program may be out of reach before it has told of any.
    if (!lanes.length) return;
    if (lane >= lanes.length) lane = 0;
    target.hidden = lanes.length < 2;
    targets.forEach((button, index) => {
      button.setAttribute("aria-pressed", String(index === lane));
    });
    const { settings } = lanes[lane];
    chosen = scene.presets.find((preset) => sameSettings(preset.settings, settings));
    scene.presets.forEach((preset, index) => {
      buttons[index].setAttribute("aria-pressed", String(preset === chosen));
    });
    tell(chosen);
    naive.checked = settings.naive;
    setText(
      warning,
      settings.naive
        ? "⚠ frozen stages stay in training mode"
        : "requires_grad = False, nothing else",
    );
  }
  let count = 1;
  store.subscribe((state) => {
    // A new lane is there to be changed.
    if (state.lanes.length > count) lane = state.lanes.length - 1;
    count = state.lanes.length;
    show();
  });
  // Whoever works in a lane means that lane.
  document.getElementById("network").addEventListener("focusin", (event) => {
    const own = event.target.closest("[data-lane]");
    if (own && Number(own.dataset.lane) !== lane) aim(Number(own.dataset.lane));
  });
}
