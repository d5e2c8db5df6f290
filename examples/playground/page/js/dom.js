// SPDX-License-Identifier: MIT
// Makes elements. Text is only ever set as text, never as markup.

/** An element with attributes (a function is a listener: `onclick`) and children, which are elements or texts. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Sets a text only if it differs, so that screen readers do not say it again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
