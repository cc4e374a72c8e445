// Elements of the page. What comes from outside is only ever set as text or as an attribute.

const SVG = "http://www.w3.org/2000/svg";

export const element = (tag, attributes, ...children) =>
  filled(document.createElement(tag), attributes, children);

export const svgElement = (tag, attributes, ...children) =>
  filled(document.createElementNS(SVG, tag), attributes, children);

function filled(made, attributes = {}, children) {
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
