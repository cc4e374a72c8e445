// Elements of the page. What comes from outside is only ever set as text or as an attribute.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, value);
    }
  }
  made.append(...children);
  return made;
}

// For markup that stands in these files, and no other.
export function ownMarkup(html) {
  return document.createRange().createContextualFragment(html);
}

// A node that shows the same text is left alone, so that nothing is laid out again.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
