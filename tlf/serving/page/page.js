"use strict";
const form = document.getElementById("form");
const drop = document.getElementById("drop");
const chosen = document.getElementById("files");
const status = document.getElementById("status");
const found = document.getElementById("found");
const SHOWN = 5;
let addresses = [];
let last = 0;

function element(name, content = [], attributes = {}) {
  const made = document.createElement(name);
  made.append(...[content].flat());
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// What comes from elsewhere is text, and may be written in any direction.
const said = (text) => element("bdi", String(text));

function say(text, failed = false) {
  status.textContent = text;
  status.classList.toggle("failed", failed);
}

function percent(probability) {
  return `${(100 * probability).toFixed(1)} %`;
}

function probabilities(prediction) {
  const rows = Object.entries(prediction.probabilities).flatMap(([label, probability]) => {
    const meter = element("meter", [], { min: 0, max: 1, value: probability });
    meter.setAttribute("aria-label", `probability of ${label}`);
    return [
      element("dt", said(label)),
      element("dd", [meter, element("span", percent(probability))]),
    ];
  });
  return element("dl", rows);
}

function listed(labels) {
  if (labels.length === 0) return ["none"];
  return labels.flatMap((label, n) => (n ? [", ", said(label)] : [said(label)]));
}

function ofModel(model, prediction, several) {
  const labels = prediction.predicted_labels ?? [prediction.predicted];
  const parts = several ? [element("h3", said(model.run))] : [];
  parts.push(element("p", element("strong", listed(labels))), probabilities(prediction));
  if (prediction.unsure) {
    parts.push(element("p", ["Unsure: ", ...listed(prediction.unsure)], { class: "doubt" }));
  }
  if (prediction.unlike) {
    parts.push(element("p", "Unlike all train images", { class: "doubt" }));
  }
  for (const near of prediction.nearest ?? []) {
    const like = `, similarity ${near.similarity.toFixed(3)}`;
    parts.push(element("p", ["Near: ", said(near.label), " (", said(near.path), ")", like]));
  }
  return parts;
}

function ofImage(file, number, models) {
  const address = URL.createObjectURL(file);
  addresses.push(address);
  const image = element("img", [], { src: address, alt: "" });
  image.addEventListener("error", () => image.remove());
  const parts = models.flatMap((m) => ofModel(m, m.predictions[number], models.length > 1));
  const text = element("div", [element("h2", said(file.name)), ...parts]);
  return element("article", [element("div", image), text], { class: "image" });
}

function clear() {
  addresses.forEach((address) => URL.revokeObjectURL(address));
  addresses = [];
  found.replaceChildren();
}

async function answerTo(files) {
  const body = new FormData();
  files.forEach((file) => body.append("image", file));
  const answer = await fetch(`predict?top=${SHOWN}`, { method: "POST", body });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error.message);
  return content.models;
}

async function classify(files) {
  if (files.length === 0) return;
  const own = ++last;
  clear();
  say(files.length === 1 ? "Classifying an image …" : `Classifying ${files.length} images …`);
  try {
    const models = await answerTo(files);
    if (own !== last) return; // somebody has chosen others meanwhile
    found.replaceChildren(...files.map((file, number) => ofImage(file, number, models)));
    say(files.length === 1 ? "1 image is classified." : `${files.length} images are classified.`);
  } catch (error) {
    if (own !== last) return;
    const lost = error instanceof TypeError || error instanceof SyntaxError;
    say(lost ? "The server cannot be reached. Is tlf serve running?" : error.message, true);
  }
}

chosen.addEventListener("change", () => classify([...chosen.files]));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  classify([...chosen.files]);
});
// A file that is dropped beside the field must not replace the page.
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  classify([...event.dataTransfer.files]);
});
