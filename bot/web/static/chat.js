// The conversation's rules: what happens with a text that was sent, and what this browser asked before.

import * as api from "/static/api.js";
import { askOptions } from "/static/ask_options.js";
import { Backoff } from "/static/backoff.js";
import { ideaOf, ownCommand } from "/static/commands.js";
import { Exchange } from "/static/exchange.js";
import { bot, botText, greeting, help } from "/static/messages.js";

const MAX_TRIES = 4;
const TITLE = document.title;

export class Chat {
  #conversation;
  #composer;
  #status;
  #older;
  #announcer;
  #remixMark;
  #before = null; // where the next older page starts
  #hasAsked = false;
  #wishes = new Set(); // what is on its way: the same again, as from a double click, is the same request
  #keys = new Map(); // what was wished for → key of a try that got no answer, so that trying again cannot ask twice

  /** What to do with the page's own commands: `run(name, rest)`. */
  run = null;

  constructor({ conversation, composer, status, older, announcer, remixMark }) {
    this.#conversation = conversation;
    this.#composer = composer;
    this.#status = status;
    this.#older = older;
    this.#announcer = announcer;
    this.#remixMark = remixMark;
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

  startRemix = (request) => {
    this.#remixMark.show(request);
    this.edit(request.idea);
  };

  removed = () => {
    this.#announcer.textContent = "Deleted.";
    this.focus();
  };

  ask = (idea, text = idea) =>
    this.#begin({ idea, text, wish: `ask ${idea}`, call: (key) => api.ask(idea, askOptions(), key) });

  remix = (request, idea, text = idea) =>
    this.#begin({
      idea,
      text,
      kind: "remix",
      wish: `remix ${request.id} ${idea}`,
      call: (key) => api.remix(request.id, idea, key),
      onRefused: () => this.#remixMark.show(request),
    });

  vary = ({ idea }, { id }) =>
    this.#begin({ idea, kind: "vary", wish: `vary ${id}`, call: (key) => api.vary(id, key) });

  reroll = ({ idea, id }) =>
    this.#begin({ idea, kind: "reroll", wish: `reroll ${id}`, call: (key) => api.reroll(id, key) });

  /** Do what `text` says: one of the page's own commands, or an idea. */
  take(text) {
    const own = ownCommand(text);
    if (own) return this.run(own.name, own.rest);
    const base = this.#remixMark.take();
    return base ? this.remix(base, ideaOf(text), text) : this.ask(ideaOf(text), text);
  }

  say = (sentence) => this.#append(bot(botText(sentence)));
  help = () => this.#append(help());

  /** Show what this browser asked before, once the server can be reached. */
  async start() {
    const backoff = new Backoff();
    while (!(await this.#loadPage())) await backoff.wait();
    this.#conversation.startAnnouncing();
  }

  /** Show an empty conversation: everything was deleted. */
  clear() {
    this.#before = null;
    this.#older.hidden = true;
    this.#hasAsked = false;
    this.#remixMark.take();
    this.#composer.forget();
    this.#conversation.clear(this.#greeting());
  }

  /** Open an exchange and follow it to its end; a `text` that is refused goes back into the message box. */
  async #begin({ idea, text = null, kind = "ask", wish, call, onRefused = () => {} }) {
    if (this.#wishes.has(wish)) return;
    const exchange = new Exchange(idea, this, kind);
    this.#hasAsked = true;
    exchange.showSending();
    this.#append(exchange.element);
    try {
      await exchange.show(await this.#send(wish, call, exchange));
    } catch (error) {
      exchange.showProblem(error.message);
      if (text && !this.#composer.text) {
        this.#composer.text = text;
        onRefused();
      }
      this.#conversation.pin(exchange.answer);
    }
  }

  async #send(wish, call, exchange) {
    const key = this.#keys.get(wish) ?? api.newKey();
    const backoff = new Backoff();
    this.#keys.set(wish, key);
    this.#wishes.add(wish);
    try {
      for (let tries = 1; ; tries += 1) {
        try {
          const request = await call(key);
          this.#keys.delete(wish);
          return request;
        } catch (error) {
          const isPassing = error instanceof api.Unreachable || error.isPassing;
          if (!isPassing) this.#keys.delete(wish);
          if (!isPassing || tries === MAX_TRIES) throw error;
          exchange.showTrouble();
          await backoff.wait();
        }
      }
    } finally {
      this.#wishes.delete(wish);
    }
  }

  #append(element) {
    this.#conversation.isEmpty = false;
    this.#conversation.append(element);
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
    if (this.#before === null) elements.unshift(this.#greeting());
    this.#conversation.isEmpty = page.requests.length === 0 && !this.#hasAsked;
    this.#conversation.prepend(elements);
    return true;
  }

  #past(request) {
    const exchange = new Exchange(request.idea, this, request.kind);
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

  #greeting() {
    return greeting((idea) => this.ask(idea));
  }
}
