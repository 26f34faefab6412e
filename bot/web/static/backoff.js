// Waiting between tries: longer each time, a little random, cut short when the browser says it is online again.

const FIRST_MS = 500;
const LONGEST_MS = 8000;

export class Backoff {
  #tries = 0;

  reset() {
    this.#tries = 0;
  }

  async wait() {
    const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#tries);
    this.#tries += 1;
    await pause(ceiling * (0.5 + Math.random() / 2));
  }
}

function pause(milliseconds) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", done);
  });
}
