// What the slash commands and the menu do on this page.

import * as api from "/static/api.js";
import { openFavorites, openHistory } from "/static/collection_panels.js";
import { openModel } from "/static/model_panel.js";
import { openPrivacy } from "/static/privacy_panel.js";
import { openQueue } from "/static/queue_panel.js";
import { openSettings } from "/static/settings_panel.js";
import { counted } from "/static/words.js";

/** Return `run(name, rest)` for the commands of commands.js that are not ideas. */
export function pageCommands({ chat, panel, consent, status }) {
  const forgotten = () => {
    chat.clear();
    consent.refresh();
  };
  const commands = {
    "/history": () => openHistory(panel),
    "/favorites": () => openFavorites(panel),
    "/queue": () => openQueue(panel, status),
    "/cancel": () => cancelAll(chat),
    "/privacy": () => openPrivacy(panel, consent, forgotten),
    "/model": (rest) => openModel(panel, rest),
    "/retrain": (rest) => openModel(panel, ["retrain", ...rest]),
    "/settings": () => openSettings(panel),
    "/help": () => chat.help(),
  };
  return (name, rest = []) => commands[name](rest);
}

async function cancelAll(chat) {
  try {
    const { num_cancelled: count } = await api.cancelAll();
    chat.say(count === 0 ? "You have nothing waiting." : `Cancelled ${counted(count, "request")}.`);
  } catch (error) {
    chat.say(error.message);
  }
}
