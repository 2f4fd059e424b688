// Small helpers for the page's elements.

export const $ = (id) => document.getElementById(id);

/** Makes an element: properties, then children (text or elements). `on...` are listeners, `data` is the dataset. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Shows a text in an element, or hides the element where there is none. */
export function show(element, text) {
  element.textContent = text || "";
  element.hidden = !text;
}

export const percent = (share) => (share < 0.005 ? "under 1 %" : `${Math.round(share * 100)} %`);

/** Saves a blob under a name. */
export function save(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Copies a text, and says so on the button for a moment. */
export async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed here";
  }
  setTimeout(() => (button.textContent = before), 1500);
}

/** What is kept in this browser: JSON by key; nothing is lost but the memory where storage is blocked. */
export const kept = {
  get(key, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(`lipscribe-${key}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(key, value) {
    try {
      localStorage.setItem(`lipscribe-${key}`, JSON.stringify(value));
    } catch {
      // storage is blocked or full
    }
  },
};
