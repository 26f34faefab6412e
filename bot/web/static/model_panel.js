// What serves, since when, and what it learned from; operators also change it from here.

import * as api from "/static/api.js";
import { askFirst } from "/static/confirm.js";
import { make, quietButton } from "/static/dom.js";
import { learnedWords, modelWords, whenWords } from "/static/words.js";

const QUESTIONS = {
  retrain: { question: "Train a new adapter on the votes of everybody who agreed?", yes: "Retrain" },
  promote: { question: "Let this adapter answer everybody from now on?", yes: "Promote" },
  rollback: { question: "Go back to what answered before this adapter?", yes: "Roll back" },
};

/** `asked` is what was typed after /model: nothing, `promote ID` or `rollback`. */
export const openModel = (panel, asked = []) =>
  panel.open("Model", async () => {
    const status = await api.model();
    const said = make("div", { class: "said", role: "status" });
    const [action, adapter = ""] = asked;
    if (action) await begin(action, adapter, status, said);
    return [...facts(status), said, ...(status.is_operator ? controls(status, said) : [])];
  });

/** Operators are asked first; anybody else is refused by the server, which keeps a record of it. */
async function begin(action, adapter, status, said) {
  const call = { retrain: api.retrain, promote: (key) => api.promote(adapter, key), rollback: api.rollback }[action];
  if (!call) {
    said.replaceChildren(make("p", {}, `There is no /model ${action}; type /model, /model promote and an adapter, or /model rollback.`));
    return;
  }
  const key = api.newKey();
  const act = async () => said.replaceChildren(make("p", {}, (await call(key)).message));
  if (status.is_operator) return askFirst(said, { ...QUESTIONS[action], no: "Not now", isGrave: false, onYes: act });
  await act().catch((error) => said.replaceChildren(make("p", {}, error.message)));
}

function facts({ model, is_ready: isReady, since, num_votes: votes, num_own_votes: own }) {
  const rows = {
    Serving: model ? modelWords(model) : "nothing right now",
    State: isReady ? "ready" : "not ready",
    Since: since ? whenWords(since) : "–",
    Runs: model ? `${model.precision} on ${model.device}` : "–",
  };
  const pairs = Object.entries(rows).map(([name, value]) =>
    make("div", {}, make("dt", {}, name), make("dd", {}, value)),
  );
  return [make("dl", { class: "facts" }, ...pairs), make("p", {}, learnedWords(votes, own))];
}

function controls(status, said) {
  const choice = make("select", { "aria-label": "Adapter" }, ...status.adapters.map((id) => make("option", { value: id }, id)));
  const control = (action, label) => {
    const one = quietButton({ label, classes: "outlined" });
    one.addEventListener("click", () => begin(action, choice.value, status, said));
    return one;
  };
  const promote = status.adapters.length
    ? [make("div", { class: "control-line" }, choice, control("promote", "Promote"))]
    : [make("p", { class: "panel-soft" }, "There is no adapter to promote.")];
  return [
    make("h3", {}, "For operators"),
    ...promote,
    make("div", { class: "control-line" }, control("retrain", "Retrain"), control("rollback", "Roll back")),
  ];
}
