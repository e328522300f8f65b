/* Numbers, times and names as people read them. */

const SPACE = "\u00a0";

/** 0.714 -> "71 %"; a dash for what is not known. */
export function percent(share, decimals = 0) {
  return isNumber(share) ? `${(100 * share).toFixed(decimals)}${SPACE}%` : "–";
}

/** 252 -> "4 min 12 s", 11520 -> "3 h 12 min". */
export function duration(seconds) {
  if (!isNumber(seconds)) return "–";
  const whole = Math.max(0, Math.round(seconds));
  const [days, hours] = [Math.floor(whole / 86_400), Math.floor(whole / 3_600) % 24];
  const minutes = Math.floor(whole / 60) % 60;
  if (days) return `${days}${SPACE}d ${hours}${SPACE}h`;
  if (hours) return `${hours}${SPACE}h ${minutes}${SPACE}min`;
  if (minutes) return `${minutes}${SPACE}min ${whole % 60}${SPACE}s`;
  return `${whole}${SPACE}s`;
}

/** One decimal below a minute: what is lost is often less than a second. */
export function lostTime(seconds) {
  return isNumber(seconds) && seconds < 60 ? number(seconds, 1, "s") : duration(seconds);
}

/** A number with its unit, a dash for what is not known. */
export function number(value, decimals, unit = "") {
  if (!isNumber(value)) return "–";
  return value.toFixed(decimals).replace("-", "−") + (unit && SPACE + unit);
}

const HOURS = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const TIME = new Intl.DateTimeFormat("en-GB", HOURS);
const WEEKDAY = new Intl.DateTimeFormat("en-GB", { weekday: "short" });
const DAY_AND_TIME = new Intl.DateTimeFormat("en-GB", { weekday: "short", ...HOURS });
const DATE_AND_TIME = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "short", ...HOURS,
});
const DAY_MS = 86_400_000;

/** The time of day; with the weekday or the date if it is not that of `nowMs`. */
export function clock(timeMs, nowMs = timeMs) {
  if (!isNumber(timeMs)) return "–";
  const isToday = new Date(timeMs).toDateString() === new Date(nowMs).toDateString();
  if (isToday) return TIME.format(timeMs);
  const near = Math.abs(nowMs - timeMs) < 6 * DAY_MS;
  return (near ? DAY_AND_TIME : DATE_AND_TIME).format(timeMs);
}

export function weekday(timeMs) {
  return WEEKDAY.format(timeMs);
}

/** Milliseconds since 1970 of an ISO time, null for null and for what is none. */
export function toMs(iso) {
  const milliseconds = typeof iso === "string" ? Date.parse(iso) : NaN;
  return Number.isNaN(milliseconds) ? null : milliseconds;
}

/** "shopping_mall" -> "shopping mall". */
export function sceneName(scene) {
  return scene === "unknown" ? "unknown scene" : scene.replaceAll("_", " ");
}

/** The same as the first words of a line. */
export function sceneTitle(scene) {
  const name = sceneName(scene);
  return name.charAt(0).toUpperCase() + name.slice(1);
}

export function count(howMany, one, many) {
  return `${howMany}${SPACE}${howMany === 1 ? one : many}`;
}

export function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}
