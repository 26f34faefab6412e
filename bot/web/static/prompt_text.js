// A prompt's text with its parts told apart: links, ::weights and --parameters. The text itself is not changed.

import { make } from "/static/dom.js";

const MAX_UNBROKEN = 24; // characters that stay on one line

const PART = /(?<link>https?:\/\/\S+)|(?<parameter>(?<=^|\s)--[a-z]+(?:\s+(?!--)[^\s]+)*)|(?<weight>::-?\d*\.?\d*)/gi;

export function promptText(text) {
  const paragraph = make("p", { class: "prompt", dir: "auto" });
  let end = 0;
  for (const match of text.matchAll(PART)) {
    const kind = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
    const isShort = match[0].length <= MAX_UNBROKEN;
    const part = make("span", { class: isShort ? `${kind} unbroken` : kind }, match[0]);
    paragraph.append(text.slice(end, match.index), part);
    end = match.index + match[0].length;
  }
  paragraph.append(text.slice(end));
  return paragraph;
}
