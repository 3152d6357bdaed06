// The network, unpacked from within the page and run in a worker.
const NEEDED = {
  WebAssembly: typeof WebAssembly === 'object',
  workers: typeof Worker === 'function',
  DecompressionStream: typeof DecompressionStream === 'function',
};
const BROWSERS = 'Firefox from 114, Chrome and Edge from 91, and Safari from 16.4 on have it, '
  + 'unless a setting (such as a lockdown mode) has switched it off.';

const AT_ONCE = 100;  // milliseconds, after which something new is to be seen

const MOST_AT_ONCE = 32;

const decoded = (base64) => {
  const letters = atob(base64);
  const bytes = new Uint8Array(letters.length);
  for (let n = 0; n < letters.length; n += 1) bytes[n] = letters.charCodeAt(n);
  return bytes;
};

// What stands in the page as base64 of gzip; it is taken out of the page, which it is half of.
const part = async (name) => {
  const element = document.getElementById(`part-${name}`);
  const packed = decoded(element.textContent.trim());
  element.remove();
  return through(packed, new DecompressionStream('gzip'));
};

class Network {
  #worker;
  #waiting = new Map();
  #count = 0;
  #each = Infinity;  // milliseconds that a picture takes
  atOnce = 1;  // pictures to ask for together, by how long the last ones took

  // Raises an Error whose message is for the reader.
  static async open() {
    const missing = Object.keys(NEEDED).filter((name) => !NEEDED[name]);
    if (missing.length) {
      throw new Error(`This browser cannot draw: it has no ${missing.join(', no ')}. ${BROWSERS}`);
    }
    const [script, module, binary, model] =
      await Promise.all(['script', 'module', 'binary', 'model'].map(part));
    const own = document.getElementById('worker').textContent;
    const network = new Network(new Blob([script, '\n', own], { type: 'text/javascript' }));
    try {
      await network.#ask({ model, binary, module }, [model.buffer, binary.buffer, module.buffer]);
    } catch (error) {
      throw new Error(`This browser cannot draw: ${error.message}. ${BROWSERS}`);
    }
    return network;
  }

  constructor(script) {
    const address = URL.createObjectURL(script);
    this.#worker = new Worker(address);
    this.#worker.addEventListener('message', ({ data: { id, found, error } }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) resolve(found);
      else reject(new Error(error));
    });
    this.#worker.addEventListener('error', (event) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(event.message || 'its worker does not start'));
      }
      this.#waiting.clear();
    });
  }

  // Pixels [height, width, channels] of each latent and class, at a truncation.
  async draw(latents, labels, truncation) {
    const all = new Float32Array(latents.length * latents[0].length);
    latents.forEach((each, n) => all.set(each, n * each.length));
    const asked = { latents: all, labels: Int32Array.from(labels), truncation };
    const { pixels, took } = await this.#ask(asked, [all.buffer]);
    // A call that was held up by other programs does not count for what it took.
    this.#each = Math.min(took / latents.length, 1.5 * this.#each);
    this.atOnce = Math.max(1, Math.min(MOST_AT_ONCE, Math.floor(AT_ONCE / this.#each)));
    return pixels;
  }

  #ask(asked, moved = []) {
    return new Promise((resolve, reject) => {
      const id = this.#count += 1;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, asked }, moved);
    });
  }
}
