"use strict";
// Copies a text. A page that was opened as a file may have no clipboard: the text is then selected.
document.querySelectorAll("[data-copies]").forEach((button) => {
  const text = document.getElementById(button.dataset.copies);
  const says = button.parentElement.querySelector("[role=status]");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      says.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(text);
      says.textContent = "selected: copy it with Ctrl-C or ⌘C";
    }
  });
});
