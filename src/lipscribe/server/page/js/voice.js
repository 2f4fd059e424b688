// The voice: only those that this device speaks itself, so that nothing that is said leaves it.
import { $, h, kept, show } from "./dom.js";

const NONE =
  "This browser has no voice of its own, so what you choose is shown in large letters instead. " +
  "On Linux, install speech-dispatcher and espeak-ng; on other systems, add a voice in the system's settings.";
const engine = window.speechSynthesis;
let voices = [];

function load() {
  voices = (engine?.getVoices() ?? []).filter((voice) => voice.localService);
  const own = navigator.language.slice(0, 2);
  voices.sort((one, other) => other.lang.startsWith(own) - one.lang.startsWith(own));
  const option = (voice) => h("option", { value: voice.voiceURI, textContent: `${voice.name} (${voice.lang})` });
  $("voice").replaceChildren(...(voices.length ? voices.map(option) : [h("option", { textContent: "none on this device" })]));
  if (voices.some((voice) => voice.voiceURI === kept.get("voice", ""))) $("voice").value = kept.get("voice", "");
  show($("voice-notice"), voices.length ? "" : NONE);
}

load();
engine?.addEventListener?.("voiceschanged", load);
$("voice").addEventListener("change", () => kept.set("voice", $("voice").value));
$("voice-rate").value = kept.get("rate", 1);
$("voice-rate").addEventListener("change", () => kept.set("rate", $("voice-rate").value));

/** Says a text aloud; whether there is a voice for it. */
export function say(text) {
  if (!voices.length) return false;
  engine.cancel();
  const utterance = new SpeechSynthesisUtterance(text);
  utterance.voice = voices.find((voice) => voice.voiceURI === $("voice").value) ?? voices[0];
  utterance.lang = utterance.voice.lang;
  utterance.rate = Number($("voice-rate").value);
  engine.speak(utterance);
  return true;
}

export const hush = () => engine?.cancel();
