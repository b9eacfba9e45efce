// The search. What it looks through is loaded when somebody wants to search.
'use strict';
(() => {
  const root = document.documentElement.dataset.root;
  const box = document.getElementById('search');
  const found = document.getElementById('found');
  const article = document.querySelector('article');
  const most = 30;
  let sections = null, asked = false;

  window.searchable = (all) => {
    sections = all.map((s) => ({...s, heading: (s.page + ' ' + s.title).toLowerCase(), lower: s.text.toLowerCase()}));
    show();
  };

  const load = () => {
    if (asked) return;
    asked = true;
    const script = document.createElement('script');
    script.src = root + 'search.js';
    document.head.append(script);
  };

  // rank counts words in headings most; 0: one of the words is nowhere.
  const rank = (s, words) => words.reduce((sum, w) => {
    const inHeading = s.heading.includes(w), times = s.lower.split(w).length - 1;
    return sum && (inHeading || times) ? sum + (inHeading ? 20 : 0) + Math.min(times, 5) : 0;
  }, 1);

  const excerpt = (s, words) => {
    const p = document.createElement('p');
    const first = Math.min(...words.map((w) => s.lower.indexOf(w)).filter((i) => i >= 0), s.text.length);
    const from = Math.max(0, (first < s.text.length ? first : 0) - 60), text = s.text.slice(from, from + 220);
    const lower = text.toLowerCase();
    p.append(from > 0 ? '…' : '');
    for (let i = 0; i < text.length;) {
      const next = words.map((w) => [lower.indexOf(w, i), w.length]).filter(([at]) => at >= 0).sort((a, b) => a[0] - b[0] || b[1] - a[1])[0];
      if (!next) { p.append(text.slice(i)); break; }
      const mark = document.createElement('mark');
      mark.textContent = text.slice(next[0], next[0] + next[1]);
      p.append(text.slice(i, next[0]), mark);
      i = next[0] + next[1];
    }
    p.append(from + 220 < s.text.length ? '…' : '');
    return p;
  };

  const show = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    found.hidden = words.length === 0 || !sections;
    article.hidden = !found.hidden;
    if (found.hidden) return;
    const hits = sections.map((s) => [rank(s, words), s]).filter(([n]) => n > 0).sort((a, b) => b[0] - a[0]);
    const head = document.createElement('h1');
    head.textContent = hits.length ? `${hits.length} found` : 'Nothing found';
    found.replaceChildren(head);
    for (const [, s] of hits.slice(0, most)) {
      const a = document.createElement('a');
      a.href = root + s.url;
      a.textContent = s.page === s.title ? s.page : `${s.page} · ${s.title}`;
      a.addEventListener('click', () => { box.value = ''; show(); }); // it may lead to this very page
      found.append(a, excerpt(s, words));
    }
  };

  document.querySelector('search').hidden = false;
  box.addEventListener('focus', load);
  box.addEventListener('input', () => { load(); show(); });
  document.addEventListener('keydown', (e) => {
    if (e.key === '/' && document.activeElement !== box && !e.ctrlKey && !e.metaKey && !e.altKey) { e.preventDefault(); box.focus(); }
    if (e.key === 'Escape' && document.activeElement === box) { box.value = ''; show(); box.blur(); }
  });
})();
