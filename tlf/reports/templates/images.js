"use strict";
// The images: in one of three orders, of one cell or class, with ticks for wrong labels.
(() => {
  const { data, state, element, percent, count, fixes } = report;
  const images = data("images");
  const { classes, names, labels, predicted, own, highest, right, near, files, thumbnails } =
    images;
  const { split } = images; // null: labels cannot be ticked
  const shown = new Set((data("confusion") || { shown: [] }).shown);
  const list = document.getElementById("images-list");
  const template = document.getElementById("images-card").content.firstElementChild;
  const status = document.getElementById("images-status");
  const every = document.getElementById("images-every");
  const more = document.getElementById("images-more");
  const orders = [...document.querySelectorAll("#images [data-order]")];
  const ticks = fixes(images.id);
  const PAGE = 24;
  let visible = PAGE;
  let asked = null;

  // A file that a card of the page holds already is not in the data once more.
  list.querySelectorAll("img[data-file]").forEach((image) => {
    files[image.dataset.file] = image.src.split(",")[1];
  });

  const isRight = (i) => labels[i] === predicted[i];
  const compare = {
    worst: (a, b) => own[a] - own[b],
    unsure: (a, b) => highest[a] - highest[b],
    sure: (a, b) => highest[b] - highest[a],
  };
  const matches = (wanted, index) => (wanted === "o" ? !shown.has(index) : +wanted === index);
  const numbers = names.map((_, index) => index);

  // What the address asks for: which images, what they are called, how many right ones there are.
  const selection = () => {
    const [cell, one] = [state.get("cell"), state.get("class")];
    const name = (id) => (id === "o" ? "other" : classes[id]);
    if (cell !== null && /^(\d+|o),(\d+|o)$/.test(cell)) {
      const [label, guess] = cell.split(",");
      if (name(label) !== undefined && name(guess) !== undefined) {
        return {
          text: [": label ", name(label), ", predicted as ", name(guess)],
          holds: (i) => matches(label, labels[i]) && matches(guess, predicted[i]),
          rights: (index) => matches(label, index) && matches(guess, index),
        };
      }
    }
    if (one !== null && classes[one] !== undefined) {
      return {
        text: [" of ", classes[one], ", by label or prediction"],
        holds: (i) => labels[i] === +one || predicted[i] === +one,
        rights: (index) => index === +one,
      };
    }
    return null;
  };

  const picture = (slot, number) => {
    const file = number === undefined || number === null ? null : files[number];
    if (file) slot.append(element("img", { src: "data:image/jpeg;base64," + file, alt: "" }));
    else slot.setAttribute("data-empty", "");
  };

  const nearest = (slot, i) => {
    if (!near[i]) return;
    const items = near[i].map(([name, label, similarity, number]) => {
      const frame = element("span", { class: "picture" });
      picture(frame, number);
      const close = element("small", {}, similarity.toFixed(2));
      return element("li", { title: name }, frame, element("bdi", {}, label), " ", close);
    });
    const title = element("p", { class: "muted" }, "Nearest train images");
    slot.append(title, element("ul", {}, ...items));
  };

  // Tick "wrong label": the prediction is proposed, another class can be chosen, or none.
  const LEAVE_OUT = "leave out";
  const wire = (card, i) => {
    const tick = card.querySelector("[data-slot=tick]");
    const field = card.querySelector("[data-slot=new]");
    const select = field.querySelector("select");
    const path = names[i];
    tick.setAttribute("aria-label", `Wrong label: ${path}`);
    select.setAttribute("aria-label", `The right label of ${path}`);
    const choose = (value) => {
      field.hidden = false;
      if (!select.options.length) {
        select.append(element("option", { value: "" }, "choose a class"));
        select.append(element("option", { value: LEAVE_OUT }, "– none: leave it out –"));
        classes.forEach((name, index) => {
          if (index !== labels[i]) select.append(element("option", { value: index }, name));
        });
      }
      select.value = value;
    };
    const save = () => {
      const value = select.value;
      const index = value === "" || value === LEAVE_OUT ? null : +value;
      ticks.set({
        split,
        path,
        label: classes[labels[i]],
        new_label: index === null ? "" : classes[index],
        leave_out: value === LEAVE_OUT ? "yes" : "",
        reason: `predicted ${classes[predicted[i]]}, probability ${highest[i]}`,
      });
    };
    const stored = ticks.get(split, path);
    if (stored) {
      tick.checked = true;
      const index = stored.new_label === "" ? "" : classes.indexOf(stored.new_label);
      choose(stored.leave_out ? LEAVE_OUT : index);
    }
    tick.addEventListener("change", () => {
      field.hidden = !tick.checked;
      if (tick.checked) {
        choose(isRight(i) ? "" : predicted[i]);
        save();
      } else ticks.remove(split, path);
    });
    select.addEventListener("change", save);
  };

  const card = (i) => {
    const made = template.cloneNode(true);
    const slot = (name) => made.querySelector(`[data-slot=${name}]`);
    const frame = made.querySelector(".picture");
    if (frame) {
      frame.removeAttribute("data-empty");
      picture(frame, thumbnails[i]);
    }
    if (!isRight(i)) made.setAttribute("data-wrong", "");
    slot("name").textContent = names[i];
    slot("label").textContent = classes[labels[i]];
    slot("own").textContent = percent(own[i]);
    slot("predicted").textContent = classes[predicted[i]];
    slot("highest").textContent = percent(highest[i]);
    slot("loss").textContent = own[i] ? (-Math.log(own[i])).toFixed(2) : "∞";
    slot("verdict").textContent = isRight(i) ? "right" : "wrong";
    nearest(slot("near"), i);
    if (split) wire(made, i);
    else made.tabIndex = -1; // "Show more" leads to it
    return made;
  };

  const show = () => {
    const wanted = ["cell", "class", "order"].map(state.get).join();
    if (wanted !== asked) [asked, visible] = [wanted, PAGE];
    const order = compare[state.get("order")] ? state.get("order") : "worst";
    const chosen = selection();
    const held = chosen ? numbers.filter(chosen.holds) : numbers;
    const found = (order === "sure" ? held.filter(isRight) : [...held]).sort(compare[order]);
    orders.forEach((one) => one.setAttribute("aria-pressed", one.dataset.order === order));
    list.replaceChildren(...found.slice(0, visible).map(card));

    const rights = right.reduce((sum, n, k) => sum + (!chosen || chosen.rights(k) ? n : 0), 0);
    const kept = held.filter(isRight).length;
    const text = chosen ? chosen.text : [];
    status.replaceChildren(
      `${count(found.length)} ${found.length === 1 ? "image" : "images"}`,
      ...text.map((part, place) => (place % 2 ? element("bdi", {}, part) : part)),
      kept < rights ? `; ${count(kept)} of the ${count(rights)} right ones are listed` : "",
    );
    every.hidden = chosen === null;
    more.hidden = found.length <= visible;
    more.textContent = `Show more (${count(found.length - visible)} left)`;
  };

  orders.forEach((one) =>
    one.addEventListener("click", () => state.set({ order: one.dataset.order })),
  );
  every.addEventListener("click", () => state.set({ cell: null, class: null }));
  more.addEventListener("click", () => {
    const first = list.children.length;
    visible += PAGE;
    show();
    (list.children[first].querySelector("input") || list.children[first]).focus();
  });
  state.follow(show);
  if (!split) return;

  const counted = document.getElementById("fixes-count");
  const told = () => {
    const number = ticks.all().length;
    const labels = number === 1 ? "label is" : "labels are";
    counted.textContent = `${number ? count(number) : "No"} ${labels} ticked as wrong.`;
    document.getElementById("fixes-clear").disabled = number === 0;
    document.getElementById("fixes-download").disabled = number === 0;
    document.getElementById("fixes-kept").textContent = ticks.kept()
      ? "Ticks stay in this browser, also after a reload, until you clear them."
      : "This browser keeps no ticks: download the file before you close the page.";
  };
  ticks.follow(told);
  document.getElementById("fixes-download").addEventListener("click", () => ticks.download());
  document.getElementById("fixes-clear").addEventListener("click", () => {
    ticks.clear();
    show();
  });
})();
