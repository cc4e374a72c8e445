// Calls `show` with the lanes whenever the last record of a lane is another one.

export function watchRecords(store, show) {
  let shown = [];
  store.subscribe((state) => {
    const now = state.lanes.flatMap((lane) => [lane.records.at(-1), lane.missing]);
    const same = now.length === shown.length && now.every((one, index) => one === shown[index]);
    if (same) return;
    shown = now;
    show(state.lanes);
  });
}
