// Words on the page: how sure each is, and what else it may be.
import { h, percent } from "./dom.js";

const SURE = 0.8;
const FAIR = 0.5;

/** How sure a word is, as a class: sure, fair or unsure. */
export const sureness = ({ probability = 1 }) => (probability >= SURE ? "sure" : probability >= FAIR ? "fair" : "unsure");

/** A word that cannot be chosen. */
export const plainWord = (word) => h("span", { className: `word ${sureness(word)}`, textContent: word.word });

/**
 * Words as buttons, one stop for the tab key: arrows move between them.
 * `choose(word, button)` is called for a word that is chosen.
 */
export function wordButtons(place, words, choose) {
  const buttons = words.map((word, idx) => {
    const sure = sureness(word);
    const others = word.alternatives?.length ? ", has alternatives" : "";
    return h("button", {
      className: `word ${sure}`,
      textContent: word.word,
      tabIndex: idx ? -1 : 0,
      ariaLabel: `${word.word}, ${sure === "sure" ? "" : "unsure, "}${percent(word.probability ?? 1)}${others}`,
      onclick: (event) => choose(word, event.currentTarget),
    });
  });
  place.replaceChildren(...buttons.flatMap((button) => [button, " "]));
  place.onkeydown = (event) => {
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (at < 0 || !buttons[to]) return;
    event.preventDefault();
    for (const button of buttons) button.tabIndex = -1;
    buttons[to].tabIndex = 0;
    buttons[to].focus();
  };
  return buttons;
}

/** The alternatives of a word; `take(alternative)` is called for the one that is chosen instead. */
export function showAlternatives(place, word, take) {
  const all = [{ word: word.word, probability: word.probability }, ...(word.alternatives ?? [])];
  place.replaceChildren(
    h("p", { className: "soft small", textContent: all.length > 1 ? "Also possible – choose one to use it:" : "Nothing else is likely here." }),
    h(
      "div",
      { className: "row" },
      ...all.map((each, idx) =>
        h(
          "button",
          { className: "button small", ariaPressed: String(idx === 0), onclick: () => take(each) },
          h("span", { textContent: each.word }),
          " ",
          h("small", { className: "soft", textContent: percent(each.probability ?? 1) }),
        ),
      ),
    ),
  );
  place.hidden = false;
}
