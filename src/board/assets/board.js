"use strict";

// Keeps a page in step: fetches it again every few seconds and puts the new content in place
// of the old. Without this script, the page reloads itself instead.

const every = Number(document.body.dataset.every) * 1000;
const paceAt = document.getElementById("pace");
const lost = document.getElementById("lost");
let paused = false;
let last = null;

// Whether a swap would take something out of somebody's hands.
const isInUse = () => {
  const marked = window.getSelection();
  return Boolean(marked && !marked.isCollapsed && String(marked).trim());
};

// A way to find an element again after its surroundings were replaced.
const mark = (element) => {
  if (!element || !element.closest("main") || element.id === "content") return null;
  const alike = (root) => [...root.querySelectorAll("a, [tabindex], summary")];
  const main = document.getElementById("content");
  const address = element.getAttribute("href");
  const at = alike(main).indexOf(element);
  return (fresh) => {
    const all = alike(fresh);
    return all.find((one) => address && one.getAttribute("href") === address) || all[at];
  };
};

const show = (text) => {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const content = fresh.getElementById("content");
  if (!content) throw new Error("no page of the board");
  const asOf = document.getElementById("as-of");
  asOf.textContent = fresh.getElementById("as-of").textContent;
  if (content.innerHTML === last) return;
  last = content.innerHTML;
  const again = mark(document.activeElement);
  document.title = fresh.title;
  const main = document.getElementById("content");
  main.replaceChildren(...content.childNodes);
  const focused = again && again(main);
  if (focused) focused.focus({ preventScroll: true });
};

const look = async () => {
  if (paused || document.hidden || isInUse()) return;
  const answer = await fetch(location.href, { signal: AbortSignal.timeout(20000) });
  show(await answer.text());
  lost.textContent = "";
};

const turn = async () => {
  try {
    await look();
  } catch {
    if (!lost.textContent) {
      lost.textContent =
        "The board does not answer any more: is aso-guard dashboard still running? " +
        "What is shown here is as of the time above.";
    }
  }
  setTimeout(turn, every);
};

const button = document.createElement("button");
button.type = "button";
const name = () => {
  button.textContent = paused ? "Go on updating" : "Pause updates";
};
button.addEventListener("click", () => {
  paused = !paused;
  name();
});
name();
paceAt.append(`Looked at again every ${every / 1000} s. `, button);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) look().catch(() => {});
});
setTimeout(turn, every);
