// What only a browser can tell: node test.mjs URL CHROMIUM GUARDED. The server at URL has the data of browser_test.go; POST /till-fails has one more till fail, POST
// /chain-grows adds 100,000 tills. At GUARDED people log in at a provider.
import axe from "axe-core";
import puppeteer from "puppeteer-core";
import assert from "node:assert/strict";

const [base, executablePath, guarded] = process.argv.slice(2);
const browser = await puppeteer.launch({
  executablePath, headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const page = await browser.newPage();
  await page.setViewport({ width: 1300, height: 900 });
  const trouble = [];
  page.on("console", (m) => { if (m.type() === "error") trouble.push(m.text()); }); // violations of the policy too
  page.on("pageerror", (e) => trouble.push(String(e)));
  page.on("requestfailed", (r) => { if (!r.url().includes("part=1") && !r.url().includes("/live/")) trouble.push(`${r.url()}: ${r.failure().errorText}`); });
  page.on("request", (r) => { if (!/^data:/.test(r.url()) && !r.url().startsWith(base)) trouble.push(`${r.url()} is elsewhere`); }); // data: are icons of the browser

  const barriers = [];
  const paths = ["now", "now?store=S1", "availability", "availability?store=S1", "availability?store=S1&terminal=S1-T1", "sales", "events", "agreements", "customers", "nonsense"];
  for (const path of paths) {
    for (const look of ["theme=light&lang=en", "theme=dark&lang=fr"]) {
      const answer = await page.goto(`${base}/console/${path}${path.includes("?") ? "&" : "?"}${look}`, { waitUntil: "load" });
      if (path === "nonsense") trouble.length = 0; // that it is not there is an error to the browser
      else assert.equal(answer.status(), 200, path);
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
      barriers.push(...violations.map((v) => `${path} ${look}: ${v.id}: ${v.nodes.slice(0, 2).map((n) => n.html + " " + n.failureSummary).join("; ")}`));
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) barriers.push(`${path} ${look} is ${wide} px wider than the window`);
    }
  }
  assert.deepEqual(barriers, []);
  assert.deepEqual(trouble, []);

  // By keyboard: past the head, to the field of the store, and along the bars of a timeline, each of which says what it is.
  await page.goto(`${base}/console/availability?lang=en&store=S1&terminal=S1-T1`);
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.name), "store");
  await page.$eval(".days a", (a) => a.focus()); // of SVG, which page.focus does not take
  const first = await page.$eval("#evidence", (e) => e.textContent);
  assert.match(first, /^down, .*PRT-07/);
  const told = () => page.$eval("#evidence", (e) => e.textContent);
  await page.keyboard.press("ArrowRight");
  if ((await told()) === first) await page.keyboard.press("ArrowRight"); // it goes on after midnight
  assert.match(await told(), /^silent, /);
  await page.keyboard.press("Enter");
  assert.match(await page.evaluate(() => location.hash), /^#i\d+$/);

  // By mouse: from the board to the store and its till; a form keeps what the address says.
  await page.goto(`${base}/console/now?lang=en&theme=dark`);
  await Promise.all([page.waitForNavigation(), page.click("#board td a")]);
  assert.match(page.url(), /store=S1/);
  await Promise.all([page.waitForNavigation(), page.click("#troubled td a[href*=terminal]")]);
  assert.match(page.url(), /availability\?.*terminal=/);
  await page.$eval("input[name=zone]", (e) => { e.value = "Europe/Paris"; });
  await Promise.all([page.waitForNavigation(), page.click("form button")]);
  const at = new URL(page.url()).searchParams;
  assert.deepEqual([at.get("zone"), at.get("lang"), at.get("theme"), at.has("from")], ["Europe/Paris", "en", "dark", false]);

  // Live by events, which nothing polls beside: a till fails, the tile follows, and what was opened and focused stays so.
  const polled = [], polls = (r) => r.url().includes("/now?") && r.url().includes("part=1") && !r.url().includes("/live/");
  page.on("request", (r) => { if (polls(r)) polled.push(r.url()); });
  await page.goto(`${base}/console/now?lang=en`);
  const down = () => page.$$eval("#tills .tile", (all) => all.find((t) => t.querySelector("dt").textContent === "Down").querySelector("dd").textContent);
  assert.equal(await down(), "1");
  await page.click("#tills summary");
  await page.focus("#board td a");
  await fetch(`${base}/till-fails`, { method: "POST" });
  await page.waitForFunction(() => [...document.querySelectorAll("#tills .tile.bad dd")].some((d) => d.textContent === "2"), { timeout: 60000 });
  assert.ok(await page.$eval("#tills details", (d) => d.open));
  assert.match(await page.evaluate(() => document.activeElement.href), /store=/);
  assert.deepEqual(polled, []);
  await page.click("#live");
  assert.equal(await page.$eval("#live", (l) => l.textContent), "paused");
  assert.deepEqual(trouble, []);

  // Where events do not come through, the page asks.
  await page.setRequestInterception(true);
  const without = (r) => (r.url().includes("/live/") ? r.respond({ status: 503 }) : r.continue());
  page.on("request", without);
  await page.goto(`${base}/console/now?lang=en`);
  await page.waitForRequest(polls, { timeout: 240000 });
  page.off("request", without);
  await page.setRequestInterception(false);

  // 100,000 tills: what the page holds stays small. How long the browser is busy at a time depends on the machine, and is only told.
  await fetch(`${base}/chain-grows`, { method: "POST" });
  await page.evaluateOnNewDocument(() => { window.busy = []; new PerformanceObserver((l) => busy.push(...l.getEntries().map((e) => Math.round(e.duration)))).observe({ type: "longtask", buffered: true }); });
  await page.goto(`${base}/console/now?lang=en`, { timeout: 240000 });
  await page.waitForFunction(() => [...document.querySelectorAll("#tills dd")].some((d) => /^100,00\d$/.test(d.textContent)), { timeout: 240000 });
  const loaded = await page.evaluate(() => busy.length);
  const changes = await page.evaluate(() => new Promise((done) => { // until what is live has changed ten times
    let n = 0;
    new MutationObserver(() => { if (++n === 10) done(n); }).observe(document.querySelector("#fresh .body"), { childList: true });
  }));
  const { size, busy } = await page.evaluate(() => ({ size: document.querySelectorAll("*").length, busy: window.busy }));
  assert.ok(size < 5000, `${size} elements`);
  console.log(`100,000 tills: ${size} elements; tasks of 50 ms and more while loading: ${busy.slice(0, loaded)}; during ${changes} live changes: ${busy.slice(loaded)} ms`);

  // Through the provider and back to where one wanted to go; a try of a replay; out again.
  const person = await browser.newPage();
  await person.goto(`${guarded}/console/events?lang=en`);
  assert.equal(person.url(), `${guarded}/console/events?lang=en`);
  assert.equal(await person.$eval(".who", (w) => w.textContent), "ann");
  assert.equal(await person.evaluate(() => document.cookie), "");
  await Promise.all([person.waitForNavigation(), person.click("td button")]);
  assert.equal(await person.$eval("h1", (h) => h.textContent), "What would be sent");
  await person.evaluate(axe.source);
  const { violations } = await person.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  assert.deepEqual(violations.map((v) => v.id), []);
  await Promise.all([person.waitForNavigation(), person.click("header button")]);
  assert.equal(await person.$eval("h1", (h) => h.textContent), "You are logged out");
  assert.equal(await person.evaluate(async () => (await fetch("/console/now?part=1")).status), 401);
} finally {
  await browser.close();
}
