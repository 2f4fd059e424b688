// Live: what is said before the camera appears as captions, tentative words first.
import { Camera } from "./camera.js";
import { $, copy, h, show } from "./dom.js";
import { chosen } from "./models.js";
import { Connection } from "./stream.js";
import { plainWord } from "./words.js";

const DELAYS_KEPT = 500;
const SLOW_MS = 5000;

const camera = new Camera($("live-camera"));
let connection = null;
let sentence = null;
let held = false;
let delays = [];
let slow = 0;

const byHold = () => document.querySelector("[name=when]:checked").value === "hold";

$("live-start").addEventListener("click", () => (camera.running ? stop() : start()));
$("live").addEventListener("lipscribe:leave", stop);
for (const radio of document.querySelectorAll("[name=when]")) radio.addEventListener("change", shown);
document.addEventListener("lipscribe:model", () => connection && restart());
$("live-copy").addEventListener("click", (event) => copy(text(), event.currentTarget));
$("live-clear").addEventListener("click", () => {
  $("committed").replaceChildren();
  ended();
});

async function start() {
  try {
    status("");
    await camera.start();
    connect();
  } catch (error) {
    status(error.message, true);
  }
  shown();
}

function stop() {
  camera.stop();
  connection?.close();
  connection = null;
  held = false;
  show($("tentative"), "");
  status("");
  shown();
}

// Said while it is so: with frames left out it reads less well.
function tooSlow() {
  clearTimeout(slow);
  status("The server is slower than the camera: frames are left out, and it reads less well.");
  slow = setTimeout(() => connection && status("Reading."), SLOW_MS);
}

// The server has said why, which stays to be read.
function stopReading() {
  camera.stop();
  connection.close();
  connection = null;
  shown();
}

function restart() {
  connection.close();
  connect();
}

function connect() {
  connection = new Connection({ model: chosen()?.id });
  connection.addEventListener("ready", () => status(byHold() ? "Ready. Hold the button while you speak." : "Reading."));
  connection.addEventListener("words", ({ detail }) => take(detail));
  connection.addEventListener("utterance", ({ detail }) => ended(detail));
  connection.addEventListener("framing", ({ detail }) => camera.framing(detail));
  connection.addEventListener("error", ({ detail }) => status(detail.message, true));
  connection.addEventListener("dropped", tooSlow);
  connection.addEventListener("lost", () => {
    ended();
    status("The connection is lost. Trying again …", true);
  });
  connection.addEventListener("closed", stopReading);
  const mine = connection;
  camera.frames((picture, time) => {
    if (byHold() && !held) picture.close();
    else mine.send(picture, time);
  });
}

function take({ committed, tentative }) {
  const now = performance.now() / 1000;
  if (committed.length) {
    sentence ??= $("committed").appendChild(h("p"));
    $("committed").classList.add("open");
    for (const word of committed) {
      sentence.append(plainWord(word), " ");
      delays.push(now - word.end);
    }
    delays = delays.slice(-DELAYS_KEPT);
    // For whoever measures: benchmarks/live_page.py.
    document.dispatchEvent(new CustomEvent("lipscribe:committed", { detail: { words: committed, now } }));
    showDelay();
  }
  show($("tentative"), tentative.map((word) => word.word).join(" "));
  $("flow").scrollTop = $("flow").scrollHeight;
}

function ended() {
  sentence = null;
  $("committed").classList.remove("open");
  show($("tentative"), "");
}

function showDelay() {
  const sorted = [...delays].sort((one, other) => one - other);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  const [middle, most] = [at(0.5), at(0.95)].map((each) => Math.max(0, each).toFixed(2));
  show($("delay"), `From the camera to the word: ${middle} s, 95 % within ${most} s (${sorted.length} words).`);
}

const text = () => [...$("committed").children].map((line) => line.textContent.trim()).join("\n");

function status(message, bad = false) {
  $("live-status").className = bad ? "notice bad" : "soft";
  show($("live-status"), message);
}

function shown() {
  const on = camera.running;
  $("live-start").textContent = on ? "Stop the camera" : "Start the camera";
  $("live-start").classList.toggle("main", !on);
  $("live-hold").hidden = !(on && byHold());
  if (on && $("live-status").className === "soft") status(byHold() ? "Hold the button while you speak." : "Reading.");
}

// Hold to talk: the button, or the space bar wherever nothing else wants it.
function hold(down) {
  if (down === held || !connection || !byHold()) return;
  held = down;
  $("live-hold").classList.toggle("held", down);
  $("live-hold").setAttribute("aria-pressed", String(down));
  if (!down) connection.flush();
}

const button = $("live-hold");
button.addEventListener("pointerdown", (event) => {
  button.setPointerCapture(event.pointerId);
  hold(true);
});
for (const type of ["pointerup", "pointercancel", "blur"]) button.addEventListener(type, () => hold(false));
button.addEventListener("contextmenu", (event) => event.preventDefault());

const wantsSpace = (target) => target !== button && target.closest("button, input, select, textarea, summary, a");
for (const [type, down] of [["keydown", true], ["keyup", false]]) {
  document.addEventListener(type, (event) => {
    if (event.code !== "Space" || $("live").hidden || !connection || !byHold()) return;
    if (down && wantsSpace(event.target)) return;
    if (!wantsSpace(event.target)) event.preventDefault();
    if (!event.repeat) hold(down);
  });
}

// Large type for the people across the table, where possible on the whole screen.
const table = $("live-table");
table.addEventListener("click", async () => {
  const on = table.getAttribute("aria-pressed") !== "true";
  large(on);
  try {
    if (on) await $("stage").requestFullscreen();
    else if (document.fullscreenElement) await document.exitFullscreen();
  } catch {
    // no full screen here: the large type fills the window
  }
});
document.addEventListener("fullscreenchange", () => !document.fullscreenElement && large(false));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || table.getAttribute("aria-pressed") !== "true") return;
  if (document.fullscreenElement) document.exitFullscreen();
  large(false);
});

function large(on) {
  table.setAttribute("aria-pressed", String(on));
  table.textContent = on ? "Back" : "Across the table";
  $("stage").classList.toggle("across", on);
  $("live-turn").hidden = !on;
  if (!on) turn(false);
}

const turn = (on) => {
  $("live-turn").setAttribute("aria-pressed", String(on));
  $("stage").classList.toggle("turned", on);
};
$("live-turn").addEventListener("click", () => turn($("live-turn").getAttribute("aria-pressed") !== "true"));
