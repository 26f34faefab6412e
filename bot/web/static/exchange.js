// One idea and its answer: two messages that go from sending to cards, or to a sentence about why not.

import * as api from "/static/api.js";
import { cards } from "/static/cards.js";
import { make, quietButton } from "/static/dom.js";
import { follow, isOpen } from "/static/follow.js";
import { bot, botText, mine } from "/static/messages.js";
import { Waiting } from "/static/waiting.js";
import { endWords, factWords, headWords } from "/static/words.js";

export class Exchange {
  #idea;
  #chat;
  #body;
  #waiting = null;

  element;
  answer = bot();

  /** `chat` offers ask(idea), edit(idea), focus(), workers() and answered(). */
  constructor(idea, chat) {
    this.#idea = idea;
    this.#chat = chat;
    this.#body = this.answer.querySelector(".bot-body");
    this.element = make("div", { class: "exchange" }, mine(idea), this.answer);
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
    if (isOpen(request)) this.#wait(request);
    else if (request.state === "done") this.#showAnswer(request);
    else this.#replace(botText(endWords(request)), this.#after(this.#againButton()));
  }

  #wait(request) {
    if (this.#waiting === null) {
      const waiting = new Waiting({ workers: this.#chat.workers, onCancel: () => this.#cancel() });
      this.#replace(waiting.element);
      this.#waiting = waiting;
    }
    if (request === null) return;
    this.element.dataset.request = request.id;
    this.#waiting.update(request);
  }

  #showAnswer(request) {
    const head = make(
      "p",
      { class: "bot-line" },
      make("span", { class: "bot-head" }, headWords(request)),
      make("span", { class: "bot-facts" }, factWords(request)),
    );
    this.element.dataset.request = request.id;
    this.#replace(head, cards(request.candidates), this.#after());
  }

  #after(...buttons) {
    const edit = quietButton({ iconName: "edit", label: "Edit idea" });
    edit.addEventListener("click", () => this.#chat.edit(this.#idea));
    return make("div", { class: "after" }, ...buttons, edit);
  }

  /** Only where there is no answer: the same idea to the same model has the same four prompts. */
  #againButton() {
    const again = quietButton({ iconName: "again", label: "Again" });
    again.addEventListener("click", () => this.#chat.ask(this.#idea));
    return again;
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
