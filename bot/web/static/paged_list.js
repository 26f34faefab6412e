// A list that grows page by page.

import { make, quietButton } from "/static/dom.js";

/**
 * Return the list's elements with its first page. `load(before)` brings a page, `items(page)` its things, `row(thing)`
 * makes one entry, and `empty` is said when there is nothing at all.
 */
export async function pagedList({ label, load, items, row, empty }) {
  const list = make("ol", { class: "panel-list", role: "list", "aria-label": label });
  const more = quietButton({ label: "Show more", classes: "outlined more" });
  let before = null;
  const add = async () => {
    const page = await load(before);
    const rows = items(page).map(row);
    list.append(...rows);
    before = page.next_before;
    more.hidden = before === null;
    return rows;
  };
  more.addEventListener("click", async () => {
    more.disabled = true;
    try {
      const [first] = await add();
      if (more.hidden) first?.querySelector("summary, button")?.focus();
      more.lastChild.textContent = "Show more";
    } catch {
      more.lastChild.textContent = "Could not load, try again";
    }
    more.disabled = false;
  });
  const first = await add();
  return first.length === 0 ? [make("p", { class: "panel-soft" }, empty)] : [list, more];
}
