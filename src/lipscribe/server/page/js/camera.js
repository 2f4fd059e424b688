// A camera on the page: its picture, where the face is and what to change, frames for the server, and recordings.
import { h, show } from "./dom.js";
import { Connection } from "./stream.js";

const WANTED = { video: { facingMode: "user", width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } } };
const BITS = 4_000_000; // of a recording, a second: a blurred mouth cannot be read
const HINTS_FPS = 6; // frames a second that are sent for hints alone
const LONGEST_MS = 60_000;
const SLOW_FPS = 18; // of the camera, below which words are lost

export class Camera {
  #stream = null;
  #recorder = null;
  #watching = null;
  #frame = 0;

  /** Builds itself into an element. */
  constructor(place) {
    this.video = h("video", { muted: true, playsInline: true, autoplay: true, ariaLabel: "Your camera" });
    this.box = h("div", { className: "face", hidden: true });
    this.hint = h("p", { className: "hint", role: "status" });
    this.off = h("div", { className: "camera-off" }, h("span", { textContent: "The camera is off" }));
    this.lamp = h("span", { className: "lamp", textContent: "Recording", hidden: true });
    place.classList.add("camera");
    place.append(h("div", { className: "picture" }, this.video, this.box, this.off, this.lamp), this.hint);
  }

  get running() {
    return this.#stream !== null;
  }

  /** Turns the camera on. Throws an Error whose message can be shown. */
  async start() {
    if (this.#stream) return;
    if (!navigator.mediaDevices) {
      throw new Error("The browser gives no camera to this address. Open the page as http://localhost or by https.");
    }
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia(WANTED);
    } catch (error) {
      const why = { NotAllowedError: "Allow the camera for this page, then try again.", NotFoundError: "No camera was found.", NotReadableError: "The camera is in use by another program." };
      throw new Error(why[error.name] ?? `The camera cannot be used (${error.name}).`);
    }
    this.#stream.getVideoTracks()[0].addEventListener("ended", () => this.stop());
    this.video.srcObject = this.#stream;
    await this.video.play();
    this.off.hidden = true;
  }

  /** Turns it off. */
  stop() {
    this.unwatch();
    if (this.#recorder?.state === "recording") this.#recorder.stop();
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.video.srcObject = null;
    this.off.hidden = false;
    this.framing(null);
  }

  /** Calls `take(picture, seconds)` for each frame, with the time at which the camera took it. */
  frames(take) {
    const number = ++this.#frame;
    const wanted = () => number === this.#frame && this.#stream;
    const each = async (now, metadata) => {
      if (!wanted()) return;
      const time = (metadata.captureTime ?? now) / 1000;
      next();
      try {
        const picture = await createImageBitmap(this.video);
        if (wanted()) take(picture, time);
        else picture.close();
      } catch {
        // no picture yet
      }
    };
    const next = () => {
      if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(each);
      else setTimeout(() => each(performance.now(), {}), 33);
    };
    next();
  }

  /** Stops what `frames` started. */
  noFrames() {
    this.#frame += 1;
  }

  /** Shows hints from the server, a few frames a second, while nothing else is read from the camera. */
  watch() {
    this.unwatch();
    const connection = (this.#watching = new Connection({}));
    connection.addEventListener("framing", ({ detail }) => this.framing(detail));
    let last = 0;
    this.frames((picture, time) => {
      if (time - last < 1 / HINTS_FPS) return picture.close();
      if (connection.send(picture, time)) last = time;
    });
  }

  unwatch() {
    this.noFrames();
    this.#watching?.close();
    this.#watching = null;
  }

  /** Shows where the face is and what to change: `{box, hints}` in pixels of the frame, or null. */
  framing(found) {
    // The server knows only the frames that were sent to it; whether the camera is slow, the camera knows.
    const slow = this.#stream?.getVideoTracks()[0]?.getSettings().frameRate < SLOW_FPS;
    const hints = (found?.hints ?? []).filter((hint) => slow || !hint.includes("pictures a second"));
    const { videoWidth: width, videoHeight: height } = this.video;
    const box = width && found?.box;
    this.box.hidden = !box;
    if (box) {
      const [x, y, w, tall] = box;
      const share = { left: x / width, top: y / height, width: w / width, height: tall / height };
      for (const [side, value] of Object.entries(share)) this.box.style[side] = `${100 * value}%`;
      this.box.classList.toggle("good", !hints.length);
    }
    const text = found ? (hints[0] ?? "Good: your mouth can be seen well.") : "";
    if (this.hint.textContent !== text) show(this.hint, text);
    this.hint.classList.toggle("good", Boolean(found && !hints.length));
  }

  /** Starts to record; `stopRecording` gives the video. */
  record() {
    const type = ["video/webm;codecs=vp8", "video/webm", "video/mp4"].find((each) => MediaRecorder.isTypeSupported(each));
    const recorder = new MediaRecorder(this.#stream, { mimeType: type, videoBitsPerSecond: BITS });
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.whole = new Promise((resolve) => {
      recorder.onstop = () => {
        this.lamp.hidden = true;
        resolve(new Blob(parts, { type: recorder.mimeType.split(";")[0] }));
      };
    });
    recorder.start();
    setTimeout(() => recorder.state === "recording" && recorder.stop(), LONGEST_MS);
    this.#recorder = recorder;
    this.lamp.hidden = false;
  }

  get recording() {
    return this.#recorder?.state === "recording";
  }

  stopRecording() {
    if (this.recording) this.#recorder.stop();
    return this.#recorder.whole;
  }
}
