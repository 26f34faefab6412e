// The header's word on who answers: which model, and whether it is ready.

import * as api from "/static/api.js";
import { modelWords } from "/static/words.js";

const EVERY_MS = { ready: 2000, loading: 1000, paused: 2000, away: 1000, offline: 1000 };
const WORDS = { ready: "ready", loading: "loading…", paused: "learning", away: "model away", offline: "offline" };

export class ModelStatus {
  #element;
  #name;
  #state;

  state = "unknown";

  constructor({ element, name, state }) {
    this.#element = element;
    this.#name = name;
    this.#state = state;
  }

  async start() {
    for (;;) {
      await this.#refresh();
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS[this.state]));
    }
  }

  async #refresh() {
    try {
      const status = await api.status();
      this.#show(status.state, status.model);
    } catch {
      this.#show("offline", null);
    }
  }

  #show(state, model) {
    this.state = state;
    this.#element.dataset.state = state;
    this.#element.title = model ? `${model.base}, ${model.precision}, ${model.device}` : "";
    setText(this.#name, model ? modelWords(model) : "");
    setText(this.#state, WORDS[state]);
  }
}

/** Only a change is written, so that a screen reader hears each once. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
