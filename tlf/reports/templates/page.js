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

  return { data, state, element, go, percent, count };
})();
