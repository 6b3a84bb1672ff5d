// Puts the page together.

/** The switch between dark and light. */
function themeSwitch() {
  const theme = window.curationTheme;
  const button = element("button", { type: "button", class: "quiet theme" });
  const tell = () => {
    const dark = document.documentElement.dataset.theme === "dark";
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to the ${dark ? "light" : "dark"} theme`);
  };
  button.addEventListener("click", () =>
    theme.choose(document.documentElement.dataset.theme === "dark" ? "light" : "dark"),
  );
  theme.onChange(tell);
  tell();
  return button;
}

const sections = [
  overview,
  findings,
  mapSection,
  beforeAfter,
  price,
  probe,
  debtSection,
  along,
  tableSection,
  audit,
  timing,
]
  .map((make) => make())
  .filter(Boolean);
const SHORT_NAMES = {
  overview: "Overview",
  findings: "Findings",
  map: "Map",
  balance: "Before and after",
  price: "Price",
  probe: "Does it help?",
  debt: "Repair",
  mixture: "Mixture",
  clusters: "Clusters",
  audit: "Words",
  time: "Time",
};

document.title = `${data.title} – Curation report`;
document.getElementById("page").replaceWith(
  element("a", { class: "skip", href: "#overview" }, "Skip to the content"),
  element(
    "header",
    {},
    element(
      "div",
      { class: "title" },
      element("div", {}, element("p", { class: "over" }, "Curation report"), element("h1", {}, data.title)),
      themeSwitch(),
    ),
    element(
      "nav",
      { "aria-label": "Sections" },
      element(
        "ul",
        {},
        sections.map(({ id }) => element("li", {}, element("a", { href: `#${id}` }, SHORT_NAMES[id]))),
      ),
    ),
  ),
  element("main", {}, sections),
  element(
    "footer",
    {},
    element(
      "p",
      {},
      `Made by Curation ${data.version}. What is shown here is evidence of what was done, not legal advice.`,
    ),
  ),
);
document.documentElement.dataset.ready = "";
