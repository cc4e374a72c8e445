// What belongs to no part of the page: messages, links inside the page.

import { setText } from "./element.js";
import { isBroken } from "./store.js";

export function mountFrame(store) {
  const message = document.getElementById("message");

  store.subscribe((state) => {
    const missing = state.lanes.find((lane) => lane.missing)?.missing;
    const text = state.failed ?? missing ?? state.note ?? endOf(store) ?? "";
    message.classList.toggle("bad", state.failed !== null);
    setText(message, text);
  });

  // They move the reader, and leave the address as it is.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    const goal = link && document.getElementById(link.getAttribute("href").slice(1));
    if (!goal) return;
    event.preventDefault();
    goal.scrollIntoView();
    goal.focus({ preventScroll: true });
  });
}

function endOf({ recorded, state }) {
  // A network that broke goes on nowhere, also not on the live page.
  if (!recorded || state.left !== 0 || isBroken(state)) return null;
  const steps = Math.max(...state.lanes.map((lane) => lane.records.length - 1));
  return `The recording ends after ${steps} steps. The live page goes on: ${recorded.command}`;
}
