// Opens the page: the scene, where steps come from, and the parts of the page.

import { liveSource } from "./live.js";
import { mountNetwork } from "./network.js";
import { recordedSource } from "./recorded.js";
import { createStore } from "./store.js";

const content = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "null");

const scene = content("scene");
const recordings = content("recordings");
const source = recordings ? recordedSource(scene, recordings) : liveSource();
const store = createStore(scene, source);
mountNetwork(store, document.getElementById("network"));
