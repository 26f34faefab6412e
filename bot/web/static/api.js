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

export const ask = (text, key) => call("POST", "/api/requests", { body: { text }, key });
export const cancel = (id) => call("DELETE", `/api/requests/${id}`);
export const vote = (id, thumb) => call("PUT", `/api/candidates/${id}/vote`, { body: { thumb } });
export const status = () => call("GET", "/api/status");
export const consent = () => call("GET", "/api/consent");
export const setConsent = (isGiven) => call("PUT", "/api/consent", { body: { is_given: isGiven } });

/** Look at a request; with `wait` seconds, only once it is no longer as it was `seen`. */
export function look(id, seen, wait) {
  const query = new URLSearchParams({ seen, wait });
  return call("GET", `/api/requests/${id}?${query}`, { patience: wait * SECONDS + PATIENCE_MS });
}

export function history(before) {
  const query = new URLSearchParams(before ? { before } : {});
  return call("GET", `/api/history?${query}`);
}

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
