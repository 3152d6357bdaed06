'use strict';
// Shows the one chart of a set that its controls choose.
(() => {
  const charts = JSON.parse(document.getElementById('charts').textContent);
  const place = document.getElementById('chart');
  const form = document.getElementById('curves');
  const show = async () => {
    const chosen = new FormData(form);
    const scale = chosen.get('log') ? 'log' : 'linear';
    const name = [chosen.get('score'), chosen.get('x'), scale].join('|');
    place.replaceChildren();
    await Bokeh.embed.embed_item(structuredClone(charts[name]), place.id);
    place.dataset.shown = name;
  };
  form.addEventListener('change', show);
  form.addEventListener('submit', (event) => event.preventDefault());
  show();
})();
