"use strict";
// The table of classes: sorted by any column, searched by name.
(() => {
  const { data, state, element, go, percent, count, interval } = report;
  const { rows, shown, sort, columns } = data("classes");
  const table = document.getElementById("classes-table");
  const find = document.getElementById("classes-find");
  const all = document.getElementById("classes-all");
  const heads = [...table.querySelectorAll("thead th")];
  let complete = false;

  heads.forEach((head) => {
    const button = element("button", { type: "button" }, head.textContent);
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      const down = now === null ? head.dataset.key === "n" : now === "ascending";
      state.set({ sort: (down ? "-" : "") + head.dataset.key });
    });
    head.replaceChildren(button);
  });

  const value = (row, column) => (column < 2 ? row[column] : row[column][0]);
  const names = new Intl.Collator(undefined, { numeric: true });
  const sorted = (order) => {
    const down = order.startsWith("-");
    const column = columns.indexOf(order.replace("-", ""));
    const numbers = rows.map((_, index) => index);
    if (column < 0) return numbers;
    return numbers.sort((a, b) => {
      const one = value(rows[a], column);
      const other = value(rows[b], column);
      if (one === null || other === null) return (one === null) - (other === null);
      const difference = column ? one - other : names.compare(one, other);
      return down ? -difference : difference;
    });
  };

  const cell = ([figure, low, high]) => {
    const range = low === null ? [] : [element("small", {}, interval(low, high))];
    return element("td", {}, percent(figure), ...range);
  };
  // The name of a class leads to its images, where the page has them by class.
  const images = document.getElementById("images");
  const title = (index, name) => {
    if (!images) return element("bdi", {}, name);
    const button = element("button", { type: "button", class: "link" }, element("bdi", {}, name));
    button.addEventListener("click", () => {
      state.set({ class: index, cell: null });
      go(images);
    });
    return button;
  };
  const row = (index) => {
    const [name, support, ...figures] = rows[index];
    const first = element("th", { scope: "row" }, title(index, name));
    return element("tr", {}, first, element("td", {}, count(support)), ...figures.map(cell));
  };

  const show = () => {
    const order = state.get("sort") || sort;
    const wanted = find.value.trim().toLowerCase();
    const found = sorted(order).filter((index) => rows[index][0].toLowerCase().includes(wanted));
    const visible = complete ? found : found.slice(0, shown);
    table.tBodies[0].replaceChildren(...visible.map(row));
    heads.forEach((head) => {
      const active = head.dataset.key === order.replace("-", "");
      if (active) head.setAttribute("aria-sort", order.startsWith("-") ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const few = visible.length < found.length ? `${count(visible.length)} of ` : "";
    document.getElementById("classes-count").textContent =
      `${few}${count(found.length)} ${found.length === 1 ? "class" : "classes"}`;
    all.hidden = visible.length === found.length;
  };
  find.addEventListener("input", show);
  all.addEventListener("click", () => {
    complete = true;
    show();
  });
  state.follow(show);
})();
