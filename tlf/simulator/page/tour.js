// The guided tour: each lesson sets the page, and says what to press, what to watch, what it means.

import { element, setText } from "./element.js";
import { lessonsOf } from "./lessons.js";
import { withTerms } from "./terms.js";

// Returns what shows a lesson by its number from 1 on, and ends the tour with 0. It returns the
// number that is shown then: of a lesson that does not exist, the one before. An event "tour" of the
// root, whose `detail` is such a number, says that the reader went to another lesson.
export function mountTour(store, root) {
  const lessons = lessonsOf(store.scene);
  const card = tourCard(lessons.length);
  const start = element("button", { type: "button", class: "primary" }, "Take the guided tour");
  const offer = element(
    "p",
    { class: "offer" },
    start,
    element("span", { class: "muted" }, `${lessons.length} lessons, about five minutes`),
  );
  root.append(offer, card.root);
  let at = 0;

  const show = (number) => {
    at = number;
    document.documentElement.classList.toggle("touring", at > 0);
    card.root.hidden = at === 0;
    offer.hidden = at > 0;
    if (at > 0) card.show(lessons[at - 1], at);
  };
  const go = (number) => {
    show(number);
    root.dispatchEvent(new CustomEvent("tour", { detail: at }));
    if (at === 0) {
      start.focus();
      return;
    }
    store.lanes(lessons[at - 1].lanes.map((id) => settingsOfPreset(store.scene, id)));
    store.reset();
    // In a low window the card stands in the page, and not in a corner above it.
    const inCorner = getComputedStyle(card.root).position === "fixed";
    if (inCorner) document.getElementById("controls").scrollIntoView();
    card.title.focus({ preventScroll: inCorner });
  };
  start.addEventListener("click", () => go(1));
  card.back.addEventListener("click", () => go(at - 1));
  card.next.addEventListener("click", () => go(at === lessons.length ? 0 : at + 1));
  card.end.addEventListener("click", () => go(0));
  card.root.addEventListener("keydown", (event) => {
    if (event.key === "Escape") go(0);
  });
  return (number) => {
    if (number <= lessons.length) show(number);
    return at;
  };
}

const settingsOfPreset = (scene, id) => scene.presets.find((preset) => preset.id === id).settings;

function tourCard(count) {
  const title = element("h2", { id: "tour-title", tabindex: "-1" });
  const parts = {
    press: element("dd"),
    watch: element("dd"),
    means: element("dd"),
  };
  const list = element(
    "dl",
    {},
    ...[
      ["Do", parts.press],
      ["Watch", parts.watch],
      ["It means", parts.means],
    ].map(([name, part]) => element("div", {}, element("dt", {}, name), part)),
  );
  const button = (text) => element("button", { type: "button" }, text);
  const [back, next, end] = ["Back", "Next", "End"].map(button);
  next.className = "primary";
  const look = element("a", { class: "look" }, "Show where to watch");
  // What it says hides a part of what it speaks of.
  const fold = button("Fold");
  const setFolded = (folded) => {
    list.hidden = folded;
    fold.setAttribute("aria-expanded", `${!folded}`);
    setText(fold, folded ? "Unfold" : "Fold");
  };
  fold.addEventListener("click", () => setFolded(!list.hidden));
  const root = element(
    "section",
    { class: "card", "aria-labelledby": "tour-title", hidden: true },
    title,
    list,
    element("div", { class: "buttons" }, back, next, fold, end, look),
  );
  const show = (lesson, at) => {
    setText(title, `${at} of ${count}: ${lesson.title}`);
    const linked = new Set();
    for (const [name, part] of Object.entries(parts)) {
      part.replaceChildren(...withTerms(lesson[name], linked));
    }
    look.setAttribute("href", `#${lesson.look}`);
    back.disabled = at === 1;
    setFolded(false);
    root.scrollTop = 0;
    setText(next, at === count ? "Finish" : "Next");
  };
  return { root, title, back, next, end, show };
}
