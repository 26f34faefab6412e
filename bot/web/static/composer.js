// The message box: grows with its text, completes commands, sends on Enter, recalls with ArrowUp.

import { ideaOf } from "/static/commands.js";
import { Suggestions } from "/static/suggestions.js";

const MAX_CHARACTERS = 300;
const SHOW_LEFT_FROM = 60;

export class Composer {
  #input;
  #count;
  #send;
  #onSend;
  #suggestions;
  #sent = [];
  #recalled = null; // how far back from the latest sent text, null while typing something new

  constructor({ form, input, list, count, send }, onSend) {
    this.#input = input;
    this.#count = count;
    this.#send = send;
    this.#onSend = onSend;
    this.#suggestions = new Suggestions(list, input, (command) => this.#accept(command, { mayRun: true }));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    input.addEventListener("input", () => this.#changed());
    input.addEventListener("keydown", (event) => this.#pressed(event));
    input.addEventListener("blur", () => this.#suggestions.close());
    this.#changed();
  }

  get text() {
    return this.#input.value;
  }

  set text(text) {
    this.#input.value = text;
    this.#input.setSelectionRange(text.length, text.length);
    this.#changed();
  }

  focus() {
    this.#input.focus();
  }

  /** Let ArrowUp find `text`; `isOldest` puts it behind all others. */
  remember(text, { isOldest = false } = {}) {
    if (isOldest) this.#sent.unshift(text);
    else if (this.#sent.at(-1) !== text) this.#sent.push(text);
  }

  /** Remember nothing of what was sent. */
  forget() {
    this.#sent = [];
    this.#recalled = null;
  }

  #submit() {
    const text = this.text.trim();
    if (!text) return;
    this.remember(text);
    this.text = "";
    this.#onSend(text);
  }

  #changed() {
    this.#recalled = null;
    this.#suggestions.update(this.text);
    this.#fit();
    this.#showCount();
  }

  #fit() {
    this.#input.style.height = "auto";
    this.#input.style.height = `${this.#input.scrollHeight}px`;
  }

  #showCount() {
    const left = MAX_CHARACTERS - [...ideaOf(this.text)].length;
    const [shown, spoken] = this.#count.children;
    shown.textContent = left <= SHOW_LEFT_FROM ? String(left) : "";
    spoken.textContent = left < 0 ? `${-left} characters too many` : shown.textContent && `${left} characters left`;
    this.#count.classList.toggle("is-over", left < 0);
    this.#send.setAttribute("aria-disabled", String(!this.text.trim()));
  }

  #pressed(event) {
    if (event.isComposing) return;
    const isHandled = (this.#suggestions.isOpen && this.#pressedInList(event)) || this.#pressedInText(event);
    if (isHandled) event.preventDefault();
  }

  #pressedInList(event) {
    switch (event.key) {
      case "ArrowDown":
        this.#suggestions.move(1);
        return true;
      case "ArrowUp":
        this.#suggestions.move(-1);
        return true;
      case "Enter":
        this.#accept(this.#suggestions.active, { mayRun: true });
        return true;
      case "Tab":
        if (event.shiftKey) return false;
        this.#accept(this.#suggestions.active, { mayRun: false });
        return true;
      case "Escape":
        this.#suggestions.close();
        return true;
      default:
        return false;
    }
  }

  #pressedInText(event) {
    if (event.key === "Enter" && !event.shiftKey) {
      this.#submit();
      return true;
    }
    if (event.key === "ArrowUp") return this.#recall(1);
    if (event.key === "ArrowDown") return this.#recall(-1);
    return false;
  }

  /** Step through what was sent before; only in an empty box or while already stepping. */
  #recall(step) {
    if (this.text && this.#recalled === null) return false;
    const back = (this.#recalled ?? 0) + step;
    if (back < 0 || back > this.#sent.length) return false;
    this.text = back === 0 ? "" : this.#sent.at(-back);
    this.#suggestions.close();
    this.#recalled = back || null;
    return true;
  }

  #accept(command, { mayRun }) {
    this.text = command.takesText ? `${command.name} ` : command.name;
    this.#suggestions.close();
    this.focus();
    if (mayRun && !command.takesText) this.#submit();
  }
}
