// Settings of a lane: what they can be, and compared.

// The limits of the program.
export const HIGHEST = { rate: 1e30, seed: 2 ** 32 - 1 };

export const numberIn = (text) => (text.trim() === "" ? Number.NaN : Number(text));
export const isRate = (number) => number > 0 && number <= HIGHEST.rate;
export const isDecay = (number) => number > 0 && number <= 1;
export const isSeed = (number) => Number.isInteger(number) && number >= 0 && number <= HIGHEST.seed;

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
