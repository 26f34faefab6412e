// Puts the page together: finds its fixed elements and starts each part.

import { Chat } from "/static/chat.js";
import { Composer } from "/static/composer.js";
import { startConsentSwitch } from "/static/consent_switch.js";
import { Conversation } from "/static/conversation.js";
import { ModelStatus } from "/static/model_status.js";
import { startThemeButton } from "/static/theme_button.js";

const byId = (id) => document.getElementById(id);

const status = new ModelStatus({ element: byId("model"), name: byId("model-name"), state: byId("model-state") });
const conversation = new Conversation({ scroller: byId("scroller"), log: byId("log"), latest: byId("latest") });
const composer = new Composer(
  { form: byId("composer"), input: byId("idea"), list: byId("suggestions"), count: byId("count"), send: byId("send") },
  (text) => chat.take(text),
);
const chat = new Chat({ conversation, composer, status, older: byId("older") });

startThemeButton(byId("theme"));
startConsentSwitch(byId("consent"), byId("consent-note"));
status.start();
chat.start();
if (matchMedia("(hover: hover)").matches) composer.focus(); // on a phone the keyboard would cover the page
