// Asking before something that cannot be taken back.

import { make, quietButton, solidButton } from "/static/dom.js";

/**
 * Put a question in place of what `host` shows. "No" or Escape brings that back; "yes" calls `onYes`, and a sentence
 * that it throws is shown beside the question. The focus starts on "no".
 */
export function askFirst(host, { question, yes, no = "Keep", isGrave = true, onYes }) {
  const before = [...host.childNodes];
  const opener = document.activeElement;
  const yesButton = solidButton(yes, { classes: isGrave ? "is-grave" : "" });
  const noButton = quietButton({ label: no, classes: "outlined" });
  const problem = make("p", { class: "problem", role: "alert" });
  const group = make(
    "div",
    { class: "confirm", role: "group", "aria-label": question },
    make("p", {}, question),
    make("div", { class: "confirm-foot" }, noButton, yesButton),
    problem,
  );
  const restore = () => {
    host.replaceChildren(...before);
    opener?.focus();
  };
  noButton.addEventListener("click", restore);
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault(); // a panel around it stays open
    restore();
  });
  yesButton.addEventListener("click", async () => {
    const setBusy = (isBusy) => (yesButton.disabled = noButton.disabled = isBusy);
    setBusy(true);
    try {
      await onYes();
    } catch (error) {
      problem.textContent = error.message;
      setBusy(false);
    }
  });
  host.replaceChildren(group);
  noButton.focus();
}
