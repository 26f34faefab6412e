// The scrolling column: keeps the newest exchange in view unless the reader has scrolled away.

const NEAR_PX = 48;
const MARGIN_PX = 20;

export class Conversation {
  #scroller;
  #log;
  #latest;
  #pinned = null; // the element that is kept in view
  #lastTop = 0; // where this code scrolled to last
  #lastEnd = 0; // how far the column could be scrolled then

  constructor({ scroller, log, latest }) {
    this.#scroller = scroller;
    this.#log = log;
    this.#latest = latest;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    latest.addEventListener("click", () => this.pin(this.#log.lastElementChild));
    const observer = new ResizeObserver(() => this.#follow());
    observer.observe(log);
    observer.observe(scroller);
  }

  append(element) {
    element.querySelectorAll(".message").forEach((message) => message.classList.add("is-new"));
    this.#log.append(element);
    this.pin(element);
  }

  /** Put older exchanges on top; what the reader sees stays where it is. */
  prepend(elements) {
    const scroller = this.#scroller;
    const fromEnd = scroller.scrollHeight - scroller.scrollTop;
    this.#log.prepend(...elements);
    this.#scrollTo(scroller.scrollHeight - fromEnd);
    this.#follow();
  }

  /** Show nothing but `element`. */
  clear(element) {
    this.#log.replaceChildren(element);
    this.isEmpty = true;
    this.pin(element);
  }

  pin(element) {
    this.#pinned = element;
    this.#follow();
  }

  scrollToStart() {
    this.#pinned = null;
    this.#scrollTo(0);
    this.#showLatest();
  }

  set isEmpty(isEmpty) {
    this.#log.classList.toggle("is-empty", isEmpty);
  }

  /** Let screen readers announce what is added from now on. */
  startAnnouncing() {
    this.#log.setAttribute("aria-live", "polite");
  }

  get #end() {
    return this.#scroller.scrollHeight - this.#scroller.clientHeight;
  }

  #follow() {
    const top = this.#pinned?.isConnected ? this.#topOf(this.#pinned) : this.#scroller.scrollTop;
    this.#scrollTo(Math.min(this.#end, top));
    this.#showLatest();
  }

  #topOf(element) {
    const offset = element.getBoundingClientRect().top - this.#scroller.getBoundingClientRect().top;
    return this.#scroller.scrollTop + offset - MARGIN_PX;
  }

  #scrollTo(top) {
    this.#scroller.scrollTop = top;
    this.#lastTop = this.#scroller.scrollTop;
    this.#lastEnd = this.#end;
  }

  #scrolled() {
    if (this.#end !== this.#lastEnd) this.#follow(); // the layout moved, not the reader
    else if (Math.abs(this.#scroller.scrollTop - this.#lastTop) > 2) this.#scrolledByReader();
  }

  #scrolledByReader() {
    this.#lastTop = this.#scroller.scrollTop;
    const last = this.#log.lastElementChild;
    const isFollowing = this.#end - this.#lastTop < NEAR_PX && last && this.#topOf(last) >= this.#lastTop;
    this.#pinned = isFollowing ? last : null; // never one that would pull the reader back up to its start
    this.#showLatest();
  }

  #showLatest() {
    const isAway = this.#end - this.#scroller.scrollTop > this.#scroller.clientHeight / 2;
    this.#latest.hidden = this.#pinned !== null || !isAway;
  }
}
