// The phrase bank, kept in this browser.
import { kept } from "./dom.js";

const STARTING = [
  "yes",
  "no",
  "thank you",
  "please help me",
  "I need water",
  "I am hungry",
  "I am in pain",
  "I need the toilet",
  "I am cold",
  "I am tired",
  "call my family",
  "turn on the light",
  "good morning",
  "how are you",
  "stop please",
  "leave me alone for a while",
];

const clean = (text) => text.replace(/\s+/g, " ").trim().slice(0, 120);

/** A text as it is compared: lower case, without punctuation. */
export const plain = (text) => clean(text.toLowerCase().replace(/[^\p{L}\p{N}' ]/gu, " "));

/** The first letters of a text's words. */
export const initialsOf = (text) => plain(text).split(" ").map((word) => word[0] ?? "").join("");

export const phrases = () => kept.get("bank", STARTING);

export function add(texts) {
  const all = phrases();
  const known = new Set(all.map(plain));
  for (const text of texts.map(clean)) {
    if (!plain(text) || known.has(plain(text))) continue;
    known.add(plain(text));
    all.push(text);
  }
  kept.set("bank", all);
}

export const remove = (text) => kept.set("bank", phrases().filter((each) => each !== text));

export const restart = () => add(STARTING);

/** The phrases of a file: a JSON list, or one a line. */
export function parse(text) {
  try {
    const found = JSON.parse(text);
    if (Array.isArray(found)) return found.filter((each) => typeof each === "string");
  } catch {
    // plain text
  }
  return text.split(/\r?\n/);
}
