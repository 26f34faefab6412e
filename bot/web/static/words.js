// Sentences about a request's progress.

const NUMBERS = ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight"];

export function waitingWords(request, { secondsSince, workers }) {
  if (request === null) return "Sending…";
  if (request.state === "running") return "Writing your prompts…";
  const place = placeWords(request.position);
  if (workers === "away") return `${place}, waiting for the model to come back`;
  if (workers === "paused") return `${place}, the model is learning and answers after that`;
  if (workers === "loading") return `${place}, the model is still loading`;
  return request.eta_seconds === null ? place : `${place}, ${about(request.eta_seconds - secondsSince)}`;
}

export function headWords(request) {
  const count = request.candidates.length;
  return `${NUMBERS[count] ?? count} prompt${count === 1 ? "" : "s"}`;
}

export function factWords(request) {
  const seconds = (new Date(request.finished_at) - new Date(request.created_at)) / 1000;
  const parts = [`${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`];
  if (request.model) parts.push(modelWords(request.model));
  if (request.is_private) parts.push("private");
  return parts.join(" · ");
}

/** `tiiuae/falcon-7b` with adapter `a1` is "falcon-7b + a1". */
export function modelWords(model) {
  const base = model.base.split(/[\\/]/).filter(Boolean).at(-1) ?? model.base;
  return model.adapter ? `${base} + ${model.adapter}` : base;
}

export function endWords(request) {
  if (request.state === "cancelled") return "Cancelled.";
  return request.error ?? "This one did not work out; please ask again.";
}

function placeWords(position) {
  if (position === null) return "In line";
  return position === 1 ? "Next in line" : `${ordinal(position)} in line`;
}

function ordinal(number) {
  const tens = number % 100;
  if (tens >= 11 && tens <= 13) return `${number}th`;
  return `${number}${{ 1: "st", 2: "nd", 3: "rd" }[number % 10] ?? "th"}`;
}

function about(seconds) {
  const rounded = Math.max(1, Math.round(seconds));
  return rounded < 90 ? `about ${rounded} s` : `about ${Math.round(rounded / 60)} min`;
}

/** What became of a request, in a word or two. */
export function stateWords(request) {
  if (request.state === "done") return headWords(request);
  return { queued: "in line", running: "being written", cancelled: "cancelled", expired: "not answered in time" }[request.state] ?? "failed";
}

const TIME = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });
const DAY_OF_YEAR = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric" });

/** `14:05` today, `3 Feb, 14:05` this year, `3 Feb 2024` before. */
export function whenWords(moment, now = new Date()) {
  const then = new Date(moment);
  if (then.getFullYear() !== now.getFullYear()) return DAY_OF_YEAR.format(then);
  return then.toDateString() === now.toDateString() ? TIME.format(then) : `${DAY.format(then)}, ${TIME.format(then)}`;
}

export const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

export function learnedWords(votes, own) {
  if (votes === 0) return "It has learned from nobody's votes yet.";
  if (own === 0) return `It learned from ${counted(votes, "vote")}; none of them is yours.`;
  if (own === votes) return `Your ${counted(own, "vote")} trained it.`;
  return `Your ${counted(own, "vote")} trained it, among ${votes} in all.`;
}
