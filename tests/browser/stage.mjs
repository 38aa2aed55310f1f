// A board over a registry that has a bit of everything, and a browser to look at it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// From NODE_PATH, which only require() looks at: nothing is installed beside these files.
const require = createRequire(import.meta.url);
export const { chromium } = require("playwright-core");
export const axe = require("axe-core");

const group = (name) =>
  `/subscriptions/5f1d0c5e-8a0b-4c3e-9d52-0b6f0a8c7e11/resourceGroups/rg-${name}`;

/** The address of a claim's page. */
export const claim = (name, rest = "") =>
  `/claim?id=${encodeURIComponent(group(name) + (rest && `/providers/${rest}`))}`;

/** Every kind of page, by a name for it. */
export const PAGES = {
  overview: "/",
  claims: "/claims",
  search: "/claims?q=checkout&state=conflict",
  nothing: "/claims?q=there-is-no-such-thing",
  conflict: claim("checkout", "Microsoft.KeyVault/vaults/kv-checkout"),
  pending: claim("invoices", "Microsoft.DBforPostgreSQL/flexibleServers/psql-invoices"),
  history: claim("billing", "Microsoft.ServiceBus/namespaces/sb-billing"),
  silent: claim("sandbox"),
  members: "/members",
  conflicts: "/conflicts",
  orphans: "/orphans",
  transfers: "/transfers",
  transfer: "/transfer?name=search-to-north",
  missing: "/claim?id=nothing",
};

/** A board of its own: where it is, and a way to tell its registry something. */
export async function board() {
  const program = spawn("target/debug/examples/board", ["127.0.0.1:0"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [line] = await once(createInterface(program.stdout), "line");
  const address = line.match(/http:\/\/\S+/)[0].replace(/\/$/, "");
  // The first look has the claims counted.
  const counted = async () => {
    for (let tries = 0; tries < 100; tries++) {
      const page = await (await fetch(`${address}/`)).text();
      if (page.includes("in all")) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error("the claims were not counted");
  };
  await counted();
  return {
    address,
    tell: (words) => program.stdin.write(`${words}\n`),
    stop: () => program.kill(),
  };
}

/** A browser. It runs without its own sandbox where it is root, as in a container. */
export async function browser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: process.getuid() === 0 ? ["--no-sandbox"] : [],
  });
}
