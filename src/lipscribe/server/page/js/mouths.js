// The mouth crops that the reader saw: a strip that runs in step with the video, the words beneath.
const CROP = 96;
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class Strip {
  #sheet = null;
  #words = [];
  #drawn = -1;

  constructor(canvas, video) {
    this.canvas = canvas;
    this.video = video;
    const tick = () => {
      if (this.#sheet && (!video.paused || this.#drawn !== video.currentTime)) this.draw();
      requestAnimationFrame(tick);
    };
    tick();
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** Shows a sheet of crops (`{picture, fps, columns, frames}`), or nothing. */
  set(sheet, words) {
    this.#sheet?.picture.close();
    this.#sheet = sheet;
    this.#words = words;
    if (sheet) this.draw();
  }

  draw() {
    if (!this.#sheet) return;
    const { canvas, video } = this;
    const { picture, fps, columns, frames } = this.#sheet;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
    if (!width) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const style = getComputedStyle(canvas);
    const brush = canvas.getContext("2d");
    const line = 22 * scale;
    const side = height - line;
    const now = video.currentTime;
    this.#drawn = now;
    // The frame of this moment stands in the middle; with less motion the strip goes by whole frames.
    const at = still.matches ? Math.floor(now * fps) + 0.5 : now * fps;
    const place = (frame) => width / 2 + (frame - at) * side;
    brush.clearRect(0, 0, width, height);
    const reach = Math.ceil(width / side / 2) + 1;
    for (let frame = Math.max(0, Math.floor(at) - reach); frame < Math.min(frames, at + reach); frame++) {
      const from = [(frame % columns) * CROP, Math.floor(frame / columns) * CROP, CROP, CROP];
      brush.globalAlpha = Math.floor(at) === frame ? 1 : 0.55;
      brush.drawImage(picture, ...from, place(frame) + 1, 0, side - 2, side);
    }
    brush.globalAlpha = 1;
    brush.font = `${14 * scale}px ${style.fontFamily}`;
    brush.textBaseline = "bottom";
    for (const { word, start, end } of this.#words) {
      const [left, right] = [place(start * fps), place(end * fps)];
      if (right < 0 || left > width) continue;
      const spoken = start <= now && now < end;
      brush.fillStyle = spoken ? style.accentColor : style.color;
      brush.fillRect(left + 1, side + 3 * scale, right - left - 2, 2 * scale);
      const shown = Math.min(Math.max(left, 0), right - brush.measureText(word).width - 4);
      brush.fillText(word, Math.max(shown, left) + 2, height);
    }
    brush.strokeStyle = style.accentColor;
    brush.lineWidth = 2 * scale;
    brush.strokeRect(place(Math.floor(at)) + 1, 1, side - 2, side - 2);
  }
}

/** The sheet of an answer, or null where it is none, such as an MP4. */
export async function sheetOf(response) {
  const number = (name) => Number(response.headers.get(`X-Lipscribe-${name}`));
  const [fps, columns, frames] = ["Fps", "Columns", "Frames"].map(number);
  if (!fps || !columns || !frames) return null;
  return { picture: await createImageBitmap(await response.blob()), fps, columns, frames };
}
