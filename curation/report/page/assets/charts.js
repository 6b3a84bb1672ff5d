// Charts: drawn when they come near the screen, drawn again when theme or width change, each with its figures as a
// table for those who don't see it.
const PALETTES = {
  light: [
    "#0b6e82",
    "#d07a1f",
    "#5a63b8",
    "#6f9430",
    "#b8476b",
    "#8a6d4f",
    "#2f9a7f",
    "#b3951a",
    "#6b7a99",
    "#9b59a8",
    "#2f78c4",
    "#a34b2a",
  ],
  dark: [
    "#4fb9cf",
    "#e59a4a",
    "#8f97e6",
    "#9cc257",
    "#e07a9b",
    "#bf9f7d",
    "#5fc7a8",
    "#d9bd4a",
    "#98a8c9",
    "#c58bd1",
    "#6aa9ea",
    "#d98562",
  ],
};
const OTHERS = { light: "#b9bec4", dark: "#525a62" };

/** The colours of the theme that is shown. */
function colours() {
  const theme = document.documentElement.dataset.theme;
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: of("text"),
    muted: of("muted"),
    line: of("line"),
    surface: of("surface"),
    accent: of("accent"),
    before: of("before"),
    less: of("less"),
    more: of("more"),
    even: of("even"),
    series: PALETTES[theme],
    others: OTHERS[theme],
  };
}

const FONT = { fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", fontSize: 12 };

/** Text in a tooltip: the library would take `{name|…}` for a style, so an invisible sign goes in between. */
const tooltipText = (text) => String(text).replaceAll("{", "{\u2060");

/** What all charts share: no animation where it is not wanted, tooltips drawn on the canvas, never as markup. */
function base(paint) {
  return {
    animation: false,
    textStyle: { ...FONT, color: paint.text },
    aria: { enabled: false },
    grid: { left: 8, right: 16, top: 16, bottom: 8, containLabel: true },
    tooltip: {
      renderMode: "richText",
      confine: true,
      backgroundColor: paint.surface,
      borderColor: paint.line,
      padding: [8, 10],
      textStyle: { ...FONT, color: paint.text },
    },
  };
}

/** An axis of numbers in the page's colours. */
function axis(paint, name, more = {}) {
  return {
    name,
    nameLocation: "middle",
    nameGap: 32,
    nameTextStyle: { color: paint.muted },
    axisLine: { show: true, lineStyle: { color: paint.line } },
    axisTick: { show: false },
    axisLabel: { color: paint.muted },
    splitLine: { lineStyle: { color: paint.line } },
    ...more,
  };
}

const drawn = new Set();

/**
 * A figure: heading, chart, legend, and the same figures as a table.
 *
 * @param {object} parts title; about: what it shows, in a sentence; label: what a reader who can't see it should know;
 *     size: "tall", or height in pixels; option: (colours, width) => what the library draws; legend: colours => [[name, colour]];
 *     figures: () => a table, made when it is asked for; onReady: called with the chart, once.
 */
function figure(parts) {
  const host = element("div", { class: `chart ${parts.size || "middle"}`, role: "img", "aria-label": parts.label });
  if (parts.height) host.style.setProperty("height", `${parts.height}px`);
  const legend = element("ul", { class: "legend", "aria-hidden": "true" });
  const entry = { host, chart: null, draw };
  function draw(width) {
    const paint = colours();
    const first = !entry.chart;
    if (first)
      entry.chart = echarts.init(host, null, {
        renderer: "canvas",
        devicePixelRatio: Math.max(2, window.devicePixelRatio),
      });
    entry.chart.resize(width ? { width } : undefined);
    entry.chart.setOption({ ...base(paint), ...parts.option(paint, host.clientWidth) }, true);
    legend.replaceChildren(
      ...(parts.legend ? parts.legend(paint) : []).map(([name, colour]) => {
        const swatch = element("i", {});
        swatch.style.setProperty("background", colour);
        return element("li", {}, swatch, name);
      }),
    );
    if (first && parts.onReady) parts.onReady(entry.chart);
  }
  drawn.add(entry);
  seen.observe(host);
  const about = parts.about ? element("p", { class: "about" }, parts.about) : null;
  const inner = [element("h3", {}, parts.title), about, host, legend];
  const shown = element("figure", {}, inner, parts.figures ? opened("The same as a table", parts.figures) : null);
  shown.redraw = () => entry.chart && draw();
  return shown;
}

/** A part that is folded away, and made when it is opened first. */
function opened(title, make) {
  const folded = element("details", {}, element("summary", {}, title));
  folded.addEventListener("toggle", () => {
    if (folded.open && folded.children.length === 1) folded.append(make());
  });
  return folded;
}

const seen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      const entry = [...drawn].find(({ host }) => host === target);
      if (isIntersecting && !entry.chart) entry.draw();
    }
  },
  { rootMargin: "300px" },
);

const redraw = (width) => drawn.forEach((entry) => entry.chart && entry.draw(width));
let waiting = 0;
window.addEventListener("resize", () => {
  window.clearTimeout(waiting);
  waiting = window.setTimeout(() => redraw(), 120);
});
window.curationTheme.onChange(() => redraw());

// On paper: every chart, in light colours. The styles stretch it to the width that it has there.
const PAPER = 900;
window.addEventListener("beforeprint", () => {
  window.curationTheme.show("light");
  drawn.forEach((entry) => entry.draw(Math.min(PAPER, entry.host.clientWidth || PAPER)));
});
window.addEventListener("afterprint", () => {
  window.curationTheme.show(window.curationTheme.current());
  redraw();
});
