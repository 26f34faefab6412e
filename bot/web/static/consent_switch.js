// The switch that lets one's votes teach the next model: off until given, and put back when it was not saved.

import * as api from "/static/api.js";
import { Backoff } from "/static/backoff.js";

const WORDS = {
  on: "On: your ideas and thumbs may train it. Switch off at any time.",
  off: "Off: nobody trains on your words or thumbs.",
};

export async function startConsentSwitch(box, note) {
  const show = (isGiven) => {
    box.checked = isGiven;
    note.textContent = isGiven ? WORDS.on : WORDS.off;
  };
  box.addEventListener("change", async () => {
    const wanted = box.checked;
    show(wanted);
    try {
      show((await api.setConsent(wanted)).is_given);
    } catch (error) {
      show(!wanted);
      note.textContent = `Your choice was not saved. ${error.message}`;
    }
  });
  show(await untilKnown());
  box.disabled = false;
}

async function untilKnown() {
  const backoff = new Backoff();
  for (;;) {
    try {
      return (await api.consent()).is_given;
    } catch {
      await backoff.wait();
    }
  }
}
