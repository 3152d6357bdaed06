'use strict';
// Shows the one chart of a set that its controls choose, in the colours of the theme.
(() => {
  const charts = JSON.parse(document.getElementById('charts').textContent);
  const place = document.getElementById('chart');
  const form = document.getElementById('curves');
  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries(['ink', 'soft', 'line'].map((n) => [n, style.getPropertyValue(`--${n}`).trim()]));
  };
  const paint = (model, {ink, soft, line}) => {
    const known = (name) => name in model.properties;
    if (known('axis_label_text_color')) {
      model.setv({axis_label_text_color: ink, major_label_text_color: soft, axis_line_color: line,
        major_tick_line_color: line, minor_tick_line_color: line});
    }
    if (known('grid_line_color')) model.setv({grid_line_color: line});
    if (known('label_text_color')) model.setv({label_text_color: ink});
    if (known('outline_line_color')) model.setv({outline_line_color: null});
  };
  let view = null;
  const show = async () => {
    const chosen = new FormData(form);
    const name = [chosen.get('score'), chosen.get('x'), chosen.get('log') ? 'log' : 'linear'].join('|');
    place.replaceChildren();
    view = await Bokeh.embed.embed_item(structuredClone(charts[name]), place.id);
    for (const model of documentModels()) paint(model, colours());
    place.dataset.shown = name;
  };
  const documentModels = () => {
    const found = new Set();
    const all = view?.roots ?? (view ? [...view] : []);
    for (const each of all) for (const model of each.model.references()) found.add(model);
    return found;
  };
  form.addEventListener('change', show);
  form.addEventListener('submit', (event) => event.preventDefault());
  document.addEventListener('theme', () => {
    for (const model of documentModels()) paint(model, colours());
  });
  show();
})();
