// One stage of a lane: its block, which is a button, the line of the gradient beside it, and what
// the last step measured in it.

import { element, setText } from "./element.js";
import { countText, inPercent, shortCount } from "./figures.js";
import { createReadouts } from "./readouts.js";
import { stateIcons } from "./state-icons.js";

const PRESSED = { frozen: "false", trainable: "true", partial: "mixed" };

export function createLevel(scene, stage, onToggle) {
  const whole = scene.stages.reduce((all, one) => all + one.parameters, 0) || 1;
  const share = inPercent(stage.parameters / whole);
  const state = element("span", { class: "state" });
  const glow = element("span", { class: "glow", "aria-hidden": "true" });
  const part = element("span", { class: "share", "aria-hidden": "true" });
  part.style.setProperty("--part", String(stage.parameters / whole));
  const block = element(
    "button",
    {
      class: "block",
      type: "button",
      "data-stage": stage.name,
      "aria-label": `Train ${stage.name}: ${countText(stage.parameters)} parameters, ${share}`,
      title: stage.name,
    },
    glow,
    stateIcons(),
    element("span", { class: "name" }, element("bdi", { dir: "ltr" }, stage.name)),
    state,
    element(
      "span",
      { class: "size" },
      shortCount(stage.parameters),
      element("span", { class: "of-all" }, ` · ${share}`),
    ),
    part,
  );
  block.addEventListener("click", onToggle);
  const dots = element("span", { class: "falling" });
  const end = element("span", { class: "stop" });
  const rail = element(
    "span",
    { class: "rail", "aria-hidden": "true" },
    element("span", { class: "up" }),
    element("span", { class: "down" }),
    element("span", { class: "into" }),
    end,
    dots,
  );
  const readouts = createReadouts();
  const root = element(
    "li",
    { class: "level", "data-level": stage.name },
    rail,
    block,
    readouts.root,
  );

  function showState(trains, path, stops) {
    const kind = trains === 0 ? "frozen" : trains < stage.parameters ? "partial" : "trainable";
    root.dataset.state = kind;
    root.dataset.path = path;
    root.toggleAttribute("data-stop", stops);
    block.setAttribute("aria-pressed", PRESSED[kind]);
    setText(state, kind === "partial" ? `${inPercent(trains / stage.parameters)} trains` : kind);
  }
  function showGradient(kind) {
    if (kind) root.dataset.gradient = kind;
    else delete root.dataset.gradient;
  }
  return {
    name: stage.name,
    root,
    block,
    falling: dots,
    glow,
    stop: end,
    showState,
    showGradient,
    showNumbers: readouts.show,
  };
}
