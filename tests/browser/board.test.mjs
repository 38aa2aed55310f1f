// The board in a real browser: what people see, hear and type. tests/browser/run runs it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { PAGES, axe, board, browser, claim } from "./stage.mjs";

let chrome;
let shown;

before(async () => {
  [chrome, shown] = await Promise.all([browser(), board()]);
});

after(async () => {
  await chrome?.close();
  shown?.stop();
});

/** A page, and all that went wrong in it: errors, refused loads, requests to elsewhere. */
async function open(path, options = {}, on = shown) {
  const context = await chrome.newContext({ viewport: { width: 1200, height: 800 }, ...options });
  const page = await context.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => {
    // That an answer is no 200 is what some pages are about.
    const status = message.text().startsWith("Failed to load resource: the server responded");
    if (message.type() === "error" && !status) wrong.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(on.address)) wrong.push(`asked for ${request.url()}`);
  });
  await page.goto(on.address + path);
  return { page, wrong, close: () => context.close() };
}

const LOOKS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  narrow: { viewport: { width: 320, height: 700 } },
  "in forced colours": { forcedColors: "active" },
};

for (const [look, options] of Object.entries(LOOKS)) {
  describe(`every page, ${look}`, () => {
    for (const [name, path] of Object.entries(PAGES)) {
      test(name, async () => {
        const { page, wrong, close } = await open(path, options);
        await page.evaluate(axe.source);
        const found = await page.evaluate(() =>
          axe.run(document, {
            runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
          }),
        );
        // Whoever has colours of their own sees those, and axe the page's.
        const own = (one) => look === "in forced colours" && one.id === "color-contrast";
        const told = found.violations.filter((one) => !own(one)).map(
          (one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).join("; ")}`,
        );
        assert.deepEqual(told, []);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${wide} pixels are beyond the edge`);
        assert.equal(await page.locator("h1").count(), 1);
        assert.deepEqual(wrong, []);
        await close();
      });
    }
  });
}

test("every state is a word and a shape, not a colour alone", async () => {
  for (const path of Object.values(PAGES)) {
    const { page, close } = await open(path);
    for (const badge of await page.locator(".badge").all()) {
      assert.match(await badge.innerText(), /\w/);
      const shape = await badge.locator("use").getAttribute("href");
      assert.equal(await page.locator(`symbol${shape}`).count(), 1, shape);
    }
    await close();
  }
});

test("nothing moves for those who want it still", async () => {
  const { page, close } = await open("/", { reducedMotion: "reduce" });
  const moving = await page.evaluate(() => document.getAnimations().length);
  assert.equal(moving, 0);
  await close();
});

test("a search and its pages, by keyboard alone", async () => {
  const { page, wrong, close } = await open("/claims");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "q");
  await page.keyboard.type("st");
  await page.keyboard.press("Enter");
  await page.waitForURL(/q=st/);
  const rows = page.locator("tbody tr");
  assert.ok((await rows.count()) > 10);
  await page.goto(`${shown.address}/claims`);
  assert.equal(await rows.count(), 50);
  const first = await rows.first().innerText();
  await page.locator("a[rel=next]").focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(/at=/);
  assert.notEqual(await rows.first().innerText(), first);
  await page.goBack();
  assert.equal(await rows.first().innerText(), first);
  assert.deepEqual(wrong, []);
  await close();
});

test("an open page keeps in step, and keeps the focus", async () => {
  const own = await board();
  const { page, wrong, close } = await open("/conflicts", {}, own);
  await page.evaluate(() => (window.neverReloaded = true));
  const link = page.locator("main a").first();
  await link.focus();
  // Its times go on, and the focus stays where it was.
  const time = await page.locator("#as-of").innerText();
  await page.waitForFunction(
    (time) => document.getElementById("as-of").textContent !== time,
    time,
  );
  const focused = () => page.evaluate(() => document.activeElement.getAttribute("href"));
  assert.equal(await focused(), await link.getAttribute("href"));
  own.tell("park kv-checkout");
  await page.getByText("No resource has more than one live copy").waitFor();
  assert.equal(await page.evaluate(() => window.neverReloaded), true);
  assert.deepEqual(wrong, []);
  await close();
  own.stop();
});

test("a transfer moves while it is looked at", async () => {
  const own = await board();
  const { page, wrong, close } = await open("/transfer?name=search-to-north", {}, own);
  const parked = page.locator(".steps li").first();
  assert.match(await parked.innerText(), /14 of 18/);
  const width = () => parked.locator("rect").getAttribute("width").then(Number);
  const before = await width();
  // Each word takes the first resource that is not through one step on: of the five that are
  // parked and the four that are live in the source, all get to the end within 40.
  for (let words = 0; words < 40; words++) own.tell("step");
  await parked.getByText("18 of 18").waitFor();
  assert.ok((await width()) > before);
  await page.locator(".steps li").last().getByText("18 of 18").waitFor();
  assert.deepEqual(wrong, []);
  await close();
  own.stop();
});

test("updates can be paused", async () => {
  const { page, close } = await open("/");
  let asked = 0;
  page.on("request", () => asked++);
  await page.getByRole("button", { name: "Pause updates" }).click();
  await page.waitForTimeout(6000);
  assert.equal(asked, 0);
  await page.getByRole("button", { name: "Go on updating" }).click();
  await page.waitForRequest(() => true);
  await close();
});

test("a registry that is away is said to be, and the page recovers by itself", async () => {
  const own = await board();
  const { page, wrong, close } = await open("/", {}, own);
  own.tell("away");
  await page.getByRole("heading", { name: "The registry does not answer" }).waitFor();
  assert.match(await page.title(), /does not answer/);
  own.tell("back");
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  assert.deepEqual(wrong, []);
  await close();
  own.stop();
});

test("a board that ended leaves what it showed, and says that it is old", async () => {
  const own = await board();
  const { page, close } = await open("/members", {}, own);
  own.stop();
  await page.getByText("The board does not answer any more").waitFor();
  assert.ok(await page.getByRole("heading", { name: "Members" }).isVisible());
  await close();
});

test("without script the pages are the same, and reload themselves", async () => {
  const { page, close } = await open("/", { javaScriptEnabled: false });
  assert.ok(await page.getByRole("heading", { name: "Members" }).isVisible());
  await page.waitForRequest((request) => request.isNavigationRequest(), { timeout: 20000 });
  await close();
});

test("names that are markup stay text", async () => {
  const own = await board();
  const name = "<img src=x onerror=document.body.dataset.broken=1>";
  own.tell(`claim ${name}`);
  const { page, wrong, close } = await open("/claims?q=onerror", {}, own);
  await page.getByText(name).first().waitFor();
  await page.goto(own.address + claim("hostile"));
  await page.getByText(name).first().waitFor();
  assert.equal(await page.locator("img").count(), 0);
  assert.equal(await page.evaluate(() => document.body.dataset.broken), undefined);
  assert.deepEqual(wrong, []);
  await close();
  own.stop();
});
