// Small comforts; every page works without them.
"use strict";

// A live page asks for its figures again every second and puts in what has changed, keeping what is open, scrolled and focused.
(() => {
  const main = document.querySelector("main[data-part]");
  const live = document.getElementById("live");
  if (!main || !live) return;
  let tag = null, failed = 0, timer = 0, paused = false;
  const say = (state) => {
    if (live.dataset.state === state) return;
    live.dataset.state = state;
    live.textContent = live.getAttribute("data-text-" + state);
  };
  const take = (html) => {
    const next = new DOMParser().parseFromString(html, "text/html");
    for (const now of main.querySelectorAll("section.figure")) {
      const then = next.getElementById(now.id);
      if (!then) continue;
      const a = now.querySelector(".body"), b = then.querySelector(".body");
      if (a.innerHTML === b.innerHTML) continue;
      const focused = a.contains(document.activeElement) && document.activeElement.getAttribute("href");
      const left = a.querySelector(".scroll")?.scrollLeft;
      a.replaceChildren(...b.childNodes);
      if (left) a.querySelector(".scroll").scrollLeft = left;
      if (focused) [...a.querySelectorAll("a")].find((l) => l.getAttribute("href") === focused)?.focus();
    }
  };
  const ask = async () => {
    try {
      const answer = await fetch(main.dataset.part, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store", signal: AbortSignal.timeout(15000) });
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(answer.status);
        tag = answer.headers.get("ETag");
        const html = await answer.text();
        if (!getSelection().toString()) take(html); // do not take away what somebody is copying
      }
      failed = 0;
      say("on");
    } catch {
      failed++;
      if (failed > 2) say("stale");
    }
    next();
  };
  const next = () => {
    clearTimeout(timer);
    if (!document.hidden && !paused) timer = setTimeout(ask, Math.min(30000, 1000 * 2 ** Math.min(failed, 5)));
  };
  document.addEventListener("visibilitychange", next);
  live.tabIndex = 0;
  live.title = "";
  const flip = () => { paused = !paused; say(paused ? "off" : "on"); next(); };
  live.setAttribute("role", "button");
  live.addEventListener("click", flip);
  live.addEventListener("keydown", (e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); flip(); } });
  say("on");
  next();
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
