"use strict";

// A button beside each command that copies it. Without this script commands are marked by hand.

const content = document.getElementById("content");

// Where there is no clipboard (a page that came by plain HTTP from another machine), the command is
// marked, for the keyboard to copy.
const copy = async (code) => {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(code.textContent);
    return "Copied";
  }
  window.getSelection().selectAllChildren(code);
  return "Marked";
};

const furnish = () => {
  for (const code of content.querySelectorAll(".command > code:only-child")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-live", "polite");
    code.after(button);
  }
};

content.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  try {
    button.textContent = await copy(button.previousElementSibling);
  } catch {
    button.textContent = "Not copied";
  }
  setTimeout(() => {
    button.textContent = "Copy";
  }, 2000);
});

furnish();
new MutationObserver(furnish).observe(content, { childList: true });
