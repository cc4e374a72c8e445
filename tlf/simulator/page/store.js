// What the page knows, in one place. Modules read `store.state`, hear of changes through
// `store.subscribe`, and change something only through the actions below.

export function createStore(scene, source) {
  const listeners = new Set();
  // lanes: [{ settings, records: [StepRecord, …], costs }], records[0] is the network before a step.
  const state = { lanes: [], stepping: false, playing: false, failed: null };
  const tell = (change) => listeners.forEach((listener) => listener(state, change));

  // Events have the same form from the program and from a recording.
  const heard = {
    state(event) {
      state.lanes = event.lanes;
      state.stepping = event.stepping;
    },
    settings(event) {
      state.lanes[event.lane].settings = event.settings;
    },
    restarted(event) {
      const lane = state.lanes[event.lane];
      lane.settings = event.record.settings;
      lane.records = [event.record];
    },
    stepped(event) {
      state.lanes[event.lane].records.push(event.record);
    },
    costs(event) {
      state.lanes[event.lane].costs = event.costs;
    },
    stepping(event) {
      state.stepping = event.on;
    },
    failed(event) {
      state.failed = event.text;
      state.playing = false;
    },
  };
  source.connect((event) => {
    heard[event.kind](event);
    tell(event);
  });

  const every = () => state.lanes.map((lane) => lane.settings);
  return {
    scene,
    state,
    recorded: source.recorded,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    // Actions
    change(lane, changes) {
      const lanes = every();
      lanes[lane] = { ...lanes[lane], ...changes };
      source.send("lanes", { lanes });
    },
    toggle(lane, stage) {
      const now = state.lanes[lane].settings.stages;
      const turned = now[stage] === "frozen" ? "trainable" : "frozen";
      this.change(lane, { stages: { ...now, [stage]: turned } });
    },
    preset(lane, id) {
      const lanes = every();
      lanes[lane] = scene.presets.find((preset) => preset.id === id).settings;
      source.send("lanes", { lanes });
    },
    compare(on) {
      const [first, second] = every();
      source.send("lanes", { lanes: on ? [first, second ?? first] : [first] });
    },
    step(count = 1) {
      source.send("step", { count });
    },
    play(on) {
      state.playing = on;
      if (!on) source.send("stop", {});
      tell({ kind: "playing", on });
    },
    reset() {
      state.playing = false;
      source.send("reset", {});
    },
  };
}
