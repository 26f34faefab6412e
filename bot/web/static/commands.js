// The slash commands of this page. Anything else goes to the bot as an idea.

export const COMMANDS = [
  { name: "/mjprompt", hint: "and an idea: four prompts for it", takesText: true },
  { name: "/history", hint: "what you asked, page by page" },
  { name: "/favorites", hint: "the prompts you saved" },
  { name: "/queue", hint: "what you have waiting" },
  { name: "/cancel", hint: "takes back all that is waiting" },
  { name: "/privacy", hint: "what is kept of you: see, export, delete" },
  { name: "/model", hint: "what answers, and what it learned from" },
  { name: "/retrain", hint: "learns from the votes: plan, start, status or cancel, for operators" },
  { name: "/settings", hint: "what your ideas are asked with" },
  { name: "/help", hint: "what this chat can do" },
];

/** The commands that complete what was typed so far; none once there is more than the command. */
export function completions(typed) {
  return /^\/\S*$/.test(typed) ? COMMANDS.filter(({ name }) => name.startsWith(typed.toLowerCase())) : [];
}

/** The page's own command in `text` as `{ name, rest }`, or null for an idea. */
export function ownCommand(text) {
  const [word, ...rest] = text.trim().split(/\s+/);
  const name = word.toLowerCase();
  const isOwn = COMMANDS.some((command) => command.name === name && !command.takesText);
  return isOwn ? { name, rest } : null;
}

/** What follows /mjprompt (or Midjourney's own command), or the whole text. */
export const ideaOf = (text) => text.replace(/^\s*\/(?:mjprompt|imagine)(?:\s+(?:prompt:)?|$)/i, "").trim();
