// Runs the network, in a thread of its own: the page stays answerable. `ort` is onnxruntime-web.
let session = null;

const open = async ({ model, binary, module }) => {
  ort.env.logLevel = 'error';
  ort.env.wasm.numThreads = 1;  // more take headers of a server
  ort.env.wasm.wasmBinary = binary.buffer;
  const address = URL.createObjectURL(new Blob([module], { type: 'text/javascript' }));
  ort.env.wasm.wasmPaths = { mjs: address };
  session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
  URL.revokeObjectURL(address);
  return true;
};

const draw = async ({ latent, label, truncation }) => {
  const images = (await session.run({
    latents: new ort.Tensor('float32', latent, [1, latent.length]),
    labels: new ort.Tensor('int32', [label], [1]),
    truncation: new ort.Tensor('float32', [truncation], []),
  })).images;
  const pixels = images.data.slice();  // its own memory is the runtime's
  images.dispose();
  return pixels;
};

self.onmessage = async ({ data: { id, asked } }) => {
  try {
    const found = await (asked.model ? open(asked) : draw(asked));
    self.postMessage({ id, found });
  } catch (error) {
    self.postMessage({ id, error: String(error?.message ?? error) });
  }
};
