// What this browser has waiting, each with a way out.

import * as api from "/static/api.js";
import { make, quietButton } from "/static/dom.js";
import { counted, waitingWords } from "/static/words.js";

/** `onChange()` is called when something was taken back, to show the rest. */
export function openQueue(panel, status) {
  panel.open("Queue", async () => queue(await api.queue(), { status, onChange: () => openQueue(panel, status) }));
}

function queue({ requests, queue_length: length }, { status, onChange }) {
  const everybody = make("p", { class: "panel-soft" }, `Everybody together: ${counted(length, "request")} in line.`);
  if (requests.length === 0) return [make("p", {}, "You have nothing waiting."), everybody];
  const rows = requests.map((request) => row(request, { status, onChange }));
  const list = make("ol", { class: "panel-list", role: "list", "aria-label": "What you have waiting" }, ...rows);
  const all = [everybody, list];
  if (requests.length > 1) all.push(cancelButton("Cancel all", "Cancel all of them", api.cancelAll, onChange));
  return all;
}

function row(request, { status, onChange }) {
  const words = waitingWords(request, { secondsSince: 0, workers: status.state });
  return make(
    "li",
    { class: "row row-line" },
    make(
      "div",
      { class: "row-head" },
      make("span", { class: "row-title", dir: "auto" }, request.idea),
      make("span", { class: "row-facts" }, words),
    ),
    cancelButton("Cancel", `Cancel ${request.idea}`, () => api.cancel(request.id), onChange),
  );
}

function cancelButton(label, name, call, onChange) {
  const button = quietButton({ label, name, classes: "outlined" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await call();
      onChange();
    } catch (error) {
      button.disabled = false;
      button.lastChild.textContent = "Try again";
      button.title = error.message;
    }
  });
  return button;
}
