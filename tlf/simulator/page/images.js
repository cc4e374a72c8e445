// The images of the batch and the unseen ones, and what the network makes of them after each step.

import { element, setText } from "./element.js";
import { inPercent, laneName, lossFigure } from "./figures.js";
import { watchRecords } from "./watch.js";

// Classes that an image shows, at most.
const SHOWN = 5;

export function mountImages(store, root) {
  const { scene } = store;
  const groups = [
    imageGroup(
      scene,
      "train",
      "The batch",
      (count) =>
        `The ${count === 1 ? "image" : `${count} images`} that a step trains on. ${scene.right}`,
    ),
    imageGroup(
      scene,
      "eval",
      "Unseen",
      (count) =>
        `${count === 1 ? "1 image" : `${count} images`} that no step trains on. ${scene.right}`,
    ),
  ].filter((group) => group.images.length > 0);
  const filters = filterFigures();
  root.append(...groups.map((group) => group.root), filters.root);

  watchRecords(store, (lanes) => {
    for (const group of groups) group.show(lanes);
    filters.show(lanes);
  });
}

// Images of a split. Their elements stay: only widths and texts change from step to step.
function imageGroup(scene, split, title, textOf) {
  const images = scene[split];
  const text = element("p", { class: "muted" });
  const results = element("ul", { class: "results" });
  const list = element("ul", { class: "cards" });
  const head = element("div", { class: "group-head" }, element("h3", {}, title), text, results);
  const root = element("div", { class: "group" }, head, list);
  let cards = [];
  let built = "";

  const build = (lanes, count) => {
    cards = images.slice(0, count).map((image) => imageCard(scene, image, lanes));
    list.replaceChildren(...cards.map((card) => card.root));
    list.dataset.lanes = String(lanes.length);
    results.replaceChildren(...lanes.map(() => element("li")));
    setText(text, textOf(count));
  };
  const show = (lanes) => {
    const records = lanes.map((lane) => lane.records.at(-1));
    // A lane's batch may be smaller than that of the other one.
    const counts = records.map((record, index) =>
      split === "train" ? (record ?? lanes[index]).settings.batch : images.length,
    );
    const count = Math.max(...counts);
    const now = `${lanes.length} ${count}`;
    if (now !== built) build(lanes, count);
    built = now;
    records.forEach((record, index) => {
      const text = record ? resultOf(record[split], counts[index]) : "not recorded";
      const name = laneName(index, lanes);
      setText(results.children[index], `${name}${name && ": "}${text}`);
    });
    cards.forEach((card, index) => {
      card.show(
        records.map((record) => ({
          row: record?.[split].probabilities[index],
          given: record?.[split].given[index],
        })),
      );
    });
  };
  return { root, images, show };
}

function resultOf({ loss, correct }, count) {
  const share = count ? ` (${inPercent(correct / count)})` : "";
  return `loss ${lossFigure(loss)}, ${correct} of ${count} right${share}`;
}

function imageCard(scene, image, lanes) {
  const { classes } = scene;
  const file = image.name.split("/").at(-1);
  const picture = image.thumbnail
    ? element("img", {
        src: `data:image/jpeg;base64,${image.thumbnail}`,
        alt: `Image ${file}`,
        width: "64",
        height: "64",
      })
    : element("span", { class: "no-picture" }, "no picture");
  const verdicts = lanes.map((_, index) => verdictOf(image, classes, laneName(index, lanes)));
  const root = element(
    "li",
    { class: "card" },
    picture,
    element("div", { class: "label", title: image.name }, ...labelsOf(image, classes)),
    ...verdicts.map((verdict) => verdict.root),
  );
  return {
    root,
    show: (judged) => {
      verdicts.forEach((verdict, index) => {
        verdict.show(judged[index]);
      });
    },
  };
}

// The names of an image's labels; it may have none.
function labelsOf({ labels }, classes) {
  if (labels.length === 0) return ["no label"];
  const names = labels.map((label) => element("bdi", {}, classes[label]));
  return names.flatMap((name, at) => (at ? ["; ", name] : [name]));
}

// How many of an image's labels are among the classes that are given to it, and how many others.
function verdictText(labels, given) {
  const found = given.filter((one) => labels.includes(one)).length;
  const more = given.length - found;
  if (found === labels.length && more === 0) return "✓ right";
  if (given.length === 0) return "✗ none";
  if (labels.length < 2 && found === 0 && more === 1) return "✗ wrong";
  return `✗ ${found} of ${labels.length}${more ? `, ${more} wrong` : ""}`;
}

// Whether one lane is right about one image, and how sure it is.
function verdictOf(image, classes, lane) {
  const sign = element("p", { class: "verdict" });
  const bars = Array.from({ length: Math.min(SHOWN, classes.length) }, probabilityBar);
  const list = element("ul", { class: "bars" }, ...bars.map((bar) => bar.root));
  const root = element("div", { class: "judged" }, sign, list);

  // `row` is missing where the image is not in the lane's batch, and empty where its numbers are
  // not finite.
  const show = ({ row, given }) => {
    const known = row?.length > 0;
    list.hidden = !known;
    const text = known ? verdictText(image.labels, given) : "no numbers";
    sign.className = known ? `verdict ${text === "✓ right" ? "right" : "wrong"}` : "verdict";
    setText(sign, `${lane}${lane && ": "}${text}`);
    if (!known) return;
    const shown = shownOf(row, image.labels, classes.length);
    bars.forEach((bar, index) => {
      const pair = shown[index];
      bar.show(pair && classes[pair[0]], pair?.[1], image.labels.includes(pair?.[0]));
    });
  };
  return { root, show };
}

// Few classes keep their places. Of many, the labels and the most probable ones are shown.
function shownOf(row, labels, count) {
  if (count <= SHOWN) return [...row].sort((one, other) => one[0] - other[0]);
  const own = row.filter(([index]) => labels.includes(index)).slice(0, SHOWN);
  const others = row.filter(([index]) => !labels.includes(index));
  const chosen = new Set([...own, ...others.slice(0, SHOWN - own.length)]);
  return row.filter((pair) => chosen.has(pair));
}

function probabilityBar() {
  const name = element("bdi", { class: "name" });
  const bar = element("span", { class: "probability", "aria-hidden": "true" });
  const value = element("span", { class: "value" });
  const root = element("li", {}, name, bar, value);
  const show = (text, probability, isLabel) => {
    root.hidden = text === undefined;
    if (root.hidden) return;
    setText(name, text);
    setText(value, probability === null ? "–" : `${(100 * probability).toFixed(0)} %`);
    root.classList.toggle("is-label", isLabel);
    bar.style.setProperty("--share", probability ?? 0);
  };
  return { root, show };
}

// The first layer's filters: at the start, and now.
function filterFigures() {
  const list = element("div", { class: "filters" });
  let figures = [];
  const root = element(
    "div",
    { class: "group", hidden: true },
    element("h3", {}, "Filters of the first layer"),
    element("p", { class: "muted" }, "What the network looks for first, at the start and now."),
    list,
  );
  const show = (lanes) => {
    const pairs = lanes.flatMap(({ records }, index) => {
      // A record has them only where they changed.
      const start = records[0]?.filters;
      if (!start) return [];
      const now = records.findLast((record) => record.filters).filters;
      const name = laneName(index, lanes);
      const before = name && ", ";
      const same = now === start ? " (unchanged)" : "";
      return [
        [start, `${name}${before}at the start`],
        [now, `${name}${before}after step ${records.at(-1).step}${same}`],
      ];
    });
    root.hidden = pairs.length === 0;
    if (pairs.length !== figures.length) {
      figures = pairs.map(filterFigure);
      list.replaceChildren(...figures.map((one) => one.root));
    }
    pairs.forEach(([png, text], index) => {
      figures[index].show(png, text);
    });
  };
  return { root, show };
}

function filterFigure() {
  const picture = element("img");
  const caption = element("figcaption");
  const root = element("figure", {}, picture, caption);
  let shown;
  const show = (png, text) => {
    // A picture that stays is not read anew.
    if (png !== shown) picture.src = `data:image/png;base64,${png}`;
    shown = png;
    picture.alt = `Filters ${text}`;
    setText(caption, text);
  };
  return { root, show };
}
