// The button that copies a prompt and says so for a moment.

import { copy } from "/static/clipboard.js";
import { icon, make, quietButton } from "/static/dom.js";

const COPIED_MS = 2000;

/** `what` names the prompt, such as "prompt 2". */
export function copyButton(text, what) {
  const button = quietButton({ iconName: "copy", label: "Copy", name: `Copy ${what}`, classes: "copy" });
  const show = (iconName, label, name) => {
    button.classList.toggle("is-done", iconName === "check");
    button.replaceChildren(icon(iconName), make("span", {}, label));
    button.setAttribute("aria-label", name);
  };
  let timer;
  button.addEventListener("click", async () => {
    const isCopied = await copy(text);
    if (isCopied) show("check", "Copied", `Copied ${what}`);
    else show("copy", "Select to copy", `Could not copy ${what}; select its text instead`);
    clearTimeout(timer);
    timer = setTimeout(() => show("copy", "Copy", `Copy ${what}`), COPIED_MS);
  });
  return button;
}
