// A prompt's text with its parts told apart: links, ::weights and --parameters. The text itself is not changed.

import { make } from "/static/dom.js";

const MAX_UNBROKEN = 24; // characters that stay on one line

const PART = /(?<link>https?:\/\/\S+)|(?<parameter>(?<=^|\s)--[a-z]+(?:\s+(?!--)[^\s]+)*)|(?<weight>::-?\d*\.?\d*)/gi;

export const promptText = (text) => make("p", { class: "prompt", dir: "auto" }, ...parts(text));

/** The text as strings and elements, which any other element can hold as well. */
export function parts(text) {
  const all = [];
  let end = 0;
  for (const match of text.matchAll(PART)) {
    const kind = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
    const isShort = match[0].length <= MAX_UNBROKEN;
    all.push(text.slice(end, match.index), make("span", { class: isShort ? `${kind} unbroken` : kind }, match[0]));
    end = match.index + match[0].length;
  }
  return [...all, text.slice(end)];
}
