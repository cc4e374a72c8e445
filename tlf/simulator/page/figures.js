// Numbers, as a person reads them. A number that does not exist is a dash, never 0.

const NONE = "–";

export function figure(value, digits = 3) {
  if (value === null || value === undefined) return NONE;
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(digits - 1);
  if (size >= 10 ** digits) return Math.round(value).toLocaleString("en");
  return `${Number(value.toPrecision(digits))}`;
}

// With its last zeros: a loss is read beside others.
export function lossFigure(value) {
  const text = figure(value);
  return value >= 1e-4 && value < 1000 ? value.toPrecision(3) : text;
}

export function inPercent(share) {
  if (share === null || share === undefined) return NONE;
  const value = 100 * share;
  if (value > 0 && value < 1e-4) return "< 0.0001 %";
  return `${value >= 10 || value === 0 ? value.toFixed(0) : Number(value.toPrecision(2))} %`;
}

// 8393728 → "8,393,728"; short: "8.39 M".
export const countText = (count) => count.toLocaleString("en-US");
export const shortCount = (count) => inUnits(count, ["B", "M", "k"]) ?? String(count);
export const bytesText = (bytes) => inUnits(bytes, ["GB", "MB", "kB"]) ?? `${bytes}\u00a0B`;

// In the largest unit (of 1e9, 1e6 and 1e3) that fits after rounding: 999,999 is "1.00 M".
function inUnits(value, units) {
  const at = [1e9, 1e6, 1e3].findIndex((size) => value >= 0.9995 * size);
  return at < 0 ? null : `${(value / 1e3 ** (3 - at)).toPrecision(3)}\u00a0${units[at]}`;
}

export function secondsText(seconds) {
  return seconds >= 1 ? `${seconds.toPrecision(3)} s` : `${Math.round(1000 * seconds)} ms`;
}

// "Lane 1" where there are two, nothing where there is one.
export function laneName(index, lanes) {
  return lanes.length > 1 ? `Lane ${index + 1}` : "";
}
