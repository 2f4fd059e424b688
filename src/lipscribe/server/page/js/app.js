// Tabs, theme, and what all modes share; each mode is a module of its own.
import "./enrol.js";
import "./live.js";
import "./read.js";
import "./speak.js";
import { $, show } from "./dom.js";
import { loadModels } from "./models.js";

const TABS = ["read", "live", "speak", "enrol"];

function open(name, focus = false) {
  for (const tab of TABS) {
    const button = $(`tab-${tab}`);
    const selected = tab === name;
    button.setAttribute("aria-selected", String(selected));
    button.tabIndex = selected ? 0 : -1;
    const panel = $(tab);
    if (!panel.hidden && !selected) panel.dispatchEvent(new CustomEvent("lipscribe:leave"));
    panel.hidden = !selected;
    if (selected && focus) button.focus();
  }
  document.title = `${$(`tab-${name}`).textContent} – Lipscribe`;
  $(name).dispatchEvent(new CustomEvent("lipscribe:enter"));
}

const current = () => TABS.find((tab) => `#${tab}` === location.hash.split("/")[0]) ?? "read";

for (const tab of TABS) $(`tab-${tab}`).addEventListener("click", () => (location.hash = tab));

document.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
  const at = TABS.indexOf(current());
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: TABS.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  location.hash = TABS[(to + TABS.length) % TABS.length];
  open(current(), true);
});

let shown = null;
addEventListener("hashchange", () => {
  if (current() !== shown) open((shown = current()));
});

// The theme: the system's, until another one is chosen.
const dark = () => getComputedStyle(document.documentElement).colorScheme === "dark" || systemDark();
const systemDark = () => !document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches;

function themed() {
  $("theme").setAttribute("aria-pressed", String(dark()));
}

$("theme").addEventListener("click", () => {
  const theme = dark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem("lipscribe-theme", theme);
  } catch {
    // storage is blocked: it holds until the page is left
  }
  themed();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themed);
themed();

$("host").textContent = location.host;
open((shown = current()));

async function connect() {
  try {
    await loadModels();
    show($("offline"), "");
  } catch (error) {
    show($("offline"), error.message);
    setTimeout(connect, 2000);
  }
}
connect();
