// Following requests until they end, by long polling that survives lost connections and restarts.

import * as api from "/static/api.js";
import { Backoff } from "/static/backoff.js";

const OPEN = new Set(["queued", "running"]);
const LONG_POLL_SECONDS = 25;
const MAX_LONG_POLLS = 2; // browsers allow six connections to one host, for all its tabs; votes need some too
const SHORT_POLL_MS = 1000;

let numLongPolls = 0;

export const isOpen = (request) => OPEN.has(request.state);

/**
 * Call `onChange(request)` for each change and `onTrouble()` while nobody answers; return when the request has ended.
 * Throws api.Refused where the request cannot be followed any more.
 */
export async function follow(request, { onChange, onTrouble }) {
  const backoff = new Backoff();
  while (isOpen(request)) {
    try {
      request = await nextLook(request);
      backoff.reset();
      onChange(request);
    } catch (error) {
      if (error instanceof api.Refused && !error.isPassing) throw error;
      onTrouble();
      await backoff.wait();
    }
  }
}

/** Wait for a change on one of the few long polls; without a free one, look again in a moment. */
async function nextLook({ id, seen }) {
  if (numLongPolls >= MAX_LONG_POLLS) {
    await new Promise((resolve) => setTimeout(resolve, SHORT_POLL_MS));
    return api.look(id, seen, 0);
  }
  numLongPolls += 1;
  try {
    return await api.look(id, seen, LONG_POLL_SECONDS);
  } finally {
    numLongPolls -= 1;
  }
}
