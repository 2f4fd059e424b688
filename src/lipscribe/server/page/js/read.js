// Read: a video is given or recorded, read, and played with its words.
import { form, json, request } from "./api.js";
import { Camera } from "./camera.js";
import { $, copy, h, save, show } from "./dom.js";
import { chosen } from "./models.js";
import { Strip, sheetOf } from "./mouths.js";
import { plainWord, showAlternatives, wordButtons } from "./words.js";

const FORMATS = [
  ["txt", "Text"],
  ["srt", "SRT"],
  ["vtt", "WebVTT"],
  ["tsv", "Table (TSV)"],
  ["json", "JSON"],
];
const TITLES = {
  good: "Well framed",
  doubtful: "It could be framed better",
  bad: "This is hard to read",
};
const CAPTION_PAUSE = 0.6; // seconds without words after which a caption goes

const player = $("player");
const strip = new Strip($("mouths"), player);
let running = new AbortController();
let file = null;
let transcript = null;
let words = [];
let buttons = [];
let failed = false;
let camera = null;

$("file").addEventListener("change", ({ target }) => {
  const [video] = target.files;
  target.value = ""; // so that the same one can be given again
  if (video) read(video);
});
$("read-again").addEventListener("click", begin);
$("read-copy").addEventListener("click", (event) => copy(words.map((word) => word.word).join(" "), event.currentTarget));
player.addEventListener("error", cannotPlay);
$("read").addEventListener("lipscribe:leave", () => {
  player.pause();
  closeCamera();
});

const drop = $("read");
for (const type of ["dragenter", "dragover"]) {
  drop.addEventListener(type, (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
}
for (const type of ["dragleave", "drop"]) drop.addEventListener(type, () => $("drop").classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files[0]) read(event.dataTransfer.files[0]);
});

function begin() {
  running.abort();
  player.pause();
  $("read-result").hidden = true;
  $("drop").hidden = false;
  $("file").value = "";
  $("file").focus();
}

/** Reads a video: the words first, then what takes longer. */
export async function read(video) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const started = performance.now();
  closeCamera();
  file = video;
  transcript = null;
  [words, buttons] = [[], []];
  $("drop").hidden = true;
  for (const id of ["strip", "verdict", "downloads", "legend", "alternatives"]) $(id).hidden = true;
  $("words").replaceChildren();
  $("player-captions").replaceChildren();
  $("read-result").hidden = false;
  strip.set(null, []);
  URL.revokeObjectURL(player.src);
  failed = player.hidden = $("player").closest("figure").hidden = false;
  player.src = URL.createObjectURL(video);
  status("Reading …");
  $("words-title").scrollIntoView({ block: "nearest" });
  try {
    const fields = { model: chosen()?.id, response_format: "verbose_json", alternatives: 3 };
    fields["timestamp_granularities[]"] = ["word", "segment"];
    transcript = await json("v1/video/transcriptions", { method: "POST", body: form(video, fields), signal });
    showTranscript((performance.now() - started) / 1000);
  } catch (error) {
    if (error.name === "AbortError") return;
    status(sentence(error.message), true);
    $("player").closest("figure").hidden = player.hidden; // nothing to play, and nothing to download either
    failed = true;
    return;
  }
  await Promise.all([inspect(video, signal), showMouths(video, signal)]);
}

function status(text, bad = false) {
  $("read-status").className = bad ? "notice bad" : "soft";
  show($("read-status"), text);
}

function showTranscript(seconds) {
  words = (transcript.words ?? []).map((word) => ({ ...word }));
  const took = `Read in ${seconds.toFixed(seconds < 10 ? 2 : 0)} s by ${transcript.model ?? chosen()?.id}.`;
  status(words.length ? took : `No words were found. ${took}`);
  buttons = wordButtons($("words"), words, choose);
  $("legend").hidden = !words.length;
  $("downloads").hidden = !words.length;
  const formats = FORMATS.map(([format, name]) =>
    h("button", { className: "button small", textContent: name, onclick: () => download(format) }),
  );
  const video = h("button", { className: "button small", textContent: "Captioned video", onclick: captioned });
  $("download-buttons").replaceChildren(...formats, video);
  for (const warning of unfamiliar(transcript)) $("read-status").append(h("span", { className: "notice warm", textContent: warning }));
}

// What the inspection says too is left out here.
const unfamiliar = ({ warnings = [] }) => warnings.filter((each) => !each.includes("lipscribe inspect"));

function choose(word, button) {
  player.currentTime = word.start;
  for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
  showAlternatives($("alternatives"), word, (other) => {
    const { word: before, probability } = word;
    word.alternatives = [{ word: before, probability }, ...word.alternatives.filter((each) => each !== other)];
    Object.assign(word, { word: other.word, probability: other.probability });
    buttons = wordButtons($("words"), words, choose);
    const idx = words.indexOf(word);
    choose(word, buttons[idx]);
    buttons[idx].focus();
  });
}

// The words of the sentence that is being said, over the video; the one of this moment is marked.
function caption() {
  requestAnimationFrame(caption);
  if ($("read").hidden || !words.length) return;
  const now = player.currentTime;
  const segment = (transcript.segments ?? []).find(({ start, end }) => start <= now && now < end + CAPTION_PAUSE);
  const at = words.findIndex(({ start, end }) => start <= now && now < end);
  buttons.forEach((button, idx) => button.classList.toggle("now", idx === at));
  const within = segment ? words.filter(({ start, end }) => start >= segment.start - 0.01 && end <= segment.end + 0.01) : [];
  const shown = within.map((word) => word.word).join(" ") + at;
  if ($("player-captions").dataset.shown === shown) return;
  $("player-captions").dataset.shown = shown;
  const spans = within.map((word) => plainWord(word));
  within.forEach((word, idx) => spans[idx].classList.toggle("now", word === words[at]));
  $("player-captions").replaceChildren(h("span", { className: "line" }, ...spans.flatMap((span) => [span, " "])));
}
requestAnimationFrame(caption);

async function inspect(video, signal) {
  const place = $("verdict");
  try {
    const found = await json("v1/video/inspections", { method: "POST", body: form(video, { model: chosen()?.id }), signal });
    const wrong = found.findings.filter(({ severity }) => severity !== "note");
    const notes = found.findings.filter(({ severity }) => severity === "note");
    place.dataset.verdict = found.verdict;
    place.replaceChildren(
      h("h3", { textContent: TITLES[found.verdict] }),
      wrong.length ? h("ul", {}, ...wrong.map(({ text }) => h("li", { textContent: sentence(text) }))) : h("p", { textContent: "The mouth can be seen well." }),
      ...notes.map(({ text }) => h("p", { className: "soft small", textContent: sentence(text) })),
    );
    place.hidden = false;
  } catch (error) {
    if (error.name !== "AbortError") place.hidden = true;
  }
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (text.endsWith(".") ? "" : ".");

async function showMouths(video, signal) {
  try {
    const body = form(video, { model: chosen()?.id });
    const sheet = await sheetOf(await request("page/mouths", { method: "POST", body, signal }));
    $("strip").hidden = !sheet;
    strip.set(sheet, words);
  } catch (error) {
    if (error.name !== "AbortError") $("strip").hidden = true;
  }
}

async function download(format) {
  try {
    const corrected = { ...transcript, words };
    const options = { method: "POST", body: JSON.stringify(corrected), headers: { "Content-Type": "application/json" } };
    const answer = await request(`page/transcripts?format=${format}`, options);
    save(await answer.blob(), `${stem()}.${format}`);
    show($("download-status"), "");
  } catch (error) {
    show($("download-status"), error.message);
  }
}

async function captioned() {
  show($("download-status"), "Making the captioned video …");
  try {
    const made = await request("v1/video/captioned", { method: "POST", body: form(file, { model: chosen()?.id }) });
    save(await made.blob(), `${stem()}-captioned.mp4`);
    show($("download-status"), "");
  } catch (error) {
    show($("download-status"), error.message);
  }
}

const stem = () => (file.name ?? "recording").replace(/\.[^.]*$/, "");

async function cannotPlay() {
  if (!player.src.startsWith("blob:") || !file) return;
  player.hidden = true;
  $("player").closest("figure").hidden = failed;
  $("player-captions").replaceChildren(h("span", { textContent: "This browser cannot play this kind of file. The captioned video plays everywhere: see Download." }));
}

$("read-record").addEventListener("click", async () => {
  const place = $("read-camera");
  place.replaceChildren();
  place.hidden = false;
  $("drop").hidden = true;
  camera = new Camera(place.appendChild(h("div")));
  const stop = h("button", { className: "button", textContent: "Cancel", onclick: () => (closeCamera(), begin()) });
  const go = h("button", { className: "button main", textContent: "Record", onclick: () => record(go) });
  place.append(h("div", { className: "row centre" }, go, stop));
  try {
    await camera.start();
    camera.watch();
    go.focus();
  } catch (error) {
    closeCamera();
    begin();
    $("drop").append(h("p", { className: "notice bad", role: "alert", textContent: error.message }));
  }
});

async function record(button) {
  if (!camera.recording) {
    camera.record();
    button.textContent = "Stop and read";
    return;
  }
  const blob = await camera.stopRecording();
  read(new File([blob], `recording.${blob.type.includes("mp4") ? "mp4" : "webm"}`, { type: blob.type }));
}

function closeCamera() {
  camera?.stop();
  camera = null;
  $("read-camera").replaceChildren();
  $("read-camera").hidden = true;
  if ($("read-result").hidden) $("drop").hidden = false;
}
