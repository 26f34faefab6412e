// The line over the message box that says whose idea is being edited.

export class RemixMark {
  #element;
  #idea;
  #request = null;

  constructor({ element, idea, stop, form, onStop }) {
    this.#element = element;
    this.#idea = idea;
    const leave = () => {
      this.take();
      onStop();
    };
    stop.addEventListener("click", leave);
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented && this.#request) leave();
    });
  }

  show(request) {
    this.#request = request;
    this.#idea.textContent = request.idea;
    this.#element.hidden = false;
  }

  /** Return the request that is being remixed, null for none, and stop. */
  take() {
    const request = this.#request;
    this.#request = null;
    this.#element.hidden = true;
    return request;
  }
}
