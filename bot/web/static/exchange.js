// One idea and its answer: two messages that go from sending to cards, or to a sentence about why not.

import * as api from "/static/api.js";
import { cards } from "/static/cards.js";
import { askFirst } from "/static/confirm.js";
import { make, quietButton } from "/static/dom.js";
import { follow, isOpen } from "/static/follow.js";
import { bot, botText, mine } from "/static/messages.js";
import { Waiting } from "/static/waiting.js";
import { endWords, factWords, headWords } from "/static/words.js";

export class Exchange {
  #idea;
  #chat;
  #body;
  #kind;
  #waiting = null;

  element;
  answer = bot();

  /** `chat` offers ask, edit, vary, startRemix, reroll, removed, focus, workers and answered. */
  constructor(idea, chat, kind) {
    this.#idea = idea;
    this.#chat = chat;
    this.#kind = kind;
    this.#body = this.answer.querySelector(".bot-body");
    this.element = make("div", { class: "exchange" }, mine(idea, kind), this.answer);
  }

  showSending() {
    this.#wait(null);
  }

  showTrouble() {
    this.#waiting?.showTrouble();
  }

  showProblem(sentence) {
    this.#replace(botText(sentence));
  }

  /** Show `request` and keep it up to date until it has ended. */
  async show(request) {
    this.#update(request);
    if (!isOpen(request)) return;
    try {
      await follow(request, {
        onChange: (changed) => this.#update(changed),
        onTrouble: () => this.showTrouble(),
      });
      this.#chat.answered();
    } catch (error) {
      this.showProblem(error.message);
    }
  }

  #update(request) {
    this.element.dataset.request = request.id;
    this.#showIdea(request.idea);
    if (isOpen(request)) this.#wait(request);
    else if (request.state === "done") this.#showAnswer(request);
    else this.#replace(botText(endWords(request)), this.#footOfNoAnswer(request));
  }

  /** The idea as it was taken in, with what the settings added. */
  #showIdea(idea) {
    if (idea === this.#idea) return;
    this.#idea = idea;
    this.element.firstChild.replaceWith(mine(idea, this.#kind));
  }

  #wait(request) {
    if (this.#waiting === null) {
      const waiting = new Waiting({ workers: this.#chat.workers, onCancel: () => this.#cancel() });
      this.#replace(waiting.element);
      this.#waiting = waiting;
    }
    if (request !== null) this.#waiting.update(request);
  }

  #showAnswer(request) {
    const head = make(
      "p",
      { class: "bot-line" },
      make("span", { class: "bot-head" }, headWords(request)),
      make("span", { class: "bot-facts" }, factWords(request)),
    );
    const onVary = (candidate) => this.#chat.vary(request, candidate);
    this.#replace(head, cards(request.candidates, onVary), this.#footOfAnswer(request));
  }

  #footOfAnswer(request) {
    return this.#foot(
      button("edit", "Remix", () => this.#chat.startRemix(request)),
      button("again", "Re-roll", () => this.#chat.reroll(request)),
      this.#deleteButton(request),
    );
  }

  #footOfNoAnswer(request) {
    return this.#foot(
      button("again", "Again", () => this.#chat.ask(this.#idea)),
      button("edit", "Edit idea", () => this.#chat.edit(this.#idea)),
      this.#deleteButton(request),
    );
  }

  #foot(...buttons) {
    return make("div", { class: "after" }, ...buttons);
  }

  #deleteButton(request) {
    const one = button("delete", "Delete", () =>
      askFirst(one.parentElement, {
        question: "Delete this idea with its prompts and votes? Nothing brings it back.",
        yes: "Delete",
        onYes: () => this.#delete(request.id),
      }),
    );
    return one;
  }

  /** One that is gone already is what was wished for. */
  async #delete(id) {
    try {
      await api.remove(id);
    } catch (error) {
      if (error.status !== 404) throw error;
    }
    this.element.remove();
    this.#chat.removed();
  }

  async #cancel() {
    try {
      await api.cancel(this.element.dataset.request); // the long poll brings the new state
    } catch {
      this.showTrouble();
    }
  }

  #replace(...children) {
    const hadFocus = this.#waiting?.hasFocus;
    this.#waiting?.stop();
    this.#waiting = null;
    this.#body.replaceChildren(...children);
    if (hadFocus) this.#chat.focus();
  }
}

function button(iconName, label, onPress) {
  const one = quietButton({ iconName, label });
  one.addEventListener("click", onPress);
  return one;
}
