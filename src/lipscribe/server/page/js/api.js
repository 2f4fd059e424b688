// Requests to this server: the token, errors in words, and the model that was chosen.
import { $ } from "./dom.js";

const GONE = "The server does not answer. Is lipscribe serve still running?";
let asking = null;

/** An address of the API, relative to where the page is. */
export const address = (path) => new URL(path, document.baseURI).href;

/** A request; asks for the token where the server wants one. Throws an Error whose message can be shown. */
export async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(address(path), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(GONE);
  }
  if (response.status === 401) {
    await (asking ??= askToken().finally(() => (asking = null)));
    return request(path, options);
  }
  if (!response.ok) throw await failure(response);
  return response;
}

/** A JSON answer; a `body` that is no form and no blob is sent as JSON. */
export async function json(path, options = {}) {
  if (options.body && !(options.body instanceof FormData) && !(options.body instanceof Blob)) {
    options = { ...options, body: JSON.stringify(options.body), headers: { "Content-Type": "application/json" } };
  }
  const response = await request(path, options);
  return response.status === 204 ? null : response.json();
}

/** A form with a video and further fields; those that are empty are left out. */
export function form(file, fields) {
  const data = new FormData();
  data.append("file", file, file.name || (file.type.includes("mp4") ? "recording.mp4" : "recording.webm"));
  for (const [name, value] of Object.entries(fields)) {
    for (const each of [value].flat()) if (each !== null && each !== undefined && each !== "") data.append(name, each);
  }
  return data;
}

async function failure(response) {
  let message = "";
  try {
    const body = await response.json();
    message = body.error?.message ?? (typeof body.detail === "string" ? body.detail : "");
  } catch {
    // no JSON: the status has to do
  }
  const error = new Error(message || `The server answered with ${response.status}.`);
  error.status = response.status;
  if (response.status === 429) error.message = "The server is busy. Try again in a moment.";
  return error;
}

// The server keeps the token in a cookie of this tab's session that no script can read; the WebSocket has it too.
async function askToken() {
  const dialog = $("token-dialog");
  $("token").value = "";
  dialog.oncancel = (event) => event.preventDefault();
  for (;;) {
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
    const answer = await fetch(address(`?token=${encodeURIComponent($("token").value.trim())}`));
    $("token-error").hidden = answer.ok;
    if (answer.ok) return;
  }
}
