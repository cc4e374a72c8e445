// Plays what was recorded, with the events that the program sends. Nothing is computed here: what
// was not recorded is not shown.

import { ratesOf, sameRates, sameSettings } from "./settings.js";

// Between two steps of "×10", so that each can be seen.
const BEAT = 700;

export function recordedSource(scene, recordings) {
  const { columns, command, costs, pictures, records, stages } = recordings;
  const missing = `These settings were not recorded. Choose a preset, or open the live page: ${command}`;
  let tell = () => {};
  let lanes = [];
  let timer = null;
  let due = 0;

  const recorded = scene.presets.filter((preset) => records[preset.id]);
  const presetOf = (settings) => recorded.find((one) => sameSettings(one.settings, settings));
  // Toggled stages may be those of a preset whose rates are its own: that one was recorded.
  const toggledTo = (settings, before) =>
    sameRates(settings, before) &&
    recorded.find((one) => sameSettings({ ...settings, ...ratesOf(one.settings) }, one.settings));

  // What repeats in each step stands once in the file.
  const recordOf = (lane) => {
    const record = records[lane.preset][lane.step];
    const named = (row) => Object.fromEntries(columns.map((name, index) => [name, row[index]]));
    const rows = record.stages.map((row, index) => [stages[index], named(row)]);
    return {
      ...record,
      settings: lane.settings,
      stages: Object.fromEntries(rows),
      filters: pictures[record.filters] ?? null,
    };
  };
  const stepsOf = (preset) => records[preset].length - 1;
  const leftOf = (lane) => (lane.preset ? stepsOf(lane.preset) - lane.step : 0);
  const left = () => Math.max(0, ...lanes.map(leftOf));
  const broken = ({ preset, step }) => preset && records[preset][step].broken;

  const begin = (all) => {
    halt();
    let note = null;
    lanes = all.map((settings, index) => {
      const exact = presetOf(settings);
      const preset = exact ?? toggledTo(settings, lanes[index]?.settings ?? settings);
      if (preset && !exact) note = `Now the preset “${preset.title}”, with its own learning rates.`;
      return { settings: preset?.settings ?? settings, preset: preset?.id, step: 0 };
    });
    const shown = lanes.map((lane) => ({
      settings: lane.settings,
      records: lane.preset ? [recordOf(lane)] : [],
      costs: lane.preset ? { settings: lane.settings, ...costs[lane.preset] } : null,
      missing: lane.preset ? null : missing,
    }));
    tell({ kind: "state", lanes: shown, stepping: false, left: left(), note });
  };
  const halt = () => {
    clearTimeout(timer);
    due = 0;
  };
  const advance = () => {
    lanes.forEach((lane, index) => {
      if (!leftOf(lane)) return;
      lane.step += 1;
      tell({ kind: "stepped", lane: index, record: recordOf(lane) });
    });
    // As in the program, a network that broke ends the steps of all lanes.
    due = lanes.some(broken) ? 0 : Math.min(due - 1, left());
    if (due) timer = setTimeout(advance, BEAT);
    else tell({ kind: "stepping", on: false, left: left() });
  };

  const commands = {
    lanes: (body) => begin(body.lanes),
    reset: () => begin(lanes.map((lane) => lane.settings)),
    step({ count }) {
      if (due || !left()) return;
      due = count;
      tell({ kind: "stepping", on: true, left: left() });
      advance();
    },
    stop() {
      if (!due) return;
      halt();
      tell({ kind: "stepping", on: false, left: left() });
    },
  };
  return {
    recorded: { command },
    connect(listener) {
      tell = listener;
      begin([recorded[0].settings]);
    },
    send: (name, body) => commands[name](body),
  };
}
