// A worker: pictures in, messages for the server out (8 bytes capture time, then a JPEG). Encoding on the page's own
// thread waits for idle moments, which costs more than the encoding.
let canvas = null;

onmessage = async ({ data: { picture, time, quality } }) => {
  const { width, height } = picture;
  if (canvas?.width !== width || canvas?.height !== height) canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d", { alpha: false }).drawImage(picture, 0, 0);
  picture.close();
  const jpeg = await canvas.convertToBlob({ type: "image/jpeg", quality });
  const message = new Uint8Array(8 + jpeg.size);
  new DataView(message.buffer).setFloat64(0, time, true);
  message.set(new Uint8Array(await jpeg.arrayBuffer()), 8);
  postMessage(message.buffer, [message.buffer]);
};
