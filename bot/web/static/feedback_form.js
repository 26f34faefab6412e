// The form that a 👎 offers: why, and a better prompt. Nobody has to fill it in.

import * as api from "/static/api.js";
import { make, quietButton, solidButton } from "/static/dom.js";

const REASONS = {
  off_topic: "Off topic",
  ungrammatical: "Reads badly",
  wrong_style: "Wrong style",
  unsafe: "Unsafe",
  duplicate: "Same as another",
};

/** `onClose()` takes the form away and `onThanks(sentence)` says what became of it. */
export function feedbackForm(candidate, { onClose, onThanks }) {
  const reasons = Object.entries(REASONS).map(([value, label]) =>
    make("label", { class: "choice" }, make("input", { type: "radio", name: "reason", value }), make("span", {}, label)),
  );
  const correction = make("textarea", { name: "correction", rows: "2", dir: "auto", placeholder: "How you would have put it" });
  const problem = make("p", { class: "problem", role: "alert" });
  const skip = quietButton({ label: "Not now" });
  const send = solidButton("Send", { type: "submit" });
  const form = make(
    "form",
    { class: "feedback", novalidate: true, "aria-label": `What is wrong with prompt ${candidate.rank}? Optional` },
    make("fieldset", {}, make("legend", {}, "What is wrong with it? ", make("small", {}, "optional")), ...reasons),
    make("label", { class: "field" }, make("span", {}, "A better prompt"), correction),
    problem,
    make("div", { class: "feedback-foot" }, skip, send),
  );
  skip.addEventListener("click", onClose);
  form.addEventListener("keydown", (event) => event.key === "Escape" && onClose());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const feedback = given(form);
    if (Object.keys(feedback).length === 0) {
      problem.textContent = "Choose a reason or write a better prompt, or press “Not now”.";
      return;
    }
    send.disabled = true;
    problem.textContent = "";
    try {
      await api.giveFeedback(candidate.id, feedback);
      onThanks("Thank you, that is noted.");
    } catch (error) {
      problem.textContent = error.message;
      send.disabled = false;
    }
  });
  return form;
}

/** What was filled in, without what was left empty. */
function given(form) {
  const entries = [...new FormData(form)].map(([name, value]) => [name, value.trim()]);
  return Object.fromEntries(entries.filter(([, value]) => value));
}
