/* The page: load the model, classify the image that is dropped or chosen, show it. */

import { loadClassifier } from "./classifier.js";

const SHOWN = 10; // labels, the most probable first
const at = (id) => document.getElementById(id);
const say = (text) => { at("status").textContent = text; };

let classifier;
let last = 0;

async function start() {
  classifier = await loadClassifier("model.onnx");
  at("file").disabled = false;
  say(`The model is ready. It knows ${classifier.labels.length} labels.`);
}

async function show(file) {
  const own = ++last;
  say(`${file.name} is classified …`);
  await new Promise((drawn) => setTimeout(drawn)); // the classification keeps the page from drawing
  const { probabilities, predicted } = await classifier.classify(file);
  if (own !== last) return; // another image was dropped meanwhile
  showImage(file);
  at("predicted").textContent = predicted.join(", ") || "no label";
  const rows = probabilities.map((probability, k) => [classifier.labels[k], probability]);
  rows.sort((one, other) => other[1] - one[1]);
  at("probabilities").replaceChildren(...rows.slice(0, SHOWN).map(row));
  document.querySelector("table").hidden = false;
  say(`${file.name} is classified.`);
}

function showImage(file) {
  const image = at("image");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(file);
  document.querySelector("figure").hidden = false;
}

function row([label, probability]) {
  const [line, name, figure] = ["tr", "th", "td"].map((tag) => document.createElement(tag));
  name.scope = "row";
  name.textContent = label;
  figure.textContent = `${(100 * probability).toFixed(2)} %`;
  figure.dataset.probability = probability;
  line.append(name, figure);
  return line;
}

const failed = (error) => say(`Error: ${error.message}`);
const classify = (files) => {
  if (classifier && files.length) show(files[0]).catch(failed);
};

at("file").addEventListener("change", (event) => classify(event.target.files));
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault(); // without it, the browser would open the file
    at("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") classify(event.dataTransfer.files);
  });
}
start().catch(failed);
