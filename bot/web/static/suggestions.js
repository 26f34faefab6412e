// The list of commands over the message box: a listbox whose active option the text box points to.

import { completions } from "/static/commands.js";
import { make } from "/static/dom.js";

export class Suggestions {
  #list;
  #input;
  #onAccept;
  #commands = [];
  #active = 0;

  /** `onAccept(command)` is told which command was chosen by mouse; keys go through `accept()`. */
  constructor(list, input, onAccept) {
    this.#list = list;
    this.#input = input;
    this.#onAccept = onAccept;
  }

  get isOpen() {
    return this.#commands.length > 0;
  }

  get active() {
    return this.#commands[this.#active];
  }

  update(typed) {
    this.#commands = completions(typed);
    this.#active = 0;
    this.#show();
  }

  close() {
    this.#commands = [];
    this.#show();
  }

  move(step) {
    const count = this.#commands.length;
    this.#active = (this.#active + step + count) % count;
    this.#show();
  }

  #show() {
    this.#list.replaceChildren(...this.#commands.map((command, index) => this.#option(command, index)));
    this.#list.hidden = !this.isOpen;
    if (this.isOpen) this.#input.setAttribute("aria-activedescendant", `suggestion-${this.#active}`);
    else this.#input.removeAttribute("aria-activedescendant");
    this.#list.children[this.#active]?.scrollIntoView({ block: "nearest" });
  }

  #option(command, index) {
    const option = make(
      "li",
      {
        class: "suggestion",
        id: `suggestion-${index}`,
        role: "option",
        "aria-selected": String(index === this.#active),
      },
      make("code", {}, command.name),
      make("span", {}, command.hint),
    );
    option.addEventListener("pointerdown", (event) => event.preventDefault()); // the text box keeps the focus
    option.addEventListener("click", () => this.#onAccept(command));
    return option;
  }
}
