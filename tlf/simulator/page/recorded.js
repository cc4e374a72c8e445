// Plays what was recorded, with the events that the program sends. Nothing is computed here: what
// was not recorded is not shown.

import { sameSettings } from "./settings.js";

// Between two steps of "×10", so that each can be seen.
const BEAT = 700;

export function recordedSource(scene, recordings) {
  const { columns, command, pictures, presets, stages } = recordings;
  const missing = `These settings were not recorded. Choose a preset, or open the live page: ${command}`;
  const stepsOf = (recording) => recording.records.length - 1;
  let tell = () => {};
  let lanes = [];
  let timer = null;
  let due = 0;

  const recordingOf = (settings) => {
    const preset = scene.presets.find(
      (one) => presets[one.id] && sameSettings(one.settings, settings),
    );
    return preset && presets[preset.id];
  };
  // What repeats in each step stands once in the file.
  const recordOf = (lane) => {
    const record = lane.recording.records[lane.step];
    const named = (row) => Object.fromEntries(columns.map((name, index) => [name, row[index]]));
    const rows = record.stages.map((row, index) => [stages[index], named(row)]);
    return {
      ...record,
      settings: lane.settings,
      stages: Object.fromEntries(rows),
      filters: pictures[record.filters] ?? null,
    };
  };
  const leftOf = (lane) => (lane.recording ? stepsOf(lane.recording) - lane.step : 0);
  const left = () => Math.max(0, ...lanes.map(leftOf));

  const begin = (settings) => {
    halt();
    lanes = settings.map((one) => ({ settings: one, recording: recordingOf(one), step: 0 }));
    const shown = lanes.map((lane) => ({
      settings: lane.settings,
      records: lane.recording ? [recordOf(lane)] : [],
      costs: lane.recording?.costs ?? null,
      missing: lane.recording ? null : missing,
    }));
    tell({ kind: "state", lanes: shown, stepping: false, left: left() });
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
    due = Math.min(due - 1, left());
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
    recorded: { command, steps: Math.max(...Object.values(presets).map(stepsOf)) },
    connect(listener) {
      tell = listener;
      begin([scene.presets.find((preset) => presets[preset.id]).settings]);
    },
    send: (name, body) => commands[name](body),
  };
}
