// Calls `show` with the lanes whenever the last record of a lane is another one, in a frame of its
// own: once for a step of two lanes.

import { inLaterFrame } from "./frames.js";

export function watchRecords(store, show) {
  let shown = [];
  const look = () => {
    const { lanes } = store.state;
    const now = lanes.flatMap((lane) => [lane.records.at(-1), lane.missing]);
    const same = now.length === shown.length && now.every((one, index) => one === shown[index]);
    if (same) return;
    shown = now;
    show(lanes);
  };
  store.subscribe(() => inLaterFrame(look));
}
