// What serves, since when, and what it learned from; operators also change it from here.

import * as api from "/static/api.js";
import { askFirst } from "/static/confirm.js";
import { cycleView, planParts } from "/static/cycle_view.js";
import { make, quietButton } from "/static/dom.js";
import { learnedWords, modelWords, whenWords } from "/static/words.js";

const QUESTIONS = {
  retrain: { question: "Train a new adapter on the votes of everybody who agreed?", yes: "Retrain" },
  cancel: { question: "End the training that is going on? What serves stays as it is.", yes: "Cancel it" },
  promote: { question: "Let this adapter answer everybody from now on?", yes: "Promote" },
  rollback: { question: "Go back to what answered before this adapter?", yes: "Roll back" },
};

// What may stand behind /retrain; by itself it begins a training.
const RETRAIN_VERBS = { start: "retrain", cancel: "cancel", plan: "plan", status: "status" };

/** `asked` is what was typed after /model (nothing, `promote ID` or `rollback`), or `retrain` with its own word. */
export const openModel = (panel, asked = []) =>
  panel.open("Model", async () => {
    const status = await api.model();
    const said = make("div", { class: "said", role: "status" });
    const [action, argument] = asked;
    if (action === "retrain") await beginRetrain(argument, status, said);
    else if (action) await begin(action, argument ?? "", status, said);
    return [...facts(status), said, ...(status.is_operator ? await controls(status, said) : [])];
  });

async function beginRetrain(verb = "start", status, said) {
  const action = RETRAIN_VERBS[verb];
  if (!action) return tell(said, `There is no /retrain ${verb}; type /retrain plan, start, status or cancel.`);
  if (action === "plan") return showPlan(said);
  if (action === "status") return status.is_operator ? undefined : refusedBy(api.cycle(), said);
  return begin(action, "", status, said);
}

const tell = (said, sentence) => said.replaceChildren(make("p", {}, sentence));
const refusedBy = (call, said) => call.catch((error) => tell(said, error.message));

async function showPlan(said) {
  await refusedBy(api.retrainPlan().then((plan) => said.replaceChildren(...planParts(plan))), said);
}

/** Operators are asked first; anybody else is refused by the server, which keeps a record of it. */
async function begin(action, adapter, status, said) {
  const calls = { retrain: api.retrain, cancel: api.cancelCycle, promote: (key) => api.promote(adapter, key), rollback: api.rollback };
  const call = calls[action];
  if (!call) return tell(said, `There is no /model ${action}; type /model, /model promote and an adapter, or /model rollback.`);
  const key = api.newKey();
  const act = async () => tell(said, (await call(key)).message);
  if (status.is_operator) return askFirst(said, { ...QUESTIONS[action], no: "Not now", isGrave: false, onYes: act });
  await act().catch((error) => tell(said, error.message));
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

async function controls(status, said) {
  const choice = make("select", { "aria-label": "Adapter" }, ...status.adapters.map((id) => make("option", { value: id }, id)));
  const control = (action, label) => {
    const one = quietButton({ label, classes: "outlined" });
    one.addEventListener("click", () => begin(action, choice.value, status, said));
    return one;
  };
  const promote = status.adapters.length
    ? [make("div", { class: "control-line" }, choice, control("promote", "Promote"))]
    : [make("p", { class: "panel-soft" }, "There is no adapter to promote.")];
  const plan = quietButton({ label: "What the votes are enough for", classes: "outlined" });
  plan.addEventListener("click", () => showPlan(said));
  const { cycle } = await api.cycle();
  return [
    make("h3", {}, "For operators"),
    ...promote,
    make("div", { class: "control-line" }, control("retrain", "Retrain"), plan, control("rollback", "Roll back")),
    make("h3", {}, "Learning from votes"),
    cycleView(cycle, () => begin("cancel", "", status, said)),
  ];
}
