/* Elements. All that comes from outside becomes text, never markup. */

export function byId(id) {
  return document.getElementById(id);
}

/** Sets text only where it differs, so that nothing is painted or read in vain. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A new element with text or children in it. */
export function make(tag, className = "", ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

/** A table's row: the first cell is its heading; classNames go with the cells. */
export function makeRow(cells, classNames = []) {
  const row = document.createElement("tr");
  cells.forEach((content, index) => {
    const cell = make(index ? "td" : "th", classNames[index] ?? "", content);
    if (!index) cell.scope = "row";
    row.append(cell);
  });
  return row;
}

/** A list of terms and what they mean; an object of texts. */
export function fillTerms(list, terms) {
  const texts = Object.entries(terms);
  const rows = list.children;
  if (rows.length !== texts.length) {
    list.replaceChildren(...texts.map(() => make("div", "", make("dt"), make("dd"))));
  }
  texts.forEach(([term, meaning], index) => {
    setText(rows[index].firstChild, term);
    setText(rows[index].lastChild, meaning);
  });
}

const SVG = "http://www.w3.org/2000/svg";

/** A new SVG element. */
export function draw(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const NUM_TONES = 10;

/** The class that gives a scene its colour: that of its place among the model's scenes. */
export function tone(scenes, scene) {
  const place = scenes.indexOf(scene);
  return place < 0 ? "unknown" : `tone-${place % NUM_TONES}`;
}
