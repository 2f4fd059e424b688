// Requests to this server: the token, errors in words, and the model that was chosen.
import { $ } from "./dom.js";

const GONE = "The server does not answer. Is lipscribe serve still running?";
let token = sessionStorage.getItem("lipscribe-token");
let asking = null;

/** An address of the API, relative to where the page is. */
export const address = (path) => new URL(path, document.baseURI).href;

/** Protocols by which a WebSocket carries the token, since browsers let no page set its headers. */
export const protocols = () => (token ? ["lipscribe", `bearer.${toBase64Url(token)}`] : ["lipscribe"]);

/** A request; asks for the token where the server wants one. Throws an Error whose message can be shown. */
export async function request(path, options = {}) {
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let response;
  try {
    response = await fetch(address(path), { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(GONE);
  }
  if (response.status === 401) {
    await askToken();
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

function askToken() {
  asking ??= new Promise((resolve) => {
    const dialog = $("token-dialog");
    $("token-error").hidden = !token;
    $("token").value = "";
    dialog.showModal();
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener(
      "close",
      () => {
        token = $("token").value.trim();
        sessionStorage.setItem("lipscribe-token", token);
        asking = null;
        resolve();
      },
      { once: true },
    );
  });
  return asking;
}

const toBase64Url = (text) =>
  btoa(String.fromCharCode(...new TextEncoder().encode(text)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
