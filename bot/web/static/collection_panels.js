// The two paged lists: what this browser asked, and the prompts that it saved.

import * as api from "/static/api.js";
import { copyButton } from "/static/copy_button.js";
import { make } from "/static/dom.js";
import { pagedList } from "/static/paged_list.js";
import { promptText } from "/static/prompt_text.js";
import { saveButton } from "/static/save_button.js";
import { stateWords, whenWords } from "/static/words.js";

export const openHistory = (panel) =>
  panel.open("History", () =>
    pagedList({
      label: "What you asked, newest first",
      load: api.history,
      items: (page) => page.requests,
      row: historyRow,
      empty: "You have not asked for anything yet.",
    }),
  );

export function openFavorites(panel) {
  const shown = [];
  return panel.open("Favourites", () =>
    pagedList({
      label: "Prompts you saved, newest first",
      load: async () => {
        const last = shown.findLast(({ candidate }) => candidate.is_saved); // others are no place to go on from
        const page = await api.favorites(last?.candidate.id);
        shown.push(...page.favorites);
        return page;
      },
      items: (page) => page.favorites,
      row: favoriteRow,
      empty: "Nothing is saved yet. Press the star below a prompt to keep it here.",
    }),
  );
}

function historyRow(request) {
  const facts = [stateWords(request), whenWords(request.created_at), ...(request.is_private ? ["private"] : [])];
  const head = [
    make("span", { class: "row-title", dir: "auto" }, request.idea),
    make("span", { class: "row-facts" }, facts.join(" · ")),
  ];
  if (request.candidates.length === 0) return make("li", { class: "row" }, make("div", { class: "row-head" }, ...head));
  const prompts = request.candidates.map((candidate) => promptItem(candidate, `prompt ${candidate.rank}`));
  return make(
    "li",
    { class: "row" },
    make("details", {}, make("summary", { class: "row-head" }, ...head), make("ol", { class: "row-prompts" }, ...prompts)),
  );
}

function favoriteRow({ candidate, idea, saved_at: savedAt }) {
  const facts = make("p", { class: "row-facts", dir: "auto" }, `${idea} · ${whenWords(savedAt)}`);
  const item = promptItem(candidate, `prompt for ${idea}`, facts);
  item.classList.add("row");
  return item;
}

function promptItem(candidate, what, ...above) {
  const problem = make("p", { class: "problem", role: "status" });
  const say = (sentence) => (problem.textContent = sentence);
  const foot = make("div", { class: "row-foot" }, copyButton(candidate.text, what), saveButton(candidate, what, say));
  return make("li", {}, ...above, promptText(candidate.text), foot, problem);
}
