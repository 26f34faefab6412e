// The sheet over the conversation that shows one thing at a time: history, favourites, privacy and the like.

import { make, quietButton } from "/static/dom.js";

export class Panel {
  #dialog;
  #title;
  #body;
  #opened = 0;

  constructor({ dialog, title, body, close }) {
    this.#dialog = dialog;
    this.#title = title;
    this.#body = body;
    close.addEventListener("click", () => this.close());
    dialog.addEventListener("click", (event) => event.target === dialog && this.close()); // beside the sheet
  }

  /** Open under `title` with what `load()` brings; one that fails says why and can be tried again. */
  async open(title, load) {
    const number = ++this.#opened;
    this.#title.textContent = title;
    this.#body.replaceChildren(make("p", { class: "panel-soft" }, "Loading…"));
    if (!this.#dialog.open) this.#dialog.showModal();
    let content;
    try {
      content = await load();
    } catch (error) {
      content = [make("p", {}, error.message), this.#againButton(title, load)];
    }
    if (number === this.#opened) this.#body.replaceChildren(...content);
  }

  close() {
    this.#dialog.close();
  }

  #againButton(title, load) {
    const again = quietButton({ iconName: "again", label: "Try again", classes: "outlined" });
    again.addEventListener("click", () => this.open(title, load));
    return again;
  }
}
