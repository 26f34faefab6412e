// The plain messages: mine, the bot's sentences, and the greeting.

import { make } from "/static/dom.js";
import { COMMANDS } from "/static/commands.js";
import { parts } from "/static/prompt_text.js";

const EXAMPLES = [
  "a boy running in the snow",
  "a lighthouse keeper's kitchen at dawn",
  "a paper tram crossing Lisbon --ar 3:2",
];

const PREFIXES = { ask: "/mjprompt ", vary: "Vary ", remix: "Remix ", reroll: "Re-roll " };

/** `kind` says how the request came about. */
export function mine(idea, kind = "ask") {
  const bubble = make("p", { class: "bubble", dir: "auto" }, ...parts(idea));
  if (!idea.startsWith("/")) bubble.prepend(make("span", { class: "command" }, PREFIXES[kind] ?? PREFIXES.ask));
  return make("article", { class: "message mine", "aria-label": "You" }, bubble);
}

export function bot(...children) {
  return make(
    "article",
    { class: "message bot", "aria-label": "mjprompt" },
    make("img", { class: "avatar", src: "/static/mark.svg", alt: "", width: "32", height: "32" }),
    make("div", { class: "bot-body" }, ...children),
  );
}

export const botText = (sentence) => make("p", { class: "bot-text" }, sentence);

/** `onPick(idea)` is told which example was chosen. */
export function greeting(onPick) {
  const chips = EXAMPLES.map((idea) => {
    const chip = make("button", { type: "button", class: "chip" }, idea);
    chip.addEventListener("click", () => onPick(idea));
    return make("li", {}, chip);
  });
  const message = bot(
    make("h2", {}, "What do you want to see?"),
    make(
      "p",
      {},
      "Say it in your own words. A Falcon model writes four Midjourney prompts for it, and your thumbs show it which ones work.",
    ),
    make("ul", { class: "chips", "aria-label": "Examples" }, ...chips),
  );
  message.classList.add("greeting");
  return message;
}

export function help() {
  const rows = COMMANDS.map(({ name, hint }) =>
    make("li", {}, make("code", {}, name), ` ${hint}`),
  );
  return bot(
    botText("Type an idea, with or without /mjprompt. Midjourney parameters such as --ar 16:9 are kept as you wrote them; --count 2 asks for fewer prompts and --private keeps them to yourself."),
    make("ul", { class: "help" }, ...rows),
  );
}
