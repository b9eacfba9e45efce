// Small comforts; every page works without them.
"use strict";

// A live page is told what changes (server-sent events); where that does not come through, it asks for its figures again every second. What is
// open, scrolled and focused stays so.
(() => {
  const main = document.querySelector("main[data-part]");
  const live = document.getElementById("live");
  if (!main || !live) return;
  let source = null, tag = null, failed = 0, timer = 0, paused = false, polls = false;
  const waiting = new Map(); // bodies that came while somebody was copying
  const say = (state) => {
    if (live.dataset.state === state) return;
    live.dataset.state = state;
    live.textContent = live.getAttribute("data-text-" + state);
  };
  const put = (id, html) => {
    const a = document.querySelector(`section.figure#${CSS.escape(id)} .body`);
    if (!a) return;
    const b = new DOMParser().parseFromString(html, "text/html").body;
    if (a.innerHTML === b.innerHTML) return;
    const focused = a.contains(document.activeElement) && document.activeElement.getAttribute("href");
    const was = a.querySelector(".scroll"), left = was?.scrollLeft, top = was?.scrollTop, onScroll = was && was === document.activeElement;
    a.replaceChildren(...b.childNodes);
    const now = a.querySelector(".scroll");
    if (now) { now.scrollLeft = left ?? 0; now.scrollTop = top ?? 0; }
    if (onScroll) now?.focus({ preventScroll: true });
    if (focused) [...a.querySelectorAll("a")].find((l) => l.getAttribute("href") === focused)?.focus({ preventScroll: true });
  };
  const take = (id, html) => {
    waiting.set(id, html);
    if (getSelection().toString()) return; // do not take away what somebody is copying
    for (const [id, html] of waiting) put(id, html);
    waiting.clear();
  };
  const stop = () => { clearTimeout(timer); source?.close(); source = null; };
  const soon = (what, ms) => { clearTimeout(timer); timer = setTimeout(what, ms); };
  const ask = async () => {
    try {
      const answer = await fetch(main.dataset.part, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store", signal: AbortSignal.timeout(15000) });
      if (answer.status === 401) { location.reload(); return; } // the session is over: whoever knows the person is asked again
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(answer.status);
        tag = answer.headers.get("ETag");
        const html = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const s of html.querySelectorAll("section.figure")) take(s.id, s.querySelector(".body").innerHTML);
      }
      failed = 0;
      say("on");
    } catch {
      if (++failed > 2) say("stale");
    }
    if (!document.hidden && !paused) soon(ask, Math.min(30000, 1000 * 2 ** Math.min(failed, 5)));
  };
  const silent = () => { // no answer, or a proxy that keeps it to itself
    stop();
    polls = true;
    ask();
  };
  const listen = () => {
    source = new EventSource(main.dataset.stream);
    const heard = () => { failed = 0; say("on"); soon(silent, 40000); };
    source.addEventListener("figure", (e) => { const f = JSON.parse(e.data); heard(); take(f.id, f.html); });
    source.addEventListener("beat", heard);
    source.onerror = () => {
      if (source?.readyState === EventSource.CLOSED) silent(); // it was refused; else the browser tries again
      else if (++failed > 2) say("stale");
    };
    soon(silent, 10000);
  };
  const start = () => { stop(); if (!document.hidden && !paused) polls ? ask() : listen(); }; // a hidden page takes no connection
  document.addEventListener("visibilitychange", start);
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (e) => { if (e.persisted) start(); });
  live.tabIndex = 0;
  live.setAttribute("role", "button");
  const flip = () => { paused = !paused; say(paused ? "off" : "on"); start(); };
  live.addEventListener("click", flip);
  live.addEventListener("keydown", (e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); flip(); } });
  say("on");
  start();
})();

// What a bar of the timeline, or a cell of a heat map, says stands below it while it is pointed at or focused.
(() => {
  const evidence = document.getElementById("evidence");
  if (!evidence) return;
  const hint = evidence.textContent;
  const text = (e) => e.target.closest("svg rect, svg a")?.querySelector("title")?.textContent ?? e.target.closest("svg a")?.getAttribute("aria-label");
  for (const kind of ["pointerover", "focusin"]) document.addEventListener(kind, (e) => { const t = text(e); if (t) evidence.textContent = t; });
  document.querySelector(".days")?.addEventListener("pointerleave", () => { if (!document.activeElement.closest(".days")) evidence.textContent = hint; });
  // Arrows go from bar to bar.
  document.addEventListener("keydown", (e) => {
    const bars = [...document.querySelectorAll(".days a")];
    const at = bars.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (at < 0 || !step) return;
    e.preventDefault();
    bars[Math.max(0, Math.min(bars.length - 1, at + step))].focus();
  });
})();

// The browser's own time zone is offered; a form leaves out what is empty, so that addresses stay short. A date in it replaces the range.
(() => {
  const zones = document.getElementById("zones");
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zones && own && ![...zones.children].some((o) => o.value === own)) zones.prepend(Object.assign(document.createElement("option"), { value: own }));
  document.querySelector("form.filter")?.addEventListener("formdata", (e) => {
    const form = e.target;
    const dates = [form.elements.from, form.elements.to].filter(Boolean);
    if (dates.every((d) => d.value === d.defaultValue) && !new URLSearchParams(location.search).has("from")) {
      for (const d of dates) e.formData.delete(d.name);
      const range = new URLSearchParams(location.search).get("range");
      if (range) e.formData.set("range", range);
    }
    for (const [key, value] of [...e.formData]) if (!value || (key === "zone" && value === "UTC")) e.formData.delete(key);
  });
  // "/" goes to the field of the store.
  document.addEventListener("keydown", (e) => {
    if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) return;
    const store = document.querySelector('input[name="store"]');
    if (store) { e.preventDefault(); store.select(); }
  });
})();
