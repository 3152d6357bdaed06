// The network, unpacked from within the page and run in a worker.
const NEEDED = {
  WebAssembly: typeof WebAssembly === 'object',
  workers: typeof Worker === 'function',
  DecompressionStream: typeof DecompressionStream === 'function',
};
const BROWSERS = 'Firefox from 114, Chrome and Edge from 91, and Safari from 16.4 on have it, '
  + 'unless a setting (such as a lockdown mode) has switched it off.';

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

  // Pixels [height, width, channels] of a latent, a class and a truncation.
  draw(latent, label, truncation) { return this.#ask({ latent, label, truncation }); }

  #ask(asked, moved = []) {
    return new Promise((resolve, reject) => {
      const id = this.#count += 1;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, asked }, moved);
    });
  }
}
