// Runs before anything is shown: sets the theme, so that the page never flashes in the other one, and forbids
// markup made from strings. The plotting library clears elements with an empty string; nothing else may pass.
"use strict";
if (window.trustedTypes) {
  window.trustedTypes.createPolicy("default", {
    createHTML(text) {
      if (text === "") return "";
      throw new TypeError("no markup is made from strings on this page");
    },
  });
}

window.curationTheme = (() => {
  const KEY = "curation-theme";
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  // Storage is forbidden in some browsers for pages that are opened as files: then a choice lasts as long as the page.
  function stored() {
    try {
      return window.localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  function keep(theme) {
    try {
      window.localStorage.setItem(KEY, theme);
      return true;
    } catch {
      return false;
    }
  }

  let chosen = ["light", "dark"].includes(stored()) ? stored() : null;
  const listeners = [];

  function show(theme) {
    document.documentElement.dataset.theme = theme;
    listeners.forEach((listener) => listener(theme));
  }

  const current = () => chosen || (dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => show(current()));
  show(current());
  return {
    current,
    show,
    choose(theme) {
      chosen = theme;
      keep(theme);
      show(theme);
    },
    onChange: (listener) => listeners.push(listener),
  };
})();
