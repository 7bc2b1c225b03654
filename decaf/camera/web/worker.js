// Scores pictures, one after another, apart from the page, which stays responsive meanwhile.

let squareOf, Tensor, network, size, mode, context;

onmessage = async ({ data }) => {
  try {
    if (data.picture) {
      const probability = await score(data.picture);
      postMessage({ probability, picture: data.picture }, [data.picture]);
    } else {
      await load(data);
      postMessage({});
    }
  } catch (error) {
    postMessage({ failed: error?.message ?? String(error) });
  }
};

async function load({ settings, urls, wasm, file }) {
  ({ size, resize: mode } = settings);
  ({ squareOf } = await import(urls.resize));
  // LiteRT.js would ask for the graphics processor, whose drivers are known to crash on phones.
  Object.defineProperty(navigator, "gpu", { value: undefined });
  console.warn = () => {}; // it says that there is none
  const { default: makeModule } = await import(urls.module);
  self.createWasmLib = async (LiteRt) => new LiteRt(await makeModule({ wasmBinary: wasm, printErr() {} }));
  const runtime = await import(urls.library);
  Tensor = runtime.Tensor;
  await runtime.loadLiteRt(urls.module);
  network = await runtime.loadAndCompile(new Uint8Array(file), { accelerator: "wasm" });
  context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
}

/** The probability of professional of an ImageBitmap. */
async function score(picture) {
  const { width, height } = picture;
  if (context.canvas.width !== width || context.canvas.height !== height)
    Object.assign(context.canvas, { width, height });
  context.fillStyle = "white"; // what is transparent lies over white, as rank-photos has it
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0);
  const rgb = squareOf(context.getImageData(0, 0, width, height).data, width, height, size, mode);
  const photo = new Tensor(rgb, [1, size, size, 3]);
  const [probability] = await network.run(photo);
  const [value] = probability.toTypedArray();
  photo.delete();
  probability.delete();
  return value;
}
