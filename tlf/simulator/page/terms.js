// Texts whose terms link to the glossary.

import { element } from "./element.js";
import { GLOSSARY } from "./glossary.js";

const entryOf = new Map(GLOSSARY.flatMap(({ id, said = [] }) => said.map((words) => [words, id])));
// Longer terms come first: "naive freezing" before "freezing". A part of a name is no term: a stage
// may be called "features.0".
const longestFirst = [...entryOf.keys()].sort((a, b) => b.length - a.length).join("|");
const anyTerm = new RegExp(`(?<![\\w.])(${longestFirst})(?!\\w|\\.\\w)`);

// The nodes of a text. Each entry is linked once, where it is first named.
export function withTerms(text, linked = new Set()) {
  return text.split(anyTerm).map((part) => {
    const id = entryOf.get(part);
    if (!id || linked.has(id)) return part;
    linked.add(id);
    return element("a", { class: "term", href: `#term-${id}` }, part);
  });
}
