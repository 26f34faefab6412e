// Puts the page together: finds its fixed elements and starts each part.

import { Chat } from "/static/chat.js";
import { Composer } from "/static/composer.js";
import { Consent } from "/static/consent.js";
import { Conversation } from "/static/conversation.js";
import { startMenu } from "/static/menu.js";
import { ModelStatus } from "/static/model_status.js";
import { pageCommands } from "/static/page_commands.js";
import { Panel } from "/static/panel.js";
import { RemixMark } from "/static/remix_mark.js";
import { startThemeButton } from "/static/theme_button.js";

const byId = (id) => document.getElementById(id);

const status = new ModelStatus({ element: byId("model"), name: byId("model-name"), state: byId("model-state") });
const conversation = new Conversation({ scroller: byId("scroller"), log: byId("log"), latest: byId("latest") });
const panel = new Panel({
  dialog: byId("panel"),
  title: byId("panel-title"),
  body: byId("panel-body"),
  close: byId("panel-close"),
});
const consent = new Consent();
const composer = new Composer(
  { form: byId("composer"), input: byId("idea"), list: byId("suggestions"), count: byId("count"), send: byId("send") },
  (text) => chat.take(text),
);
const remixMark = new RemixMark({
  element: byId("remixing"),
  idea: byId("remixing-idea"),
  stop: byId("remixing-stop"),
  form: byId("composer"),
  onStop: () => chat.edit(""),
});
const chat = new Chat({ conversation, composer, status, older: byId("older"), announcer: byId("announcer"), remixMark });
chat.run = pageCommands({ chat, panel, consent, status });

startThemeButton(byId("theme"));
startMenu(byId("menu"), chat.run);
consent.bind(byId("consent"), byId("consent-note"));
consent.start();
status.start();
chat.start();
if (matchMedia("(hover: hover)").matches) composer.focus(); // on a phone the keyboard would cover the page
