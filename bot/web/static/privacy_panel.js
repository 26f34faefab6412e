// What is kept about this browser, with export, consent and a way to have all of it deleted.

import * as api from "/static/api.js";
import { askFirst } from "/static/confirm.js";
import { icon, make, quietButton } from "/static/dom.js";
import { counted } from "/static/words.js";

const EXPORT = { href: "/api/privacy/export", download: "mjprompt-export.json" };

/** `onForgotten()` is told when everything was deleted. */
export const openPrivacy = (panel, consent, onForgotten) =>
  panel.open("Privacy", async () => content(await api.privacy(), consent, onForgotten));

function content(kept, consent, onForgotten) {
  const learned = kept.adapters.length
    ? `Learned from it: ${kept.adapters.join(", ")}.`
    : "No model has learned from it.";
  const link = make("a", { class: "quiet-button outlined", ...EXPORT }, icon("download"), "Export as JSON");
  const grave = make("div", { class: "grave" }, deleteButton((result) => (onForgotten(), grave.replaceChildren(result))));
  return [
    make("p", { class: "panel-soft" }, "You have no account: a random cookie is all that ties this to you."),
    make("h3", {}, "What is kept"),
    numbers({
      Ideas: kept.num_requests,
      Prompts: kept.num_candidates,
      Votes: kept.num_votes,
      "Reasons and better prompts": kept.num_feedback,
      Favourites: kept.num_favorites,
    }),
    make("p", { class: "panel-soft" }, learned),
    make("p", {}, link),
    make("h3", {}, "Learning"),
    consentSwitch(consent),
    make("h3", {}, "Delete"),
    grave,
    make("h3", {}, "Your visitor id"),
    make("p", { class: "visitor-id" }, kept.visitor_id),
  ];
}

function numbers(counts) {
  const pairs = Object.entries(counts).map(([name, count]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, String(count))),
  );
  return make("dl", { class: "facts" }, ...pairs);
}

function consentSwitch(consent) {
  const box = make("input", { class: "switch", type: "checkbox", role: "switch", "aria-describedby": "panel-consent-note" });
  const note = make("p", { class: "panel-soft", id: "panel-consent-note" });
  consent.bind(box, note);
  return make("div", {}, make("label", { class: "consent" }, box, make("span", {}, "Let my votes teach the next model")), note);
}

function deleteButton(onDone) {
  const button = quietButton({ iconName: "delete", label: "Delete everything", classes: "outlined is-grave" });
  button.addEventListener("click", () =>
    askFirst(button.parentElement, {
      question: "Delete all of your ideas, prompts, votes and favourites? Nothing brings them back.",
      yes: "Delete everything",
      onYes: async () => onDone(goneWords(await api.forgetMe())),
    }),
  );
  return button;
}

function goneWords({ num_requests: ideas, num_votes: votes, adapters }) {
  const gone = `Deleted: ${counted(ideas, "idea")} with their prompts and ${counted(votes, "vote")}.`;
  const learned = adapters.length ? ` These had learned from it, and the next one will not: ${adapters.join(", ")}.` : "";
  return make("p", { role: "status", tabindex: "-1" }, gone + learned);
}
