"use strict";
// The numbers of the cell that is pointed at, or that the arrow keys have led to.
(() => {
  const table = document.querySelector("table.strip");
  if (!table) return;
  const shown = document.getElementById("strip-cell");
  const rows = [...table.tBodies[0].rows].map((row) => [...row.querySelectorAll("td")]);
  table.setAttribute("role", "grid");
  rows.flat().forEach((cell) => {
    cell.setAttribute("tabindex", "-1");
    cell.setAttribute("aria-label", cell.title);
  });
  rows[0][0].setAttribute("tabindex", "0");
  const show = (event) => {
    const cell = event.target.closest("td[title]");
    if (cell) shown.textContent = cell.title;
  };
  table.addEventListener("mouseover", show);
  table.addEventListener("focusin", show);
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td[title]");
    const y = rows.findIndex((row) => row.includes(cell));
    if (!cell || y < 0) return;
    const x = rows[y].indexOf(cell);
    const ends = { Home: rows[y][0], End: rows[y].at(-1) };
    const step = steps[event.key];
    const goal = step ? rows[y + step[0]]?.[x + step[1]] : ends[event.key];
    if (!step && !(event.key in ends)) return;
    event.preventDefault();
    if (!goal) return;
    cell.setAttribute("tabindex", "-1");
    goal.setAttribute("tabindex", "0");
    goal.focus();
  });
})();
