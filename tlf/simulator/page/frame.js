// What belongs to no part of the page: messages, what a screen reader hears, links inside the page.

export function mountFrame(store) {
  document.documentElement.classList.add("scripted");
  const message = document.getElementById("message");
  const announced = document.getElementById("announced");

  store.subscribe((state, change) => {
    const missing = state.lanes.find((lane) => lane.missing)?.missing;
    const text = state.failed ?? missing ?? state.note ?? "";
    message.classList.toggle("bad", state.failed !== null);
    if (message.textContent !== text) message.textContent = text;
    if (change.kind === "stepped" && change.lane === state.lanes.length - 1) {
      announced.textContent = state.lanes.map(summaryOf).join(" ");
    }
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

function summaryOf(lane, index, lanes) {
  const record = lane.records.at(-1);
  if (!record) return "";
  const name = lanes.length > 1 ? `Lane ${index + 1}, step` : "Step";
  if (record.broken) return `${name} ${record.step}: ${record.broken}`;
  const { correct, loss, probabilities } = record.eval;
  const ofLoss = loss === null ? "" : `loss of the unseen images ${loss.toPrecision(3)}, `;
  return `${name} ${record.step}: ${ofLoss}${correct} of ${probabilities.length} of them right.`;
}
