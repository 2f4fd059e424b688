// One enrolment that is open: the prompt, the camera, the verdict on each recording, and the learning.
import { json } from "./api.js";
import { Camera } from "./camera.js";
import { h } from "./dom.js";

const POLL_MS = 1000;
const TASKS = { start: "Starting", check: "Looking at the recordings", learn: "Learning", recordings: "Comparing the recordings" };

export class Session {
  #closed = false;
  #at = 0;
  #extra = []; // prompts that are recorded once more; the server knows them when they are recorded

  /** `actions`: `url` of the enrolment, `leave()`, and `use(name, kind)` when a model is there. */
  constructor(place, enrolment, actions) {
    Object.assign(this, { place, enrolment, actions });
    this.name = enrolment.name;
    this.#build();
    this.camera = new Camera(this.parts.camera);
    this.#next();
    this.#update(enrolment);
    this.parts.title.focus();
  }

  close() {
    this.#closed = true;
    this.camera.stop();
  }

  #build() {
    const parts = (this.parts = {
      title: h("h2", { tabIndex: -1, textContent: this.name }),
      camera: h("div"),
      count: h("p", { className: "soft" }),
      prompt: h("p", { className: "prompt" }),
      advice: h("p", { className: "soft small", textContent: "Close your mouth for a moment before and after." }),
      verdict: h("div", { className: "verdict", role: "status" }),
      record: h("button", { className: "button main tall", textContent: "Start the camera", onclick: () => this.#pressed() }),
      keep: h("button", { className: "button main", textContent: "Keep and go on", hidden: true, onclick: () => this.#next(true) }),
      redo: h("button", { className: "button", textContent: "Record again", hidden: true, onclick: () => this.#redo() }),
      list: h("ol", { className: "prompts" }),
      more: h("button", { className: "button", textContent: "Record each once more", onclick: () => this.#more() }),
      learn: h("div", { className: "card learn" }),
    });
    this.place.replaceChildren(
      h("div", { className: "row between" }, parts.title, h("button", { className: "quiet", textContent: "All enrolments", onclick: this.actions.leave })),
      h(
        "div",
        { className: "split" },
        h("div", { className: "stack" }, parts.camera, parts.record),
        h(
          "div",
          { className: "stack" },
          h(
            "div",
            { className: "card prompt-card" },
            parts.count,
            parts.prompt,
            parts.advice,
            parts.verdict,
            h("div", { className: "row" }, parts.keep, parts.redo),
          ),
          parts.learn,
          h("details", { className: "card" }, h("summary", { textContent: "All prompts" }), parts.list, parts.more),
        ),
      ),
    );
  }

  get #prompts() {
    return [...this.enrolment.recordings, ...this.#extra];
  }

  // The next prompt that has no recording, after the present one or from the start.
  #next(focus = false) {
    const prompts = this.#prompts;
    const after = prompts.findIndex((each, idx) => idx > this.#at && !each.recorded);
    const first = prompts.findIndex((each) => !each.recorded);
    this.#show(after >= 0 && prompts[this.#at]?.recorded ? after : first);
    if (focus) this.parts.record.focus();
  }

  #show(at) {
    const { parts } = this;
    const prompts = this.#prompts;
    const all = at < 0 || at >= prompts.length;
    this.#at = all ? prompts.length : at;
    const recorded = prompts.filter((each) => each.recorded).length;
    parts.count.textContent = all ? `All ${prompts.length} are recorded.` : `${at + 1} of ${prompts.length} – ${recorded} recorded`;
    parts.prompt.textContent = all ? "Now it can learn." : prompts[at].text;
    parts.record.hidden = parts.advice.hidden = all;
    parts.keep.hidden = parts.redo.hidden = true;
    parts.verdict.replaceChildren();
    parts.verdict.dataset.verdict = "";
    this.#draw();
  }

  #draw() {
    this.parts.list.replaceChildren(
      ...this.#prompts.map(({ text, recorded, notes }, idx) =>
        h(
          "li",
          { className: recorded ? "recorded" : "" },
          h("button", { className: "quiet", textContent: text, ariaCurrent: idx === this.#at ? "step" : "false", onclick: () => this.#show(idx) }),
          h("span", { className: "soft small", textContent: recorded ? (notes?.length ? "recorded, could be better" : "recorded") : "" }),
        ),
      ),
    );
    this.parts.more.hidden = this.enrolment.kind !== "phrases" || this.#prompts.some((each) => !each.recorded);
  }

  #more() {
    const texts = [...new Set(this.enrolment.recordings.map((each) => each.text))];
    const first = this.enrolment.recordings.length + 1;
    this.#extra = texts.map((text, idx) => ({ number: first + idx, text, recorded: false, notes: [] }));
    this.#next(true);
  }

  async #pressed() {
    const { camera, parts } = this;
    try {
      if (!camera.running) {
        await camera.start();
        camera.watch();
        parts.record.textContent = "Record";
      } else if (!camera.recording) {
        parts.verdict.replaceChildren();
        parts.verdict.dataset.verdict = "";
        parts.keep.hidden = parts.redo.hidden = true;
        camera.record();
        parts.record.textContent = "Stop";
        parts.record.classList.add("held");
      } else {
        const video = await camera.stopRecording();
        parts.record.textContent = "Record";
        parts.record.classList.remove("held");
        await this.#send(video);
      }
    } catch (error) {
      this.#say("bad", [error.message]);
    }
  }

  async #send(video) {
    const { parts } = this;
    const { number, text } = this.#prompts[this.#at];
    parts.record.disabled = true;
    this.#say("", ["Looking at it …"]);
    try {
      const path = `${this.actions.url}/recordings/${number}?text=${encodeURIComponent(text)}`;
      const verdict = await json(path, { method: "PUT", body: video });
      if (!verdict.kept) {
        this.#say("bad", ["It cannot be used:", ...verdict.faults]);
        return;
      }
      this.#say(verdict.notes.length ? "doubtful" : "good", verdict.notes.length ? ["It can be used, but could be better:", ...verdict.notes] : ["Good."]);
      await this.#reload();
      parts.keep.hidden = parts.redo.hidden = false;
      parts.record.hidden = true;
      parts.keep.focus();
    } finally {
      parts.record.disabled = false;
    }
  }

  async #redo() {
    const { number } = this.#prompts[this.#at];
    const at = this.#at;
    await json(`${this.actions.url}/recordings/${number}`, { method: "DELETE" });
    await this.#reload();
    this.#show(at);
    this.parts.record.focus();
  }

  #say(verdict, [title, ...lines]) {
    this.parts.verdict.dataset.verdict = verdict;
    this.parts.verdict.replaceChildren(h("strong", { textContent: title }), ...(lines.length ? [h("ul", {}, ...lines.map((line) => h("li", { textContent: line })))] : []));
  }

  async #reload() {
    const found = await json(this.actions.url);
    this.#extra = this.#extra.filter(({ number }) => number > found.recordings.length);
    this.#update(found);
    this.#draw();
  }

  // Learning: a button, then progress, then what to expect.
  #update(enrolment) {
    this.enrolment = enrolment;
    const { state, obstacle, lines, message, recorded, learned_from } = enrolment;
    const place = this.parts.learn;
    const go = (text, main = true, insist = false) => h("button", { className: main ? "button main" : "button", textContent: text, onclick: () => this.#learn(insist) });
    const body = [h("h3", { textContent: "Learn" })];
    if (state === "learning" && this.#showProgress()) return;
    if (state === "learning") body.push(...this.#progress());
    else if (state === "learned") {
      body.push(h("ul", { className: "lines" }, ...lines.map((line) => h("li", { textContent: line }))));
      const use = h("button", { className: "button main", textContent: "Use it", onclick: () => this.actions.use(this.name, enrolment.kind) });
      body.push(h("div", { className: "row" }, use, recorded > learned_from ? go("Learn again with all recordings", false) : null));
    } else {
      if (state === "failed") body.push(h("p", { className: "notice bad", role: "alert", textContent: message }));
      if (state === "interrupted") body.push(h("p", { className: "notice warm", textContent: "It was interrupted. It goes on where it was." }));
      if (obstacle) body.push(h("p", { className: "soft", textContent: obstacle[0].toUpperCase() + obstacle.slice(1) + "." }));
      else body.push(h("p", { className: "soft", textContent: this.#expect() }), h("div", { className: "row" }, go(state === "interrupted" ? "Go on" : "Learn"), enrolment.may_insist ? go("Learn all the same", false, true) : null));
    }
    body.push(h("details", {}, h("summary", { className: "small", textContent: "In a terminal" }), h("code", { textContent: enrolment.command })));
    place.replaceChildren(...body);
    place.dataset.state = state;
    if (state === "learning") setTimeout(() => this.#poll(), POLL_MS);
  }

  #expect() {
    return this.enrolment.kind === "phrases" ? "It takes some seconds." : "It takes some minutes. You may close the page meanwhile.";
  }

  #progress() {
    const { task, done, total, message } = this.enrolment;
    const bar = h("progress", { ariaLabel: "Learning", max: total ?? 1 });
    if (total) bar.value = done;
    const step = total ? `${done} of ${total}. ${message}` : message;
    return [h("p", { role: "status", textContent: TASKS[task] ?? task }), bar, h("p", { className: "soft small message", textContent: step })];
  }

  // Changes the progress in place: a new bar each second would be read out each second.
  #showProgress() {
    const { learn } = this.parts;
    if (learn.dataset.state !== "learning") return false;
    const [name, bar, message] = this.#progress();
    const [shownName, shownBar, shownMessage] = learn.querySelectorAll("[role=status], progress, .message");
    if (shownName.textContent !== name.textContent) shownName.textContent = name.textContent;
    shownBar.replaceWith(bar);
    shownMessage.replaceWith(message);
    setTimeout(() => this.#poll(), POLL_MS);
    return true;
  }

  async #learn(insist = false) {
    try {
      this.#update(await json(`${this.actions.url}/adapt?insist=${insist}`, { method: "POST" }));
    } catch (error) {
      this.#say("bad", [error.message]);
    }
  }

  async #poll() {
    if (this.#closed) return;
    try {
      const found = await json(this.actions.url);
      if (!this.#closed) this.#update(found);
    } catch {
      setTimeout(() => this.#poll(), 2 * POLL_MS); // the server is being started again
    }
  }
}
