// What a click on a stage asks for is shown at once, until the program answers.

export function createToggles(store) {
  // Lane → the settings that were asked for, and how many answers are still to come.
  const asked = new Map();
  const settingsOf = (lane) => asked.get(lane)?.settings ?? store.state.lanes[lane].settings;

  function toggle(lane, stage) {
    const settings = settingsOf(lane);
    const turned = settings.stages[stage] === "frozen" ? "trainable" : "frozen";
    const stages = { ...settings.stages, [stage]: turned };
    const answers = (asked.get(lane)?.answers ?? 0) + 1;
    asked.set(lane, { settings: { ...settings, stages }, answers });
    store.change(lane, { stages });
  }

  function apply({ kind, lane }) {
    if (kind === "state" || kind === "failed") asked.clear();
    const one = kind === "settings" ? asked.get(lane) : null;
    if (!one) return;
    one.answers -= 1;
    if (one.answers === 0) asked.delete(lane);
  }
  return { settingsOf, toggle, apply };
}
