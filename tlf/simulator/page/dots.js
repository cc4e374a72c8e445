// The dots of a step: grey ones rise through all stages, red ones fall from the loss to the lowest
// stage that trains. Only transforms and opacity are animated, so that the browser needs no layout.

import { element } from "./element.js";
import { flowPart } from "./readouts.js";

const RISING = 8;
// Milliseconds: one way up, one way down, and what is added for the last dot.
export const CALM = { rise: 460, fall: 480, spread: 260 };
export const HURRIED = { rise: 200, fall: 260, spread: 120 };
const WIDEST = 15;
const PER_FRAME = 8;

export const stillMotion = matchMedia("(prefers-reduced-motion: reduce)");

// How the gradient of a record went through each stage, from the stem to the head.
export function kindsOf(scene, record) {
  const found = scene.stages.map(({ name }) => record.stages[name]);
  const lowest = found.findIndex((stage) => stage.gradient !== null || stage.flow !== null);
  return found.map((stage, index) => {
    if (lowest < 0 || index < lowest) return "none";
    return stage.gradient === null ? "hollow" : "solid";
  });
}

// `rising`: the element of the dots that rise. `levels`: of each stage from the head to the stem, the
// element of those that fall through it, and its block's glow.
export function createDots(scene, rising, levels) {
  // What moves them.
  let rises = [];
  let falls = [];
  let since = 0;
  let frame = 0;

  function rise(pace, endless) {
    stop();
    since = performance.now();
    const dots = Array.from({ length: RISING }, () => element("i", { class: "dot forward" }));
    rising.replaceChildren(...dots);
    rises = dots.map((dot, index) =>
      dot.animate(
        [
          { transform: "translateY(0)", opacity: 0 },
          { opacity: 1, offset: 0.06 },
          { opacity: 1, offset: 0.6 },
          { transform: "translateY(-100%)", opacity: 0, offset: 0.66 },
          { transform: "translateY(-100%)", opacity: 0 },
        ],
        {
          duration: 1.5 * pace.rise,
          delay: (index * pace.rise) / (2 * RISING),
          iterations: endless ? Number.POSITIVE_INFINITY : 1,
        },
      ),
    );
  }

  // The lap that is on its way is the last one.
  function land() {
    for (const one of rises) {
      const lap = one.effect.getComputedTiming().currentIteration ?? 0;
      one.effect.updateTiming({ iterations: lap + 1 });
    }
  }

  // `goesOn`: whether the next step is being made already.
  function fall(record, { range, pace, goesOn }) {
    if (!rises.some((one) => one.playState === "running")) rise(pace, goesOn);
    if (!goesOn) land();
    const begin = Math.max(performance.now(), since + pace.rise);
    const kinds = kindsOf(scene, record).reverse();
    const lowest = kinds.lastIndexOf("solid");
    const each = pace.fall / kinds.length;
    let flow = null;
    // The dots of a lower stage are needed later: a frame makes those of a few stages.
    const makeFrom = (first) => {
      levels.slice(first, first + PER_FRAME).forEach((level, offset) => {
        flow = record.stages[level.name].flow ?? flow;
        const size = `${3 + (WIDEST - 3) * flowPart(flow, range)}px`;
        const at = begin + (first + offset) * each - performance.now();
        falls.push(...through(level, kinds[first + offset], size, { at, each, pace }));
        if (first + offset === lowest) {
          falls.push(level.stop.animate(STOP, { delay: at + each, duration: 300 }));
        }
      });
      if (first + PER_FRAME < levels.length) {
        frame = requestAnimationFrame(() => makeFrom(first + PER_FRAME));
      }
    };
    cancelAnimationFrame(frame);
    falls = [];
    makeFrom(0);
  }

  function through({ falling, glow }, kind, size, { at, each, pace }) {
    if (kind === "none") {
      falling.replaceChildren();
      return [];
    }
    const count = levels.length > 24 ? 1 : levels.length > 12 ? 2 : 4;
    const gap = pace.spread / count;
    const made = [];
    const add = (branches, keyframes, delay, duration) => {
      const dot = element("i", { class: branches ? "dot branch" : "dot", "data-dot": kind });
      dot.style.setProperty("--size", size);
      made.push([dot, keyframes, { delay, duration }]);
    };
    for (let index = 0; index < count; index += 1) {
      const start = at + index * gap;
      add(false, FALL, start, each);
      if (kind === "solid" && index % 2 === 0) add(true, BRANCH, start + each / 2, 180);
    }
    falling.replaceChildren(...made.map(([dot]) => dot));
    const running = made.map(([dot, keyframes, timing]) => dot.animate(keyframes, timing));
    if (kind === "solid" && count > 1)
      running.push(glow.animate(GLOW, { delay: at + each / 2, duration: 420 }));
    return running;
  }

  function stop() {
    cancelAnimationFrame(frame);
    for (const one of [...rises, ...falls]) one.cancel();
    rises = [];
    falls = [];
  }

  function clear() {
    stop();
    rising.replaceChildren();
    for (const { falling } of levels) falling.replaceChildren();
  }
  return { rise, land, fall, clear };
}

const FALL = [
  { transform: "translateY(0)", opacity: 1 },
  { transform: "translateY(100%)", opacity: 1 },
];
const BRANCH = [
  { transform: "translateX(0)", opacity: 1 },
  { transform: "translateX(100%)", opacity: 0 },
];
const GLOW = [{ opacity: 0 }, { opacity: 1, offset: 0.3 }, { opacity: 0 }];
const STOP = [
  { transform: "scaleX(1)" },
  { transform: "scaleX(1.7)", offset: 0.4 },
  { transform: "scaleX(1)" },
];
