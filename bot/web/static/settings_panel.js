// What this browser asks with. There is no workspace here whose admins could decide it.

import { askOptions, keepAskOption } from "/static/ask_options.js";
import { make } from "/static/dom.js";

const NO_WISH = "No wish";
const CHOICES = [
  ["aspect_ratio", "Aspect ratio", ["1:1", "16:9", "9:16", "3:2", "2:3", "4:3", "3:4", "4:5", "21:9"].map((one) => [one, one])],
  [
    "style",
    "Style",
    [
      ["raw", "Raw"],
      ["low", "Stylize low"],
      ["medium", "Stylize medium"],
      ["high", "Stylize high"],
      ["very_high", "Stylize very high"],
    ],
  ],
  ["version", "Version", ["8.2", "8.1", "7", "6.1", "niji 7", "niji 6"].map((one) => [one, one])],
  ["num_candidates", "Prompts for each idea", ["1", "2", "3", "4"].map((one) => [one, one])],
];

export const openSettings = (panel) => panel.open("Settings", content);

function content() {
  const options = askOptions();
  const note = make("p", { class: "panel-soft", role: "status" });
  const keep = (name, value) => {
    const isKept = keepAskOption(name, value);
    note.textContent = isKept ? "Kept in this browser." : "This browser keeps nothing, so the choice is lost.";
  };
  return [
    make("p", { class: "panel-soft" }, "Your ideas are asked with these. What you type in an idea, such as --ar 16:9 or --count 2, wins."),
    ...CHOICES.map(([name, label, values]) => choice(name, label, values, options[name], keep)),
    privateSwitch(options.is_private === true, keep),
    note,
  ];
}

function choice(name, label, values, chosen, keep) {
  const items = values.map(([value, words]) => make("option", { value, selected: String(chosen) === value }, words));
  const select = make("select", {}, make("option", { value: "" }, NO_WISH), ...items);
  const read = name === "num_candidates" ? Number : String;
  select.addEventListener("change", () => keep(name, select.value ? read(select.value) : null));
  return make("label", { class: "field field-line" }, make("span", {}, label), select);
}

function privateSwitch(isOn, keep) {
  const box = make("input", { class: "switch", type: "checkbox", role: "switch", checked: isOn });
  box.addEventListener("change", () => keep("is_private", box.checked || null));
  return make("label", { class: "consent" }, box, make("span", {}, "Private: nobody else may vote on your prompts"));
}
