// The models of the server, and the one that reads.
import { json } from "./api.js";
import { $, h, kept, show } from "./dom.js";

let models = [];

/** Loads the list again, and keeps what was chosen. */
export async function loadModels(choose = null) {
  models = (await json("page/models")).data;
  const select = $("model");
  const wanted = choose ?? kept.get("model", "");
  const standard = models.find((model) => model.default) ?? models[0];
  select.replaceChildren(...models.map((model) => h("option", { value: model.id, textContent: model.id })));
  select.value = models.some((model) => model.id === wanted) ? wanted : (standard?.id ?? "");
  changed();
}

/** The chosen model: `id`, `reads`, `vocabulary`; for one of phrases `phrases`. */
export const chosen = () => models.find((model) => model.id === $("model").value);

function changed() {
  const model = chosen();
  if (choseOther(model)) kept.set("model", model.id);
  show($("model-reads"), model ? describe(model) : "");
  document.dispatchEvent(new CustomEvent("lipscribe:model", { detail: model }));
}

const choseOther = (model) => model && kept.get("model", "") !== model.id;

function describe(model) {
  if (model.phrases?.length) return `Tells apart: ${listed(model.phrases)}.`;
  return model.reads ? `Reads ${model.reads}.` : "";
}

const listed = (texts) => texts.slice(0, 4).join(", ") + (texts.length > 4 ? `, and ${texts.length - 4} more` : "");

$("model").addEventListener("change", changed);
