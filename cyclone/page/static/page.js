// Cyclone's page works without this script. It adds: Airflow's theme, local times, dragging a period, arrow keys in a
// grid, and links that leave the frame.
"use strict";
const outer = (() => { try { return parent !== window && parent.document.documentElement; } catch { return null; } })();
const system = matchMedia("(prefers-color-scheme: dark)");
const paint = () => {
  const isDark = outer ? outer.classList.contains("dark") : system.matches;
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
};
paint();
if (outer) new MutationObserver(paint).observe(outer, { attributes: true, attributeFilter: ["class"] });
else system.addEventListener("change", paint);

// A time is shown in the zone of whoever looks, with the zone's name. The title keeps UTC.
const clock = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "short" });
const zone = (at) => new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts(at)
  .find((part) => part.type === "timeZoneName").value;
const localise = () => document.querySelectorAll("time[datetime]").forEach((each) => {
  const at = new Date(each.dateTime);
  each.title = each.textContent;
  each.textContent = `${clock.format(at)} ${zone(at)}`;
});

const leave = (event) => {
  const link = event.target.closest("a[data-airflow], a[data-out]");
  if (!link || !outer || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  if (link.dataset.airflow !== undefined) {
    parent.history.pushState({}, "", link.href);
    parent.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
  } else {  // the frame may not open a window, but the page around it may
    const door = parent.document.createElement("a");
    Object.assign(door, { href: link.href, rel: "noopener", target: link.dataset.out });
    door.click();
  }
};

const dayAt = (plot, x) => {
  const box = plot.getBoundingClientRect();
  const share = Math.min(1, Math.max(0, (x - box.left) / box.width));
  const [since, until] = [Date.parse(plot.dataset.since), Date.parse(plot.dataset.until)];
  const day = new Date(since + Math.min(share * (until - since), until - since - 1));
  return { share: 100 * share, day: day.toISOString().slice(0, 10) };
};
const choosePeriod = (plot) => {
  let start = null;
  const shade = plot.querySelector(".chosen");
  plot.addEventListener("pointerdown", (event) => { if (!event.button) start = { x: event.clientX, ...dayAt(plot, event.clientX) }; });
  addEventListener("pointermove", (event) => {
    if (!start || Math.abs(event.clientX - start.x) < 6) return;
    const end = dayAt(plot, event.clientX);
    shade.hidden = false;
    shade.style.left = `${Math.min(start.share, end.share)}%`;
    shade.style.width = `${Math.abs(end.share - start.share)}%`;
  });
  addEventListener("pointerup", (event) => {
    if (start && !shade.hidden) {
      const days = [start.day, dayAt(plot, event.clientX).day].sort();
      const target = new URL(location.href);
      target.searchParams.delete("days");
      target.searchParams.set("since", days[0]);
      target.searchParams.set("until", days[1]);
      location.assign(target);
    }
    start = null;
  });
  addEventListener("keydown", (event) => { if (event.key === "Escape") { start = null; shade.hidden = true; } });
};

const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const moveInGrid = (event) => {
  const move = MOVES[event.key], cell = event.target.closest(".verdicts td");
  if (!move || !cell) return;
  const row = cell.parentElement, rows = [...row.parentElement.rows];
  const next = rows[rows.indexOf(row) + move[0]]?.cells[cell.cellIndex + move[1]]?.querySelector("a");
  if (next) { event.preventDefault(); next.focus(); }
};

document.addEventListener("DOMContentLoaded", () => {
  localise();
  document.addEventListener("click", leave);
  document.addEventListener("keydown", moveInGrid);
  document.querySelectorAll(".plot[data-since]").forEach(choosePeriod);
  document.querySelectorAll(".scroll.newest").forEach((box) => { box.scrollLeft = box.scrollWidth; });
  // At the click and not at the event "toggle", which comes later: a space that is typed meanwhile would close it again.
  document.querySelectorAll(".actions summary").forEach((each) => each.addEventListener("click", (event) => {
    event.preventDefault();
    each.parentElement.open = !each.parentElement.open;
    if (each.parentElement.open) each.parentElement.querySelector("textarea")?.focus();
  }));
  document.addEventListener("submit", (event) => {
    document.documentElement.classList.add("loading");
    event.target.querySelectorAll("button").forEach((button) => { button.disabled = true; });
    if (event.submitter?.dataset.working) event.submitter.textContent = event.submitter.dataset.working;
  });
});
addEventListener("beforeunload", () => document.documentElement.classList.add("loading"));
addEventListener("pageshow", () => document.documentElement.classList.remove("loading"));
