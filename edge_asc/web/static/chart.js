/*
 * What was heard in the last day or less as a picture, drawn anew for the width that there is:
 *
 *     bus        |      ====            ==   |   one row for each scene
 *     metro      |  ===     =====///         |   /// where sound was lost
 *     unknown    |                           |
 *     level      |~~~~~~~~~~~~~~~   ~~~~~~~~~|
 *                 06:00    12:00    18:00
 */

import { byId, draw, make, makeRow, setText, tone } from "./dom.js";
import {
  clock, count, duration, isNumber, lostTime, number, percent, sceneName, sceneTitle, toMs, weekday,
} from "./format.js";

const MINUTE_MS = 60_000;
const TICK_STEPS = [10, 30, 60, 180, 360, 720, 1440];
const TICK_PX = 50;
const NARROW_PX = 560;
const LANE_PX = 18;
const BAND_PX = 10;
const LEVEL_PX = 48;
const LEVEL_SPACE_PX = 14;
const AXIS_PX = 26;
const RIGHT_PX = 10;
const FLOOR_DBFS = -80;
const MOST_ROWS = 300;
const SLIDER_STEPS = 1440;

/** Nobody heard between two points that are farther apart than so many usual steps. */
const HOLE_STEPS = 3;

export class History {
  #box = byId("chart");
  #slider = byId("moment");
  #day = null;
  #cursor = null;
  #picture = null;

  constructor() {
    this.#slider.max = SLIDER_STEPS;
    this.#slider.value = SLIDER_STEPS;
    new ResizeObserver(() => this.#draw()).observe(this.#box);
    this.#slider.addEventListener("input", () => this.#point());
    this.#box.addEventListener("pointermove", (event) => this.#pointAt(event));
    this.#box.addEventListener("pointerdown", (event) => this.#pointAt(event));
  }

  /** `answer`: what /api/history says. */
  show(answer) {
    const day = toDay(answer);
    this.#day = day;
    this.#draw();
    this.#point();
    setText(byId("history-summary"), summary(day));
    byId("history-rows").replaceChildren(...tableRows(day));
  }

  #draw() {
    const width = this.#box.clientWidth;
    if (!this.#day || !width) return;
    const picture = layOut(this.#day, width);
    this.#cursor = draw("line", { class: "cursor", y1: 0, y2: picture.axisY, x1: 0, x2: 0 });
    const svg = draw("svg", {
      width, height: picture.height, viewBox: `0 0 ${width} ${picture.height}`, role: "img",
      "aria-label": `Scenes and level over time. ${summary(this.#day)}`,
    }, hatch(), ...lanes(picture), ...times(picture), ...level(picture), ...gaps(picture),
    ...bands(picture), this.#cursor);
    this.#box.replaceChildren(svg);
    this.#box.parentElement.style.setProperty("--gutter", `${picture.left}px`);
    this.#picture = picture;
    this.#placeCursor();
  }

  #pointAt(event) {
    if (!this.#day) return;
    const { left, plotWidth } = this.#picture;
    const share = (event.clientX - this.#box.getBoundingClientRect().left - left) / plotWidth;
    this.#slider.value = Math.round(SLIDER_STEPS * Math.min(1, Math.max(0, share)));
    this.#point();
  }

  #point() {
    if (!this.#day) return;
    const words = momentText(this.#day, this.#momentMs());
    this.#slider.setAttribute("aria-valuetext", words);
    setText(byId("moment-text"), words);
    this.#placeCursor();
  }

  #placeCursor() {
    const x = this.#picture.x(this.#momentMs()).toFixed(1);
    this.#cursor.setAttribute("x1", x);
    this.#cursor.setAttribute("x2", x);
  }

  #momentMs() {
    const { startMs, endMs } = this.#day;
    return startMs + (endMs - startMs) * (this.#slider.value / SLIDER_STEPS);
  }
}

/** {scenes, spans, gaps, points, startMs, endMs}, with times in milliseconds since 1970. */
function toDay({ scenes, since, until, spans, gaps, points }) {
  const stretch = (one) => ({ ...one, startMs: toMs(one.start), endMs: toMs(one.end) });
  return {
    scenes,
    startMs: toMs(since),
    endMs: toMs(until),
    spans: spans.map(stretch),
    gaps: gaps.map(stretch),
    points: points.map((point) => ({ ...point, timeMs: toMs(point.time) })),
  };
}

/** Where everything lies, in pixels: {day, rows, left, plotWidth, levelY, axisY, height, x()}. */
function layOut(day, width) {
  const left = width < NARROW_PX ? 108 : 136;
  const plotWidth = width - left - RIGHT_PX;
  const rows = [...day.scenes, "unknown"];
  const levelY = rows.length * LANE_PX + LEVEL_SPACE_PX;
  const axisY = levelY + LEVEL_PX;
  const x = (timeMs) => left + plotWidth * share(day, timeMs);
  return { day, left, plotWidth, rows, levelY, axisY, height: axisY + AXIS_PX, x };
}

function share({ startMs, endMs }, timeMs) {
  return Math.min(1, Math.max(0, (timeMs - startMs) / (endMs - startMs)));
}

/** What fills a gap. */
function hatch() {
  const stroke = draw("path", { class: "hatch-line", d: "M-1 6 6 -1 M2 9 9 2" });
  const size = { id: "hatch", width: 7, height: 7, patternUnits: "userSpaceOnUse" };
  return draw("defs", {}, draw("pattern", size, stroke));
}

function lanes({ rows, left, plotWidth }) {
  return rows.flatMap((scene, index) => {
    const y = index * LANE_PX + LANE_PX / 2;
    const label = draw("text", { class: "label", x: 0, y, dy: "0.35em" }, laneName(scene));
    const line = draw("line", { class: "lane", x1: left, x2: left + plotWidth, y1: y, y2: y });
    return [line, label];
  });
}

function laneName(scene) {
  return scene === "unknown" ? "Unknown" : sceneTitle(scene);
}

/** Lines at round times of the day, as many as there is room for. */
function times({ day, plotWidth, axisY, x }) {
  const room = plotWidth / TICK_PX;
  const length = (day.endMs - day.startMs) / MINUTE_MS;
  const step = TICK_STEPS.find((minutes) => length / minutes <= room);
  const found = [];
  const moment = new Date(day.startMs);
  moment.setHours(moment.getHours(), 0, 0, 0);
  const next = () => moment.setMinutes(moment.getMinutes() + Math.min(step, 60));
  for (; moment.getTime() <= day.endMs; next()) {
    const minutes = 60 * moment.getHours() + moment.getMinutes();
    if (moment.getTime() < day.startMs || minutes % step) continue;
    const place = x(moment.getTime()).toFixed(1);
    const words = minutes ? clock(moment.getTime()) : weekday(moment);
    found.push(
      draw("line", { class: "time", x1: place, x2: place, y1: 0, y2: axisY }),
      draw("text", { class: "tick", x: place, y: axisY + 17, "text-anchor": "middle" }, words),
    );
  }
  return found;
}

function bands({ day, rows, x }) {
  return day.spans.map(({ scene, startMs, endMs }) => {
    const lane = rows.indexOf(scene);
    const [from, to] = [x(startMs), x(endMs)];
    return draw("rect", {
      class: `band ${tone(day.scenes, scene)}`,
      x: from.toFixed(1), width: Math.max(1.5, to - from).toFixed(1),
      y: lane * LANE_PX + (LANE_PX - BAND_PX) / 2, height: BAND_PX,
      rx: Math.min(2.5, (to - from) / 2).toFixed(1),
    });
  });
}

function gaps({ day, axisY, x }) {
  return day.gaps.map(({ startMs, endMs }) => {
    const [from, to] = [x(startMs), x(endMs)];
    const width = Math.max(2, to - from).toFixed(1);
    return draw("rect", { class: "gap", x: from.toFixed(1), y: 0, width, height: axisY });
  });
}

function level({ day, left, plotWidth, levelY, axisY, x }) {
  const y = (dbfs) => axisY - LEVEL_PX * (1 - Math.max(FLOOR_DBFS, Math.min(0, dbfs)) / FLOOR_DBFS);
  const area = [], line = [];
  for (const stretch of stretches(day.points)) {
    const places = stretch.map(({ timeMs }) => x(timeMs).toFixed(1));
    const heights = stretch.map(({ level_dbfs }) => y(level_dbfs).toFixed(1));
    const dots = places.map((place, index) => `${place} ${heights[index]}`);
    line.push(`M${dots.join("L")}`);
    area.push(`M${places[0]} ${axisY}L${dots.join("L")}L${places.at(-1)} ${axisY}Z`);
  }
  const scale = [[0, levelY], [FLOOR_DBFS, axisY]].map(([dbfs, place]) => draw("text", {
    class: "tick", x: left - 8, y: place, dy: dbfs ? "0" : "0.7em", "text-anchor": "end",
  }, number(dbfs, 0)));
  return [
    draw("line", { class: "axis", x1: left, x2: left + plotWidth, y1: axisY, y2: axisY }),
    draw("text", { class: "label", x: 0, y: levelY + LEVEL_PX / 2, dy: "0.35em" }, "Level, dBFS"),
    ...scale,
    draw("path", { class: "level-area", d: area.join("") }),
    draw("path", { class: "level-line", d: line.join("") }),
  ];
}

/** Points with a level, cut where nobody heard. */
function stretches(points) {
  const heard = points.filter((point) => isNumber(point.level_dbfs));
  const steps = heard.slice(1).map((point, index) => point.timeMs - heard[index].timeMs);
  const usual = [...steps].sort((one, other) => one - other)[Math.floor(steps.length / 2)] ?? 0;
  const found = [];
  heard.forEach((point, index) => {
    if (!index || steps[index - 1] > HOLE_STEPS * usual) found.push([]);
    found.at(-1).push(point);
  });
  return found;
}

/** "Urban park 6 h 12 min, bus 3 h 2 min, ...; 3 gaps": the day in one line. */
function summary({ spans, gaps }) {
  const total_s = new Map();
  for (const { scene, startMs, endMs } of spans) {
    total_s.set(scene, (total_s.get(scene) ?? 0) + (endMs - startMs) / 1000);
  }
  const order = [...total_s].sort(([, one], [, other]) => other - one);
  if (!order.length) return "No scene was decided in this time.";
  const words = order.map(([scene, seconds]) => `${sceneName(scene)} ${duration(seconds)}`);
  const text = `Mostly ${words.slice(0, 3).join(", ")}.`;
  if (!gaps.length) return text;
  const lost_s = gaps.reduce((total, gap) => total + gap.lost_s, 0);
  return `${text} ${lostTime(lost_s)} lost in ${count(gaps.length, "gap", "gaps")}.`;
}

/** What was at a moment: "14:03: bus, 87 %, −32 dBFS". */
function momentText({ spans, gaps, points, startMs, endMs }, timeMs) {
  // What is shorter than a step of the slider can be pointed at, too.
  const step = (endMs - startMs) / SLIDER_STEPS;
  const holds = (one) => one.startMs - step / 2 <= timeMs && timeMs <= one.endMs + step / 2;
  const at = clock(timeMs, endMs);
  const gap = gaps.find(holds);
  if (gap) return `${at}: sound was lost for ${lostTime(gap.lost_s)}: ${gap.cause}`;
  const span = spans.findLast(holds);
  const point = points.find((one) => Math.abs(one.timeMs - timeMs) <= 2 * step);
  const words = [span ? sceneName(span.scene) : "nothing decided"];
  if (span && isNumber(span.confidence)) words.push(percent(span.confidence));
  if (point && isNumber(point.level_dbfs)) words.push(number(point.level_dbfs, 0, "dBFS"));
  return `${at}: ${words.join(", ")}`;
}

/** The newest first; gaps between the scenes. */
function tableRows({ spans, gaps, endMs }) {
  const lost = gaps.map((gap) => ({ ...gap, words: `sound was lost: ${gap.cause}` }));
  const all = [...spans, ...lost].sort((one, other) => other.startMs - one.startMs);
  const rows = all.slice(0, MOST_ROWS).map((one) => {
    const seconds = (one.endMs - one.startMs) / 1000;
    const words = one.words ?? sceneTitle(one.scene);
    const belief = one.words ? "" : percent(one.confidence);
    const [from, to] = [clock(one.startMs, endMs), clock(one.endMs, endMs)];
    const cells = [from, to, words, duration(seconds), belief];
    return makeRow(cells, ["", "", "wide", "number", "number"]);
  });
  const numLeft = all.length - rows.length;
  if (numLeft) rows.push(lastRow(`${numLeft} earlier ones are not listed`));
  if (!all.length) rows.push(lastRow("nothing yet"));
  return rows;
}

function lastRow(words) {
  const cell = make("td", "empty", words);
  cell.colSpan = 5;
  return make("tr", "", cell);
}
