// What a person changed between two steps.

const KNOBS = {
  layer_decay: "layer decay",
  optimizer: "optimizer",
  batch: "batch",
  weights: "weights",
  seed: "seed",
};
const orNone = (value) => value ?? "none";

// Phrases such as "layer3 is trainable now".
export function changesOf(before, now) {
  const said = stagesOf(before.stages, now.stages);
  for (const name of new Set([...Object.keys(before.lr), ...Object.keys(now.lr)])) {
    const [old, rate] = [before.lr[name], now.lr[name]];
    const whose = ["head", "backbone"].includes(name) ? `the ${name}` : name;
    if (old !== rate) said.push(`learning rate of ${whose} ${orNone(old)} → ${orNone(rate)}`);
  }
  for (const [name, text] of Object.entries(KNOBS)) {
    if (before[name] === now[name]) continue;
    said.push(`${text} ${orNone(before[name])} → ${orNone(now[name])}`);
  }
  if (before.naive !== now.naive) said.push(`naive freezing is ${now.naive ? "on" : "off"} now`);
  return said;
}

// Stages that follow each other and become the same are named together.
function stagesOf(before, now) {
  const runs = [];
  let at = null;
  for (const [stage, state] of Object.entries(now)) {
    const is = ["frozen", "trainable"].includes(state) ? state : "partly trainable";
    if (before[stage] === state) at = null;
    else if (at?.is === is) at.last = stage;
    else {
      at = { is, first: stage, last: stage };
      runs.push(at);
    }
  }
  return runs.map(({ is, first, last }) =>
    first === last ? `${first} is ${is} now` : `${first} to ${last} are ${is} now`,
  );
}
