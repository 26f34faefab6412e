// What every idea from this browser is asked with, kept in the browser alone. What an idea says itself wins.

const STORE = "ask-options";
const TYPES = { aspect_ratio: "string", style: "string", version: "string", num_candidates: "number", is_private: "boolean" };

/** The options as the API takes them; unknown or odd ones that another version kept are left out. */
export function askOptions() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORE)) ?? {};
    return Object.fromEntries(Object.entries(kept).filter(([name, value]) => typeof value === TYPES[name]));
  } catch {
    return {};
  }
}

/** Keep `value` for one option, null for no wish; return whether the browser took it. */
export function keepAskOption(name, value) {
  const options = askOptions();
  if (value === null) delete options[name];
  else options[name] = value;
  try {
    localStorage.setItem(STORE, JSON.stringify(options));
    return true;
  } catch {
    return false;
  }
}
