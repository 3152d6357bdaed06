// Talks to the server; pictures that were drawn once are not asked for again.
const refused = async (answer) => {
  const text = await answer.text();
  let said = text;
  try { said = JSON.parse(text).error; } catch { /* plain text */ }
  throw new Error(said);
};

export const ask = async (path, options = {}) => {
  const answer = await fetch(path, options).catch(() => {
    throw new Error('the server is gone; start the command again');
  });
  if (!answer.ok) await refused(answer);
  return answer;
};

const post = (path, value) => ask(path, {
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(value),
});

export const models = async () => (await ask('/api/models')).json();

export const about = async (model) => (await ask(`/api/model/${model}`)).json();

export const save = async (model, recipes, name) => {
  const file = await (await post('/api/save', { model, recipes })).blob();
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
};

const MOST_KEPT = 64_000_000;  // characters of addresses

export class Drawer {
  #places = new Map();
  #kept = new Map();
  #size = 0;
  #report;

  constructor(report) { this.#report = report; }

  // Draws for a place of the page. Of what is asked while it draws, the newest is drawn next.
  draw(place, model, recipes, show) {
    const here = this.#places.get(place) ?? { busy: false, next: null };
    this.#places.set(place, here);
    here.next = { model, recipes, show };
    if (!here.busy) this.#run(here);
  }

  get busy() { return [...this.#places.values()].some((here) => here.busy); }

  async #run(here) {
    here.busy = true;
    while (here.next) {
      const { model, recipes, show } = here.next;
      here.next = null;
      try {
        show(await this.#images(model, recipes));
        if (!this.#others(here)) this.#report('');
      } catch (error) {
        this.#report(error.message, true);
      }
    }
    here.busy = false;
  }

  #others(here) { return [...this.#places.values()].some((each) => each !== here && each.busy); }

  async #images(model, recipes) {
    const keys = recipes.map((each) => `${model} ${JSON.stringify(each)}`);
    const missing = new Map();
    keys.forEach((key, n) => { if (!this.#kept.has(key)) missing.set(key, recipes[n]); });
    const drawn = new Map();
    if (missing.size) {
      const answer = await post('/api/draw', { model, recipes: [...missing.values()] });
      const { images } = await answer.json();
      [...missing.keys()].forEach((key, n) => drawn.set(key, images[n]));
    }
    const found = keys.map((key) => drawn.get(key) ?? this.#kept.get(key));
    drawn.forEach((image, key) => this.#keep(key, image));
    return found;
  }

  #keep(key, image) {
    this.#kept.set(key, image);
    this.#size += image.length;
    for (const [oldest, its] of this.#kept) {
      if (this.#size <= MOST_KEPT) break;
      this.#kept.delete(oldest);
      this.#size -= its.length;
    }
  }
}
