// The live connection: frames of a camera out, words and framing in.
import { address } from "./api.js";

const IN_FLIGHT = 3; // frames that are being encoded
const BUFFERED = 400_000; // bytes that wait to be sent
const AHEAD = 0.7; // seconds that the newest frame may be ahead of the one that was read last; the server says 4 a second
const TOLD = 10; // frames left out here after which `dropped` says so, as it does for those that the server drops
const SILENCE = 2; // seconds without a word from the server after which that is not known
const QUALITY = 0.85;
const REFUSED = [1008, 1009, 1013]; // what was sent is wrong or too large, or there is no place
const RETRY_MS = [500, 1000, 2000, 4000];

/**
 * Events, all with the server's message as `detail`: ready, words, utterance, framing, dropped, error, done; and
 * `lost` (the connection broke; it tries again) and `closed` (the server refused it, after an `error` that says why).
 */
export class Connection extends EventTarget {
  #socket = null;
  #worker = null;
  #encoding = 0;
  #last = -Infinity;
  #read = null; // capture time of the newest frame that the server has read
  #leftOut = 0;
  #ended = false;
  #tries = 0;
  #start;

  /** `start`: fields of the first message, such as `model` and `phrases`. */
  constructor(start) {
    super();
    this.#start = { type: "start", input: "frames", alternatives: 3, ...start };
    this.#worker = new Worker(new URL("encoder.js", import.meta.url));
    this.#worker.onmessage = ({ data }) => {
      this.#encoding -= 1;
      if (this.#open()) this.#socket.send(data);
    };
    this.#connect();
  }

  #open() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  #connect() {
    const url = address("v1/stream").replace(/^http/, "ws");
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.#read = null;
    socket.onopen = () => socket.send(JSON.stringify(this.#start));
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "ready") this.#tries = 0;
      if (message.time !== undefined) this.#read = message.time;
      this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
    };
    socket.onclose = ({ code }) => {
      if (this.#ended || socket !== this.#socket) return;
      if (REFUSED.includes(code)) {
        this.dispatchEvent(new CustomEvent("closed"));
        return;
      }
      this.dispatchEvent(new CustomEvent("lost"));
      setTimeout(() => !this.#ended && this.#connect(), RETRY_MS[Math.min(this.#tries++, RETRY_MS.length - 1)]);
    };
  }

  // A frame that would come too late to be of use is dropped here, where it costs least.
  #busy(time) {
    if (!this.#open() || this.#encoding >= IN_FLIGHT || this.#socket.bufferedAmount > BUFFERED) return true;
    const ahead = this.#read === null ? 0 : time - this.#read;
    return ahead > AHEAD && this.#last - this.#read > 0 && time - this.#last < SILENCE;
  }

  /** Sends a picture (an ImageBitmap, which is used up) with its capture time in seconds; false if it was dropped. */
  send(picture, time) {
    if (time <= this.#last || this.#busy(time)) {
      this.#leftOut += this.#open();
      if (this.#leftOut === TOLD) {
        this.#leftOut = 0;
        this.dispatchEvent(new CustomEvent("dropped", { detail: { frames: TOLD } }));
      }
      picture.close();
      return false;
    }
    this.#last = time;
    this.#encoding += 1;
    this.#worker.postMessage({ picture, time, quality: QUALITY }, [picture]);
    return true;
  }

  /** Ends the utterance now. */
  flush() {
    this.#read = null; // the next frame may come much later
    if (this.#open()) this.#socket.send('{"type":"flush"}');
  }

  close() {
    this.#ended = true;
    if (this.#open()) {
      this.#socket.send('{"type":"finish"}');
      setTimeout(() => this.#socket.close(), 1000);
    } else {
      this.#socket?.close();
    }
    this.#worker.terminate();
  }
}
