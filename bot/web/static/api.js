// The HTTP API (docs/api.md) as functions. Knows nothing of the page.

const SECONDS = 1000;
const PATIENCE_MS = 15 * SECONDS;

/** The server understood and said no: `message` is one sentence to show. */
export class Refused extends Error {
  constructor(status, { code, message }) {
    super(message);
    this.status = status;
    this.code = code;
  }

  /** Whether the same call may work in a moment. */
  get isPassing() {
    return this.status >= 500;
  }
}

/** No answer came: offline, restarting, or too slow. */
export class Unreachable extends Error {
  constructor() {
    super("The chat cannot be reached right now.");
  }
}

export const ask = (text, options, key) => call("POST", "/api/requests", { body: { text, ...options }, key });
export const vary = (id, key) => call("POST", `/api/candidates/${id}/vary`, { key });
export const remix = (id, text, key) => call("POST", `/api/requests/${id}/remix`, { body: { text }, key });
export const reroll = (id, key) => call("POST", `/api/requests/${id}/reroll`, { key });
export const cancel = (id) => call("POST", `/api/requests/${id}/cancel`);
export const cancelAll = () => call("POST", "/api/cancel");
export const remove = (id) => call("DELETE", `/api/requests/${id}`);

export const vote = (id, thumb) => call("PUT", `/api/candidates/${id}/vote`, { body: { thumb } });
export const save = (id, isSaved) => call("PUT", `/api/candidates/${id}/saved`, { body: { is_saved: isSaved } });
export const giveFeedback = (id, feedback) => call("PUT", `/api/candidates/${id}/feedback`, { body: feedback });

export const history = (before) => call("GET", paged("/api/history", before));
export const favorites = (before) => call("GET", paged("/api/favorites", before));
export const queue = () => call("GET", "/api/queue");
export const status = () => call("GET", "/api/status");

export const consent = () => call("GET", "/api/consent");
export const setConsent = (isGiven) => call("PUT", "/api/consent", { body: { is_given: isGiven } });
export const privacy = () => call("GET", "/api/privacy");
export const forgetMe = () => call("DELETE", "/api/me", { body: { confirm: true } });

export const model = () => call("GET", "/api/model");
export const retrain = (key) => call("POST", "/api/retrain", { key });
export const retrainPlan = () => call("GET", "/api/retrain/plan");
export const cycle = () => call("GET", "/api/cycle");
export const cancelCycle = (key) => call("POST", "/api/cycle/cancel", { key });
export const promote = (adapter, key) => call("POST", "/api/model/promote", { body: { adapter }, key });
export const rollback = (key) => call("POST", "/api/model/rollback", { key });

/** 128 random bits for an Idempotency-Key; crypto.randomUUID is missing on plain http to another machine. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Look at a request; with `wait` seconds, only once it is no longer as it was `seen`. */
export function look(id, seen, wait) {
  const query = new URLSearchParams({ seen, wait });
  return call("GET", `/api/requests/${id}?${query}`, { patience: wait * SECONDS + PATIENCE_MS });
}

const paged = (path, before) => (before ? `${path}?${new URLSearchParams({ before })}` : path);

async function call(method, path, { body, key, patience = PATIENCE_MS } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  const payload = body === undefined ? undefined : JSON.stringify(body);
  let response, reply;
  try {
    response = await fetch(path, { method, headers, body: payload, signal: AbortSignal.timeout(patience) });
    reply = await response.json();
  } catch {
    throw new Unreachable();
  }
  if (!response.ok) throw new Refused(response.status, reply.error ?? { code: "unknown", message: response.statusText });
  return reply;
}
