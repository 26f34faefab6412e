// The cards of one answer, best first, and their shapes while the answer is being written.

import { copy } from "/static/clipboard.js";
import { icon, make, quietButton } from "/static/dom.js";
import { promptText } from "/static/prompt_text.js";
import { Votes } from "/static/votes.js";

const COPIED_MS = 2000;

export function cards(candidates) {
  return make("ol", { class: "cards", role: "list", "aria-label": "Prompts" }, ...candidates.map(card));
}

export function ghostCards(count) {
  const ghosts = Array.from({ length: count }, () =>
    make("li", { class: "card ghost" }, make("i"), make("i"), make("i")),
  );
  return make("ol", { class: "cards", "aria-hidden": "true" }, ...ghosts);
}

function card(candidate) {
  const item = make("li", { class: "card", "data-candidate": candidate.id });
  const votes = new Votes(candidate, (thumb) => (thumb ? (item.dataset.vote = thumb) : delete item.dataset.vote));
  const rank = make("span", { class: "rank" }, make("span", { class: "hidden-text" }, "Prompt "), String(candidate.rank));
  const foot = make("div", { class: "card-foot", "aria-live": "off" }, rank, copyButton(candidate), ...votes.elements);
  item.append(promptText(candidate.text), foot, votes.note);
  return item;
}

function copyButton(candidate) {
  const button = quietButton({ iconName: "copy", label: "Copy", name: `Copy prompt ${candidate.rank}`, classes: "copy" });
  const show = (iconName, label, name) => {
    button.classList.toggle("is-done", iconName === "check");
    button.replaceChildren(icon(iconName), make("span", {}, label));
    button.setAttribute("aria-label", name);
  };
  let timer;
  button.addEventListener("click", async () => {
    const isCopied = await copy(candidate.text);
    if (isCopied) show("check", "Copied", `Copied prompt ${candidate.rank}`);
    else show("copy", "Select to copy", `Could not copy prompt ${candidate.rank}; select its text instead`);
    clearTimeout(timer);
    timer = setTimeout(() => show("copy", "Copy", `Copy prompt ${candidate.rank}`), COPIED_MS);
  });
  return button;
}
