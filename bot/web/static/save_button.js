// The star of one prompt: whether it is among the favourites. All stars of a prompt, in cards and panels, agree.

import * as api from "/static/api.js";
import { quietButton } from "/static/dom.js";

const CHANGED = "mjprompt:saved";

/** `what` names the prompt; `onProblem(sentence)` is told what to show, an empty sentence takes it back. */
export function saveButton(candidate, what, onProblem) {
  const button = quietButton({ iconName: "star", classes: "save" });
  const show = (isSaved) => {
    button.setAttribute("aria-pressed", String(isSaved));
    button.setAttribute("aria-label", isSaved ? `Saved ${what}; press to remove` : `Save ${what}`);
    button.title = isSaved ? "Saved" : "Save";
  };
  const isShown = () => button.getAttribute("aria-pressed") === "true";
  button.addEventListener("click", async () => {
    const wanted = !isShown();
    onProblem("");
    show(wanted);
    try {
      await api.save(candidate.id, wanted);
      candidate.is_saved = wanted;
      document.dispatchEvent(new CustomEvent(CHANGED, { detail: { id: candidate.id, isSaved: wanted } }));
    } catch (error) {
      show(!wanted);
      onProblem(`${wanted ? "This was not saved." : "This is still saved."} ${error.message}`);
    }
  });
  document.addEventListener(CHANGED, ({ detail }) => detail.id === candidate.id && show(detail.isSaved));
  show(candidate.is_saved);
  return button;
}
