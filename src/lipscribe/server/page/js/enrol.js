// Enrol: prompts are recorded one by one, each is checked on the spot, and then a model is learned.
import { json } from "./api.js";
import * as bank from "./bank.js";
import { $, h, show } from "./dom.js";
import { Session } from "./session.js";
import { loadModels, chosen } from "./models.js";

const STATES = {
  recording: "recording",
  learning: "learning now",
  interrupted: "interrupted",
  failed: "did not work",
  learned: "learned",
};
let session = null;

const url = (name) => `v1/enrolments/${encodeURIComponent(name)}`;
const named = () => decodeURIComponent(location.hash.split("/")[1] ?? "");

$("enrol").addEventListener("lipscribe:enter", display);
$("enrol").addEventListener("lipscribe:leave", close);
addEventListener("hashchange", () => !$("enrol").hidden && display());

/** Shows the enrolment that the address names, or the list. */
async function display() {
  const name = named();
  if (session?.name === name && name) return;
  close();
  $("enrol-list").hidden = Boolean(name);
  $("enrol-open").hidden = !name;
  if (!name) return list();
  try {
    const found = await json(url(name));
    session = new Session($("enrol-open"), found, { url: url(name), leave: () => (location.hash = "enrol"), use });
  } catch (error) {
    location.hash = "enrol";
    show($("enrol-error"), error.message);
  }
}

function close() {
  session?.close();
  session = null;
  $("enrol-open").replaceChildren();
}

async function list() {
  fields();
  let found = [];
  try {
    found = (await json("v1/enrolments")).data;
  } catch (error) {
    show($("enrol-error"), error.message);
  }
  $("enrolments").replaceChildren(
    ...found.map(({ name, kind, state, recorded, wanted }) =>
      h(
        "li",
        {},
        h("a", { href: `#enrol/${encodeURIComponent(name)}`, textContent: name }),
        h("span", { className: "soft small", textContent: `${kind === "person" ? "sentences" : "phrases"}, ${recorded} of ${wanted} recorded, ${STATES[state]}` }),
        h("button", { className: "quiet remove", ariaLabel: `Delete the recordings of ${name}`, textContent: "×", onclick: () => remove(name) }),
      ),
    ),
  );
  if (!found.length) $("enrolments").append(h("li", { className: "soft", textContent: "Nothing yet." }));
}

async function remove(name) {
  if (!confirm(`Delete the recordings of ${name}? A model that was learned from them stays.`)) return;
  try {
    await json(url(name), { method: "DELETE" });
  } catch (error) {
    show($("enrol-error"), error.message);
  }
  await list();
}

async function use(name, kind) {
  await loadModels(name);
  location.hash = kind === "phrases" ? "speak" : "read";
}

// The form.
const kind = () => document.querySelector("[name=kind]:checked").value;

function fields() {
  $("enrol-texts-field").hidden = kind() === "person";
  if (!$("enrol-texts").value.trim()) $("enrol-texts").value = bank.phrases().join("\n");
}

for (const radio of document.querySelectorAll("[name=kind]")) radio.addEventListener("change", fields);
document.addEventListener("lipscribe:enrol-phrases", ({ detail }) => {
  $("enrol-texts").value = detail.join("\n");
  document.querySelector("[name=kind][value=phrases]").checked = true;
});

$("enrol-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const texts = bank.parse($("enrol-texts").value).filter((text) => bank.plain(text));
  const model = chosen();
  const body = { name: $("enrol-name").value.trim(), kind: kind(), base: model?.phrases?.length ? null : model?.id };
  if (kind() === "phrases") body.prompts = texts;
  try {
    const made = await json("v1/enrolments", { method: "POST", body });
    show($("enrol-error"), "");
    location.hash = `enrol/${encodeURIComponent(made.name)}`;
  } catch (error) {
    show($("enrol-error"), error.message);
  }
});
