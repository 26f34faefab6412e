// The cards of one answer, best first, and their shapes while the answer is being written.

import { copyButton } from "/static/copy_button.js";
import { make, quietButton } from "/static/dom.js";
import { feedbackForm } from "/static/feedback_form.js";
import { promptText } from "/static/prompt_text.js";
import { saveButton } from "/static/save_button.js";
import { Votes } from "/static/votes.js";

/** `onVary(candidate)` is told which prompt somebody wants more of. */
export function cards(candidates, onVary) {
  const items = candidates.map((candidate) => card(candidate, onVary));
  return make("ol", { class: "cards", role: "list", "aria-label": "Prompts" }, ...items);
}

export function ghostCards(count) {
  const ghosts = Array.from({ length: count }, () =>
    make("li", { class: "card ghost" }, make("i"), make("i"), make("i")),
  );
  return make("ol", { class: "cards", "aria-hidden": "true" }, ...ghosts);
}

const afterLayout = (act) => requestAnimationFrame(() => requestAnimationFrame(act));

function card(candidate, onVary) {
  const what = `prompt ${candidate.rank}`;
  const item = make("li", { class: "card", "data-candidate": candidate.id });
  const note = make("p", { class: "card-note", role: "status" });
  const say = (sentence, { isProblem = true } = {}) => {
    note.textContent = sentence;
    note.classList.toggle("is-problem", isProblem);
  };
  const votes = new Votes(candidate, {
    onShow: (thumb) => (thumb ? (item.dataset.vote = thumb) : delete item.dataset.vote),
    onPress: (thumb) => (thumb === "down" ? offerForm() : closeForm()),
    onProblem: say,
  });
  let form = null;
  const closeForm = () => {
    if (form?.contains(document.activeElement)) votes.focus("down");
    form?.remove();
    form = null;
  };
  const offerForm = () => {
    const onThanks = (sentence) => (closeForm(), say(sentence, { isProblem: false }));
    closeForm();
    form = feedbackForm(candidate, { onClose: closeForm, onThanks });
    item.append(form);
    afterLayout(() => form?.scrollIntoView({ block: "nearest" })); // the conversation goes back to its place first
  };
  const vary = quietButton({ iconName: "vary", label: "Vary", name: `Vary ${what}`, classes: "vary" });
  vary.addEventListener("click", () => onVary(candidate));
  const rank = make("span", { class: "rank" }, make("span", { class: "hidden-text" }, "Prompt "), String(candidate.rank));
  const buttons = [copyButton(candidate.text, what), vary, saveButton(candidate, what, say), ...votes.elements];
  item.append(promptText(candidate.text), make("div", { class: "card-foot", "aria-live": "off" }, rank, ...buttons), note);
  return item;
}
