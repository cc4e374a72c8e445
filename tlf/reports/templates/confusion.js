"use strict";
// A cell of the matrix, or a confused pair, leads to its images.
(() => {
  const { state, go } = report;
  const panel = document.getElementById("confusion");
  const cells = [...panel.querySelectorAll("[data-cell]")];
  const kinds = [...panel.querySelectorAll("[data-cells]")];

  cells.forEach((cell) =>
    cell.addEventListener("click", () => {
      state.set({ cell: cell.dataset.cell, class: null, order: null });
      go(document.getElementById("images"));
    }),
  );
  kinds.forEach((kind) =>
    kind.addEventListener("click", () => state.set({ cells: kind.dataset.cells })),
  );
  state.follow(() => {
    const shares = state.get("cells") === "shares";
    const chosen = state.get("cell");
    kinds.forEach((kind) =>
      kind.setAttribute("aria-pressed", (kind.dataset.cells === "shares") === shares),
    );
    cells.forEach((cell) => {
      if (cell.dataset.count) cell.textContent = shares ? cell.dataset.share : cell.dataset.count;
      cell.setAttribute("aria-pressed", cell.dataset.cell === chosen);
    });
  });
})();
