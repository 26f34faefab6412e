// The slash commands of this page. Anything else goes to the bot as an idea.

export const COMMANDS = [
  { name: "/mjprompt", hint: "and an idea: four prompts for it", takesText: true },
  { name: "/history", hint: "shows older messages", takesText: false },
  { name: "/help", hint: "says what this chat can do", takesText: false },
];

/** The commands that complete what was typed so far; none once there is more than the command. */
export function completions(typed) {
  return /^\/\S*$/.test(typed) ? COMMANDS.filter(({ name }) => name.startsWith(typed.toLowerCase())) : [];
}

/** The page's own command in `text`, or null for an idea. */
export function ownCommand(text) {
  const word = text.trim().toLowerCase();
  return COMMANDS.some(({ name, takesText }) => name === word && !takesText) ? word : null;
}

/** What follows /mjprompt (or Midjourney's own command), or the whole text. */
export const ideaOf = (text) => text.replace(/^\s*\/(?:mjprompt|imagine)(?:\s+(?:prompt:)?|$)/i, "").trim();
