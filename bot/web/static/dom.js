// Making elements. Text always goes in as text nodes, so nothing that anybody typed can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element; `attributes` are set by name, null and false leave one out, children may be strings. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** Make a decorative icon from the page's sprite. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Make a quiet round button with an icon and, where given, a visible label. */
export function quietButton({ iconName = null, label = "", name = null, classes = "" }) {
  const button = make("button", { type: "button", class: `quiet-button ${classes}`.trim(), "aria-label": name });
  if (iconName) button.append(icon(iconName));
  if (label) button.append(make("span", {}, label));
  return button;
}

/** Make the one button of a form or question that does what it is about. */
export function solidButton(label, { type = "button", classes = "" } = {}) {
  return make("button", { type, class: `solid-button ${classes}`.trim() }, label);
}
