// Makes the pictures of docs/board.md and docs/claims.md anew: tests/browser/run pictures
//
// Pages come from the board's example. Terminals are those of the program over a real hub: where
// HUB names its kubeconfig, as the playground prints it, after `board fill $HUB`.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { PAGES, board, browser } from "./stage.mjs";

const OUT = "docs/pictures";

const chrome = await browser();
const shown = await board();
const scratch = mkdtempSync(join(tmpdir(), "board-"));
mkdirSync(OUT, { recursive: true });

/** Takes a picture, and makes it small. */
async function take(page, name, options = {}) {
  const png = join(scratch, `${name}.png`);
  await page.screenshot({ path: png, fullPage: true, ...options });
  execFileSync("cwebp", ["-quiet", "-lossless", "-z", "9", png, "-o", `${OUT}/${name}.webp`]);
}

async function picture(name, path, { scheme = "light", width = 1100, height = 500, full = true } = {}) {
  const context = await chrome.newContext({
    colorScheme: scheme,
    viewport: { width, height },
    deviceScaleFactor: 1.25,
  });
  const page = await context.newPage();
  await page.goto(shown.address + path);
  await take(page, name, { fullPage: full });
  await context.close();
}

// What the program writes in colour, as a terminal would show it.
const COLOURS = { 1: "font-weight:bold", 2: "opacity:.65", 31: "color:#ff8a8a", 32: "color:#7ddaa6", 33: "color:#f2c36b", 36: "color:#7fd7e8" };
const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const html = (ansi) =>
  escape(ansi.replaceAll("\r", "")).replaceAll(/\x1b\[([\d;]*)m/g, (_, codes) =>
    codes === "" || codes === "0"
      ? "</span>"
      : `<span style="${codes.split(";").map((code) => COLOURS[code] ?? "").join(";")}">`,
  );

async function terminal(name, ...lines) {
  const said = lines.map((line) => {
    const [command, told = command] = Array.isArray(line) ? line : [line];
    // `script` is a terminal, so the program writes as for one.
    const words = `stty cols 160; ${command}`;
    const text = execFileSync("script", ["-qec", words, "/dev/null"], { encoding: "utf8" });
    return `<b style="color:#8cb8ff">$</b> ${escape(told)}\n${html(text)}`;
  });
  const page = await chrome.newPage({ deviceScaleFactor: 1.25 });
  await page.setContent(
    `<pre style="display:inline-block;margin:0;padding:1rem 1.25rem;background:#12161b;color:#e6eaef;` +
      `font:13px/1.45 'DejaVu Sans Mono',monospace">${said.join("\n")}</pre>`,
  );
  const png = join(scratch, `${name}.png`);
  await page.locator("pre").screenshot({ path: png });
  execFileSync("cwebp", ["-quiet", "-lossless", "-z", "9", png, "-o", `${OUT}/${name}.webp`]);
  await page.close();
}

try {
  await picture("board-overview-light", "/");
  await picture("board-overview-dark", "/", { scheme: "dark" });
  await picture("board-claims-light", "/claims?q=lake", { height: 900, full: false });
  await picture("board-claim-light", PAGES.conflict);
  await picture("board-transfer-dark", PAGES.transfer, { scheme: "dark", height: 1000, full: false });
  await picture("board-narrow-light", "/", { width: 360, height: 900, full: false });
  if (process.env.HUB) {
    const hub = `--registry kubernetes:${process.env.HUB}`;
    const program = "target/debug/aso-guard";
    const run = (words) => [`${program} ${words} ${hub}`, `aso-guard ${words}`];
    await terminal(
      "terminal-claims",
      run("members list -o wide"),
      run("claims list --resource-group rg-checkout"),
      run("claims show kv-checkout"),
    );
    await terminal("terminal-transfer", run("transfer status search-to-north"));
  } else {
    console.log("No pictures of terminals: HUB names no hub.");
  }
} finally {
  rmSync(scratch, { recursive: true });
  shown.stop();
  await chrome.close();
}
