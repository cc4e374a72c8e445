// Settings of a lane, compared.

const sameTable = (one, other) => {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].every((key) => one[key] === other[key]);
};

export function sameSettings(one, other) {
  const { stages, lr, ...rest } = one;
  const { stages: otherStages, lr: otherLr, ...otherRest } = other;
  return sameTable(stages, otherStages) && sameTable(lr, otherLr) && sameTable(rest, otherRest);
}

// What decides how fast stages train.
export const ratesOf = ({ lr, layer_decay, optimizer }) => ({ lr, layer_decay, optimizer });

export const sameRates = (one, other) => sameSettings({ ...one, ...ratesOf(other) }, one);
