// Opens the page: the scene, where steps come from, and the parts of the page.

import { mountAddress } from "./address.js";
import { mountControls } from "./controls.js";
import { mountCurve } from "./curve.js";
import { mountExplained } from "./explained.js";
import { mountFrame } from "./frame.js";
import { mountImages } from "./images.js";
import { mountKnobs } from "./knobs.js";
import { liveSource } from "./live.js";
import { mountNetwork } from "./network.js";
import { mountPresets } from "./presets.js";
import { recordedSource } from "./recorded.js";
import { createStore } from "./store.js";
import { mountStory } from "./story.js";
import { mountTour } from "./tour.js";

const byId = (id) => document.getElementById(id);
const content = (id) => JSON.parse(byId(id)?.textContent ?? "null");

const scene = content("scene");
const recordings = content("recordings");
const source = recordings ? recordedSource(scene, recordings) : liveSource();
const store = createStore(scene, source);

mountFrame(store);
mountPresets(store, byId("presets"));
mountControls(store, byId("controls"));
mountNetwork(store, byId("network"));
mountStory(store, byId("story"));
mountCurve(store, byId("curve"));
mountImages(store, byId("images"));
mountKnobs(store, byId("knobs"));
mountExplained(store, byId("explained"));
const showLesson = mountTour(store, byId("tour"));
mountAddress(store, byId("tour"), showLesson);
store.connect();
