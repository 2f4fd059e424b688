// Speak for me: a phrase is said with the lips, one of three is chosen, and this device says it aloud.
import { form, json } from "./api.js";
import * as bank from "./bank.js";
import { Camera } from "./camera.js";
import { $, h, kept, percent, save, show } from "./dom.js";
import { chosen } from "./models.js";
import { hush, say } from "./voice.js";

const OFFERED = 3;
const HISTORY = 50;

const camera = new Camera($("speak-camera"));
let offered = [];
let history = kept.get("history", []);

$("speak").addEventListener("lipscribe:leave", () => (camera.stop(), buttonText()));
$("speak").addEventListener("lipscribe:enter", draw);
document.addEventListener("lipscribe:model", draw);

// Which phrases the model can tell: its own recordings, or those of its words.
function readable() {
  const model = chosen();
  if (model?.phrases?.length) return model.phrases;
  const words = model?.words && new Set(model.words);
  return bank.phrases().filter((text) => !words || bank.plain(text).split(" ").every((word) => words.has(word)));
}

function draw() {
  const model = chosen();
  const can = new Set(readable().map(bank.plain));
  const typed = initials();
  const fits = (text) => typed && bank.initialsOf(text).startsWith(typed);
  const sorted = [...bank.phrases()].sort((one, other) => fits(other) - fits(one));
  $("bank").replaceChildren(
    ...sorted.map((text) =>
      h(
        "li",
        { className: fits(text) ? "fits" : "" },
        h("button", { className: "phrase", onclick: () => confirm(text) }, text),
        can.has(bank.plain(text)) ? h("span", { className: "mark", title: "This model can read it", textContent: "lips" }) : null,
        h("button", { className: "quiet remove", ariaLabel: `Remove ${text}`, textContent: "×", onclick: () => (bank.remove(text), draw()) }),
      ),
    ),
  );
  const missing = bank.phrases().length - bank.phrases().filter((text) => can.has(bank.plain(text))).length;
  const note = $("bank-note");
  note.replaceChildren("Tap one to say it. ");
  if (model && missing) {
    const which = missing === bank.phrases().length ? "These cannot" : `${missing} of these cannot`;
    note.append(`${which} be read from your lips by ${model.id}. `, h("button", { className: "link", textContent: "Record them once, and it can", onclick: enrolThem }));
  }
  $("history").replaceChildren(
    ...history.map((text) => h("li", {}, h("button", { className: "quiet", textContent: text, onclick: () => confirm(text) }))),
  );
  for (const id of ["speak-undo", "speak-again", "history-clear"]) $(id).disabled = !history.length;
  if (typed && !$("candidates").dataset.read) offer(sorted.filter(fits).map((text) => ({ text })));
}

function enrolThem() {
  document.dispatchEvent(new CustomEvent("lipscribe:enrol-phrases", { detail: bank.phrases() }));
  location.hash = "enrol";
}

// Recording and reading.
const initials = () => $("initials").value.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
$("initials").addEventListener("input", () => {
  delete $("candidates").dataset.read;
  if (!initials()) offer([]);
  draw();
});

$("speak-record").addEventListener("click", async () => {
  try {
    if (!camera.running) {
      await camera.start();
      camera.watch();
      status("Press, say the phrase with your lips, and press again.");
    } else if (!camera.recording) {
      hush();
      camera.unwatch();
      camera.record();
      status("");
    } else {
      await read(await camera.stopRecording());
    }
  } catch (error) {
    status(error.message, true);
  }
  buttonText();
});

function buttonText() {
  const [text, recording] = camera.recording ? ["Stop and read", true] : [camera.running ? "Say a phrase" : "Start the camera", false];
  $("speak-record").replaceChildren(text);
  $("speak-record").classList.toggle("held", recording);
}

async function read(video) {
  const model = chosen();
  const own = readable();
  buttonText();
  if (!own.length) throw new Error(`The model ${model.id} knows none of your phrases. Record them once under Enrol, or add phrases of its words.`);
  status("Reading …");
  const typed = [...initials()].join(" ");  // of the first words: more may follow
  const fields = { model: model.id, response_format: "verbose_json", nbest: 5, initials: typed && `${typed} ...` };
  if (!model.phrases?.length) fields.phrases = JSON.stringify(own.map(bank.plain));
  const answer = await transcribe(video, fields);
  camera.watch();
  const found = likeliest(answer);
  status(found.length ? "Is it one of these?" : "Nothing was read. Look at the camera, say it again, a little slower.");
  offer(found);
  $("candidates").dataset.read = "yes";
  $("candidates").querySelector("button")?.focus();
}

// Initials that fit none of the phrases are left out: a wrong letter shall not hide what was said.
async function transcribe(video, fields) {
  const ask = (wanted) => json("v1/video/transcriptions", { method: "POST", body: form(video, wanted) });
  try {
    return await ask(fields);
  } catch (error) {
    if (!fields.initials || !error.message.includes("initials")) throw error;
    return ask({ ...fields, initials: "" });
  }
}

/** The likeliest texts with their probabilities: of the longest stretch that was searched at once. */
function likeliest({ nbest = [], text = "" }) {
  const longest = [...nbest].sort((one, other) => other.end - other.start - (one.end - one.start))[0];
  const texts = (longest?.texts ?? [{ text }]).filter((each) => each.text);
  const shown = new Map(bank.phrases().map((each) => [bank.plain(each), each]));
  const fits = ({ text: said }) => Boolean(initials()) && bank.initialsOf(said).startsWith(initials());
  const named = texts.map((each) => ({ ...each, text: shown.get(bank.plain(each.text)) ?? each.text }));
  return named.sort((one, other) => fits(other) - fits(one));
}

// The three that are offered: tap, keys 1 to 3, or the pointer resting on one.
function offer(found) {
  offered = found.slice(0, OFFERED);
  $("candidates").replaceChildren(
    ...offered.map(({ text, probability }, idx) =>
      h(
        "button",
        { className: "candidate", onclick: () => confirm(text), onpointerenter: rest, onpointerleave: leave },
        h("kbd", { textContent: idx + 1, ariaHidden: "true" }),
        h("span", { className: "text", textContent: text }),
        probability === undefined ? null : h("small", { textContent: percent(probability) }),
      ),
    ),
  );
}

document.addEventListener("keydown", (event) => {
  const text = offered[Number(event.key) - 1]?.text;
  if (!text || $("speak").hidden || event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  confirm(text);
});

let resting = null;
function rest({ currentTarget: button, pointerType }) {
  if (!$("dwell").checked || pointerType === "touch") return;
  const seconds = Number($("dwell-time").value);
  button.style.setProperty("--dwell", `${seconds}s`);
  button.classList.add("resting");
  resting = setTimeout(() => (leave({ currentTarget: button }), button.click()), seconds * 1000);
}
function leave({ currentTarget: button }) {
  clearTimeout(resting);
  button.classList.remove("resting");
}

function confirm(text) {
  history = [text, ...history].slice(0, HISTORY);
  aloud(text);
  remember();
}

function aloud(text) {
  say(text);
  show($("saying"), text);
}

function remember() {
  kept.set("history", history);
  draw();
}

$("speak-undo").addEventListener("click", () => {
  hush();
  history.shift();
  show($("saying"), "");
  remember();
  $("candidates").querySelector("button")?.focus();
});
$("speak-again").addEventListener("click", () => history[0] && aloud(history[0]));
$("history-clear").addEventListener("click", () => {
  hush();
  history = [];
  show($("saying"), "");
  remember();
});

// The bank's own controls.
$("bank-form").addEventListener("submit", (event) => {
  event.preventDefault();
  bank.add([$("bank-new").value]);
  $("bank-new").value = "";
  draw();
});
$("bank-export").addEventListener("click", () => save(new Blob([bank.phrases().join("\n") + "\n"], { type: "text/plain" }), "phrases.txt"));
$("bank-import").addEventListener("change", async ({ target }) => {
  if (target.files[0]) bank.add(bank.parse(await target.files[0].text()));
  target.value = "";
  draw();
});
$("bank-reset").addEventListener("click", () => (bank.restart(), draw()));

$("dwell").checked = kept.get("dwell", false);
$("dwell-time").value = kept.get("dwell-time", 1.5);
const dwell = () => {
  $("dwell-shown").textContent = Number($("dwell-time").value).toFixed(1);
  kept.set("dwell", $("dwell").checked);
  kept.set("dwell-time", Number($("dwell-time").value));
};
for (const id of ["dwell", "dwell-time"]) $(id).addEventListener("input", dwell);
dwell();

function status(text, bad = false) {
  $("speak-status").className = bad ? "notice bad" : "soft";
  show($("speak-status"), text);
}
