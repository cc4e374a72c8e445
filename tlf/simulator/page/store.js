// What the page knows, in one place. Modules read `store.state`, are told of changes through
// `store.subscribe`, and change something only through the actions below.

// Between two steps of "play", so that each can be seen.
const PAUSE = 900;

// Whether a number was not finite: then no step is made until a reset.
export const isBroken = ({ lanes }) => lanes.some((lane) => lane.records.at(-1)?.broken);

export function createStore(scene, source) {
  const listeners = new Set();
  const state = {
    // [{ settings, records, costs, missing }]. records[0] is the network before its first step.
    // `costs` say by their settings what they are of: those of the lane may be newer.
    // `missing` says why a lane has no records: the recording does not hold its settings.
    lanes: [],
    stepping: false,
    // Steps that can still be made; null: any number.
    left: null,
    playing: false,
    // What went wrong, in a sentence.
    failed: null,
    // What a reader should know, until the next action.
    note: null,
  };
  const tell = (change) => {
    for (const listener of listeners) listener(state, change);
  };

  // Events have the same form from the program and from a recording.
  const handlers = {
    state(event) {
      state.lanes = event.lanes;
      state.stepping = event.stepping;
      state.left = event.left ?? null;
      state.failed = null;
      // The program's events have none: what the page itself has noted stays.
      if ("note" in event) state.note = event.note;
    },
    settings(event) {
      state.lanes[event.lane].settings = event.settings;
    },
    stepped(event) {
      state.lanes[event.lane].records.push(event.record);
    },
    costs(event) {
      state.lanes[event.lane].costs = event.costs;
    },
    stepping(event) {
      state.stepping = event.on;
      state.left = event.left ?? null;
      if (event.on) state.failed = null;
    },
    failed(event) {
      state.failed = event.text;
      state.playing = false;
    },
  };
  let timer = null;
  const playOn = () => {
    clearTimeout(timer);
    if (!state.playing || state.stepping) return;
    if (state.left === 0 || isBroken(state)) store.play(false);
    else timer = setTimeout(() => store.step(), PAUSE);
  };

  const every = () => state.lanes.map((lane) => lane.settings);
  const store = {
    scene,
    state,
    // What a saved page plays (its command), or null on the live page.
    recorded: source.recorded,
    subscribe(listener) {
      listeners.add(listener);
    },
    // Modules subscribe first. Then the source begins to tell.
    connect() {
      source.connect((event) => {
        handlers[event.kind](event);
        tell(event);
        playOn();
      });
    },

    // Actions
    lanes(lanes) {
      state.note = null;
      source.send("lanes", { lanes });
    },
    change(lane, changes) {
      this.lanes(every().map((one, index) => (index === lane ? { ...one, ...changes } : one)));
    },
    preset(lane, id) {
      this.change(lane, scene.presets.find((preset) => preset.id === id).settings);
    },
    compare(on) {
      const [first, second] = every();
      this.lanes(on ? [first, second ?? first] : [first]);
    },
    step(count = 1) {
      state.note = null;
      source.send("step", { count });
    },
    stop() {
      source.send("stop", {});
    },
    play(on) {
      if (state.playing === on || (on && state.left === 0)) return;
      state.playing = on;
      tell({ kind: "playing", on });
      clearTimeout(timer);
      if (on) store.step();
      else store.stop();
    },
    note(text) {
      state.note = text;
      tell({ kind: "note" });
    },
    reset() {
      state.note = null;
      state.playing = false;
      clearTimeout(timer);
      source.send("reset", {});
    },
  };
  return store;
}
