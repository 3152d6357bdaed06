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

// Latents [n, z], labels [n] and one truncation to the pixels of each, and the milliseconds it took.
const draw = async ({ latents, labels, truncation }) => {
  const began = performance.now();
  const count = labels.length;
  const { images } = await session.run({
    latents: new ort.Tensor('float32', latents, [count, latents.length / count]),
    labels: new ort.Tensor('int32', labels, [count]),
    truncation: new ort.Tensor('float32', [truncation], []),
  });
  const size = images.data.length / count;
  // Copies: its own memory is the runtime's.
  const pixels = Array.from(labels, (_, n) => images.data.slice(n * size, (n + 1) * size));
  images.dispose();
  return { pixels, took: performance.now() - began };
};

self.onmessage = async ({ data: { id, asked } }) => {
  try {
    const found = await (asked.model ? open(asked) : draw(asked));
    self.postMessage({ id, found });
  } catch (error) {
    self.postMessage({ id, error: String(error?.message ?? error) });
  }
};
