// Formulas, each in three sentences, and the numbers of the last step that it speaks of.

import { figure, inPercent } from "./figures.js";

const product = ({ rate, gradient }) =>
  rate === null || gradient === null ? null : rate * gradient;

// Formulas as MathML.
const MATH = mathOfFormulas();

function mathOfFormulas() {
  const sub = (name, under) => `<msub><mi>${name}</mi>${under}</msub>`;
  const part = (over, under) =>
    `<mfrac><mrow><mo>∂</mo>${over}</mrow><mrow><mo>∂</mo>${under}</mrow></mfrac>`;
  const lines = (...rows) =>
    rows.map((row) => `<math display="block"><mrow>${row}</mrow></math>`).join("");

  const [x, w, v, rate] = ["x", "w", "v", "η"].map((name) => sub(name, "<mi>l</mi>"));
  const lower = sub("x", "<mrow><mi>l</mi><mo>−</mo><mn>1</mn></mrow>");
  const loss = "<mi>L</mi>";
  const [running, ofBatch] = ["running", "batch"].map((name) => sub("μ", `<mtext>${name}</mtext>`));
  const power = "<mrow><mi>n</mi><mo>+</mo><mn>1</mn><mo>−</mo><mi>l</mi></mrow>";
  const rest = "<mo>(</mo><mn>1</mn><mo>−</mo><mi>m</mi><mo>)</mo>";
  return {
    chain: lines(
      `${part(loss, lower)}<mo>=</mo>${part(loss, x)}<mo>·</mo>${part(x, lower)}`,
      `${part(loss, w)}<mo>=</mo>${part(loss, x)}<mo>·</mo>${part(x, w)}`,
    ),
    sgd: lines(
      `${v}<mo>←</mo><mi>m</mi>${v}<mo>+</mo>${part(loss, w)}`,
      `${w}<mo>←</mo>${w}<mo>−</mo><mi>η</mi>${v}`,
    ),
    statistics: lines(`${running}<mo>←</mo>${rest}${running}<mo>+</mo><mi>m</mi>${ofBatch}`),
    decay: lines(
      `${rate}<mo>=</mo>${sub("η", "<mtext>backbone</mtext>")}<mo>·</mo><msup><mi>d</mi>${power}</msup>`,
    ),
  };
}

export const FORMULAS = [
  {
    id: "chain-rule",
    title: "The chain rule, through a frozen stage",
    math: MATH.chain,
    sentences: [
      "Stage l makes its output xₗ of the output xₗ₋₁ of the stage below, with its weights wₗ.",
      "The first line passes the gradient on to the stage below, whether stage l is frozen or not.",
      "A frozen stage leaves out the second line. Where nothing at a stage or below it trains, both are left out.",
    ],
    columns: [
      ["gradient of its output", (stage) => figure(stage.flow)],
      ["gradient of its weights", (stage) => figure(stage.gradient)],
    ],
  },
  {
    id: "sgd",
    title: "A step of SGD with momentum",
    math: MATH.sgd,
    sentences: [
      "The velocity v keeps the fraction m of itself (the momentum), and the new gradient is added.",
      "The weights move against v, and the learning rate η says how far.",
      "In the first step the move is η times the gradient; later it is larger where gradients agree.",
    ],
    columns: [
      ["learning rate η", (stage) => figure(stage.rate)],
      ["η × gradient", (stage) => figure(product(stage))],
      ["the weights moved", (stage) => figure(stage.update)],
    ],
    // Norms of one stage: they fit the formula only where this optimizer made the step.
    note: ({ optimizer }) =>
      optimizer === "sgd" ? "" : `This step was made by ${optimizer}, which has other formulas.`,
  },
  {
    id: "batchnorm-statistics",
    title: "The running statistics of BatchNorm",
    math: MATH.statistics,
    sentences: [
      "In training mode BatchNorm moves its running mean by the fraction m toward that of the batch, and its variance alike.",
      "No gradient takes part, so requires_grad = False does not stop it: this is naive freezing.",
      "In eval mode it uses the running mean and leaves it as it is, and so a frozen stage stays the same.",
    ],
    columns: [
      ["trains", (stage) => (stage.trains ? "yes" : "no")],
      ["changed in the step", ({ statistics }) => statisticsWord(statistics)],
      ["away from the start", ({ statistics }) => inPercent(statistics?.drift)],
    ],
  },
  {
    id: "decay",
    title: "Layer decay",
    math: MATH.decay,
    sentences: [
      "Of n stages the highest one trains at d times the learning rate of the backbone, the next one at d² times, and so on.",
      "Early stages see edges and colours, which fit any images, so they should move least.",
      "The head keeps its own rate, and so does a stage that has one.",
    ],
    columns: [["learning rate", (stage) => figure(stage.rate)]],
    note: ({ layer_decay: decay }) =>
      decay === null ? "Layer decay is not set: d is 1." : `Layer decay d is ${decay}.`,
  },
];

function statisticsWord(statistics) {
  if (!statistics) return "keeps none";
  return statistics.changed ? "yes" : "no";
}
