// How learning from votes goes, for operators: what the votes are enough for, and the present cycle, kept current.

import * as api from "/static/api.js";
import { make, quietButton } from "/static/dom.js";
import { counted } from "/static/words.js";

const EVERY_MS = 2000;
const STATES = {
  planned: "Planned; it begins in a moment.",
  building: "Making examples of the votes.",
  training: "Training.",
  evaluating: "Measuring the new adapter beside what serves.",
  gated: "It passed the gate; its trial with real requests begins in a moment.",
  canary: "The new adapter answers a share of the requests; votes decide.",
  promoted: "Promoted.",
  rejected: "Not promoted; what served before goes on.",
  failed: "It could not be carried out; what served before goes on.",
  cancelled: "Cancelled; what served before goes on.",
};
const GATE_HEADING = ["test", "serves now", "new", "bound", "verdict"];

/** Return an element that shows the cycle for as long as it is on the page; `onCancel` asks for its end. */
export function cycleView(cycle, onCancel) {
  const host = make("div", { class: "cycle" });
  const show = (now) => host.replaceChildren(...parts(now, onCancel));
  show(cycle);
  keepCurrent(host, JSON.stringify(cycle), show);
  return host;
}

/** Return what the votes are enough for as paragraphs. */
export function planParts(plan) {
  const dropped = Object.entries(plan.dropped).map(([reason, count]) => `${count} ${reason}`);
  const lines = [
    `${counted(plan.num_votes, "vote")} of ${plan.num_people} people on ${counted(plan.num_prompts, "prompt")}; ` +
      `${counted(plan.num_rated_prompts, "rated prompt")} to learn from.`,
    ...(dropped.length ? [`Votes that do not count: ${dropped.join(", ")}.`] : []),
    ...plan.suspects.map(({ rater, num_votes: votes, evidence }) => `Set aside: ${rater}, ${counted(votes, "vote")}. ${evidence}`),
    plan.missing === null ? `Would be trained (${plan.objective}): ${plan.why}` : `Nothing would be trained: ${plan.missing}`,
  ];
  return lines.map((line) => make("p", {}, line));
}

async function keepCurrent(host, shown, show) {
  do {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    if (!host.isConnected) return;
    const { cycle } = await api.cycle().catch(() => ({ cycle: JSON.parse(shown) }));
    const now = JSON.stringify(cycle);
    if (now !== shown && !host.contains(document.activeElement)) {
      shown = now;
      show(cycle); // not under somebody's fingers
    }
  } while (host.isConnected);
}

function parts(cycle, onCancel) {
  if (!cycle) return [make("p", { class: "panel-soft" }, "Nothing has been trained from votes yet.")];
  const minutes = cycle.num_waiting_minutes;
  const words = minutes ? waiting(minutes) : (STATES[cycle.state] ?? cycle.state);
  const state = cycle.is_open && cycle.is_cancel_wanted ? `${words} It is being cancelled.` : words;
  const cancel = quietButton({ label: "Cancel the training", classes: "outlined" });
  cancel.addEventListener("click", onCancel);
  return [
    make("p", {}, state),
    ...progressParts(cycle.progress),
    ...canaryParts(cycle.canary),
    ...(cycle.gate.length ? [gateTable(cycle.gate)] : []),
    ...(cycle.reason ? [make("p", {}, cycle.reason)] : []),
    ...(cycle.is_open && !cycle.is_cancel_wanted ? [make("div", { class: "control-line" }, cancel)] : []),
  ];
}

function waiting(minutes) {
  const time = minutes < 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
  return (
    `Planned ${time} ago, and nobody has begun it yet; it begins once \`mjprompt run\` or \`mjprompt retrain\` runs ` +
    "on the machine with the model."
  );
}

function progressParts(progress) {
  if (!progress) return [];
  const { step, num_steps: steps, loss, eta_seconds: eta } = progress;
  return [
    make("progress", { max: steps, value: step, "aria-label": "Training" }),
    make("p", { class: "row-facts" }, `Step ${step} of ${steps}, loss ${loss.toFixed(3)}, about ${Math.ceil(eta / 60)} min to go`),
  ];
}

function canaryParts({ champion, challenger }) {
  const sides = { "Votes on the new one": challenger, "Votes on what serves": champion };
  return Object.entries(sides).flatMap(([name, tally]) => {
    if (!tally) return [];
    const share = tally.liked_share === null ? "–" : `${Math.round(100 * tally.liked_share)} %`;
    return [make("p", {}, `${name}: ${tally.num_up} 👍 ${tally.num_down} 👎 of ${tally.num_raters} people, ${share} liked`)];
  });
}

function gateTable(rows) {
  const line = (cells, tag) => make("tr", {}, ...cells.map((cell) => make(tag, {}, cell)));
  const body = rows.map(({ test, champion, challenger, bound, verdict }) => line([test, champion, challenger, bound, verdict], "td"));
  return make("table", { class: "gate" }, make("thead", {}, line(GATE_HEADING, "th")), make("tbody", {}, ...body));
}
