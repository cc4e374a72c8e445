"use strict";
// What the scripts of all panels share.
const report = (() => {
  document.documentElement.classList.add("scripted");

  // The data of a panel, or null.
  const data = (id) => {
    const element = document.getElementById("data-" + id);
    return element === null ? null : JSON.parse(element.textContent);
  };

  // The state of the page is in its address: it survives a reload, "back" leads to the one before.
  const followers = [];
  const state = {
    get: (key) => new URLSearchParams(location.hash.slice(1)).get(key),
    set: (changes) => {
      const all = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
      for (const [key, value] of Object.entries(changes)) {
        if (value === null) all.delete(key);
        else all.set(key, value);
      }
      const hash = "#" + (all.toString() || "all=");
      if (hash !== location.hash) location.hash = hash;
    },
    // Call a function now, and whenever the state has changed.
    follow: (show) => {
      followers.push(show);
      show();
    },
  };
  addEventListener("hashchange", () => followers.forEach((show) => show()));

  // An element. Its text is text, never markup.
  const element = (name, attributes = {}, ...content) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...content);
    return made;
  };

  // Links inside the page move the reader, and leave the state as it is.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    const goal = link && document.getElementById(link.getAttribute("href").slice(1));
    if (!goal) return;
    event.preventDefault();
    go(goal);
  });
  const go = (goal) => {
    goal.scrollIntoView();
    goal.focus({ preventScroll: true });
  };

  const percent = (value) => (value === null ? "–" : (100 * value).toFixed(1) + "\u00a0%");
  const count = (value) => value.toLocaleString("en-US");

  const interval = (low, high) => `${(100 * low).toFixed(1)}–${percent(high)}`;

  // Corrections of labels, kept in this browser under the name of a set of labelled images.
  const COLUMNS = ["split", "path", "label", "new_label", "leave_out", "reason"];
  const fixes = (id) => {
    const key = "tlf-fixes-" + id;
    const listeners = [];
    let stored = true;
    let held = new Map();
    const name = (split, path) => split + "/" + path;
    const isFix = (fix) => COLUMNS.every((column) => typeof fix[column] === "string");
    try {
      const kept = new Map(JSON.parse(localStorage.getItem(key) || "[]"));
      stored = [...kept.values()].every(isFix);
      if (stored) held = kept;
    } catch {
      stored = false; // the browser keeps nothing, or what it kept is damaged
    }
    const changed = () => {
      try {
        if (held.size) localStorage.setItem(key, JSON.stringify([...held]));
        else localStorage.removeItem(key);
        stored = true;
      } catch {
        stored = false;
      }
      listeners.forEach((tell) => tell());
    };
    // Every cell is in quotes: a name may begin with a blank.
    const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
    const csv = () => {
      const rows = [...held.values()].map((fix) => COLUMNS.map((column) => quoted(fix[column])));
      return [COLUMNS, ...rows].map((row) => row.join(",") + "\n").join("");
    };
    return {
      get: (split, path) => held.get(name(split, path)),
      set: (fix) => {
        held.set(name(fix.split, fix.path), fix);
        changed();
      },
      remove: (split, path) => {
        held.delete(name(split, path));
        changed();
      },
      clear: () => {
        held.clear();
        changed();
      },
      all: () => [...held.values()],
      kept: () => stored,
      csv,
      download: () => {
        const address = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
        element("a", { href: address, download: "fixes.csv" }).click();
        setTimeout(() => URL.revokeObjectURL(address), 10000);
      },
      follow: (tell) => {
        listeners.push(tell);
        tell();
      },
    };
  };

  return { data, state, element, go, percent, count, interval, fixes };
})();
