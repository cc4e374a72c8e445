"use strict";
// What to change: one decision for each image, kept in this browser until it is downloaded.
(() => {
  const { data, element, count, fixes } = report;
  const { id, classes } = data("fixes");
  const decisions = fixes("check-" + id);
  const rows = [...document.querySelectorAll("#fixes .changes > li")];
  const KEEP = "keep";
  const LEAVE_OUT = "leave out";
  const CLASS = "class ";
  const NONE = "it is, without a label";

  const value = ({ new_label, leave_out }) =>
    leave_out ? LEAVE_OUT : new_label ? CLASS + new_label : KEEP;
  const fix = (row, chosen) => ({
    split: row.dataset.split,
    path: row.dataset.path,
    label: row.dataset.label,
    new_label: chosen.startsWith(CLASS) ? chosen.slice(CLASS.length) : "",
    leave_out: chosen === LEAVE_OUT ? "yes" : "",
    reason: row.dataset.reason,
  });
  const given = (row) => (row.dataset.leave ? LEAVE_OUT : KEEP);

  const option = (chosen, text) => element("option", { value: chosen }, text);
  const first = (row) => {
    const { label, proposed } = row.dataset;
    const options = [option(KEEP, `keep as ${label || NONE}`), option(LEAVE_OUT, "leave out")];
    const shown = proposed === ";" ? "without a label" : proposed;
    if (proposed) options.push(option(CLASS + proposed, `it is ${shown}`));
    return options;
  };
  // Of ten thousand classes, a list is made when it is asked for.
  const complete = (row, select) => {
    if (select.hasAttribute("data-complete")) return;
    select.setAttribute("data-complete", "");
    const { label, proposed } = row.dataset;
    const others = classes.filter((name) => name !== label && name !== proposed);
    select.append(...others.map((name) => option(CLASS + name, `it is ${name}`)));
  };

  const show = (row) => {
    const select = row.querySelector("select");
    const { split, path } = row.dataset;
    const chosen = value(decisions.get(split, path) || fix(row, given(row)));
    if (![...select.options].some((one) => one.value === chosen)) complete(row, select);
    select.value = chosen;
    select.toggleAttribute("data-changed", chosen !== KEEP);
  };
  const begin = () =>
    rows.forEach((row) => {
      const { split, path } = row.dataset;
      if (!decisions.get(split, path) && given(row) !== KEEP) decisions.set(fix(row, given(row)));
      show(row);
    });

  rows.forEach((row) => {
    const select = row.querySelector("select");
    select.replaceChildren(...first(row));
    for (const name of ["focus", "pointerdown"]) {
      select.addEventListener(name, () => complete(row, select));
    }
    select.addEventListener("change", () => {
      decisions.set(fix(row, select.value));
      show(row);
    });
  });
  begin();

  const told = () => {
    const all = decisions.all();
    const left = all.filter((one) => one.leave_out).length;
    const corrected = all.filter((one) => one.new_label).length;
    const plural = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
    document.getElementById("changes-count").textContent =
      `${plural(left, "image")} left out, ${plural(corrected, "label")} corrected.`;
    document.getElementById("changes-kept").textContent = decisions.kept()
      ? "Decisions stay in this browser, also after a reload."
      : "This browser keeps no decisions: download the file before you close the page.";
  };
  decisions.follow(told);
  document.getElementById("changes-download").addEventListener("click", () => decisions.download());
  document.getElementById("changes-reset").addEventListener("click", () => {
    decisions.clear();
    begin();
  });
})();
