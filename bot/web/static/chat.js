// The conversation's rules: what happens with a text that was sent, and what this browser asked before.

import * as api from "/static/api.js";
import { Backoff } from "/static/backoff.js";
import { ideaOf, ownCommand } from "/static/commands.js";
import { Exchange } from "/static/exchange.js";
import { greeting, help } from "/static/messages.js";

const MAX_TRIES = 4;
const TITLE = document.title;

export class Chat {
  #conversation;
  #composer;
  #status;
  #older;
  #before = null; // where the next older page starts
  #hasAsked = false;
  #keys = new Map(); // idea → key of a try that got no answer, so that asking again cannot ask twice

  constructor({ conversation, composer, status, older }) {
    this.#conversation = conversation;
    this.#composer = composer;
    this.#status = status;
    this.#older = older;
    older.addEventListener("click", () => this.#showOlder());
    document.addEventListener("visibilitychange", () => (document.title = TITLE));
  }

  // What an exchange may do.

  workers = () => this.#status.state;
  focus = () => this.#composer.focus();
  answered = () => document.hidden && (document.title = `(1) ${TITLE}`);
  edit = (idea) => {
    this.#composer.text = idea;
    this.#composer.focus();
  };

  /** Ask; a text that is refused goes back into the message box. */
  ask = async (idea, text = idea) => {
    const exchange = new Exchange(idea, this);
    this.#hasAsked = true;
    exchange.showSending();
    this.#conversation.isEmpty = false;
    this.#conversation.append(exchange.element);
    try {
      await exchange.show(await this.#send(idea, exchange));
    } catch (error) {
      exchange.showProblem(error.message);
      if (!this.#composer.text) this.#composer.text = text;
      this.#conversation.pin(exchange.answer);
    }
  };

  /** Do what `text` says: one of the page's own commands, or an idea. */
  take(text) {
    const own = { "/history": this.#history, "/help": this.#help }[ownCommand(text)];
    if (own) own();
    else this.ask(ideaOf(text), text);
  }

  /** Show what this browser asked before, once the server can be reached. */
  async start() {
    const backoff = new Backoff();
    while (!(await this.#loadPage())) await backoff.wait();
    this.#conversation.startAnnouncing();
  }

  async #send(idea, exchange) {
    const key = this.#keys.get(idea) ?? newKey();
    const backoff = new Backoff();
    this.#keys.set(idea, key);
    for (let tries = 1; ; tries += 1) {
      try {
        const request = await api.ask(idea, key);
        this.#keys.delete(idea);
        return request;
      } catch (error) {
        const isPassing = error instanceof api.Unreachable || error.isPassing;
        if (!isPassing) this.#keys.delete(idea);
        if (!isPassing || tries === MAX_TRIES) throw error;
        exchange.showTrouble();
        await backoff.wait();
      }
    }
  }

  /** Put one page of history on top; false if it could not be had. */
  async #loadPage() {
    let page;
    try {
      page = await api.history(this.#before);
    } catch {
      return false;
    }
    this.#before = page.next_before;
    this.#older.hidden = this.#before === null;
    const elements = page.requests.map((request) => this.#past(request)).reverse();
    if (this.#before === null) elements.unshift(greeting((idea) => this.ask(idea)));
    this.#conversation.isEmpty = page.requests.length === 0 && !this.#hasAsked;
    this.#conversation.prepend(elements);
    return true;
  }

  #past(request) {
    const exchange = new Exchange(request.idea, this);
    exchange.show(request);
    this.#composer.remember(request.idea, { isOldest: true });
    return exchange.element;
  }

  async #showOlder() {
    this.#older.disabled = true;
    const isLoaded = await this.#loadPage();
    this.#older.disabled = false;
    this.#older.textContent = isLoaded ? "Show older" : "Could not load, try again";
  }

  #history = async () => {
    if (this.#before !== null) await this.#showOlder();
    this.#conversation.scrollToStart();
  };

  #help = () => {
    this.#conversation.isEmpty = false;
    this.#conversation.append(help());
  };
}

/** 128 random bits; crypto.randomUUID is missing on plain http to another machine. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
