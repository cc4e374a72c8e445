// A lock for what is frozen, a pencil for what trains. Style sheets show the one of the state.

import { element, svgElement } from "./element.js";

const LOCK = "M4 7V5a4 4 0 0 1 8 0v2h1v8H3V7h1Zm2 0h4V5a2 2 0 0 0-4 0v2Z";
const PENCIL = "m11 1 4 4-8.5 8.5L1 15l1.5-5.5L11 1Zm-7 9.5L3.2 13l2.4-.8L4 10.5Z";

export function stateIcons() {
  const icons = [stateIcon("lock", LOCK), stateIcon("pencil", PENCIL)];
  return element("span", { class: "icons", "aria-hidden": "true" }, ...icons);
}

function stateIcon(name, path) {
  const shape = svgElement("path", { d: path, "fill-rule": "evenodd" });
  return svgElement("svg", { class: name, viewBox: "0 0 16 16" }, shape);
}
