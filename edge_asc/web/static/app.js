/* The page: takes what the server tells and shows it. */

import { History } from "./chart.js";
import { byId, setText } from "./dom.js";
import { Feed, fetchJson } from "./feed.js";
import { showListener, showModel } from "./listener.js";
import { showNow } from "./now.js";

const HISTORY_EVERY_MS = 60_000;
const HISTORY_SOON_MS = 1_500;

/** A full window gives an estimate, then each second one: so much later silence is told. */
const SILENT_AFTER_WINDOW_S = 5;

const KEPT = {
  memory: "The listener keeps it in memory, until it is stopped.",
  file: "The listener keeps it in a file.",
};

const heard = {
  /** "connecting", "live" or "lost" */
  connection: "connecting",
  version: null,
  live: true,
  model: null,
  estimate: null,
  event: null,
  health: null,
  /** The scene ended, and no estimate has come since */
  over: false,
  /** Gaps that the newest health does not count yet */
  gapsSince: [],
  lastGap: null,
  /** When the newest message about sound came */
  cameMs: Date.now(),
};

let announced = null;
let historyTimer = null;
const history = new History();
const feed = new Feed({ begin, hear, lost });

/** Connected: this is how it is. */
function begin(state) {
  if (heard.version !== null && state.version !== heard.version) {
    location.reload(); // another server, which has a page of its own
    return;
  }
  const { estimate, event, gap, health } = state.latest;
  Object.assign(heard, {
    connection: "live",
    version: state.version,
    live: state.live,
    model: state.model,
    estimate,
    event,
    health,
    lastGap: gap,
    gapsSince: gap ? uncounted([gap], health) : [],
    over: event?.scene === null && !(estimate?.end_s > event.detected_s),
    cameMs: Date.now(),
  });
  byId("logout").hidden = !state.session;
  byId("demonstration").hidden = !state.model.demonstration;
  setText(byId("source"), state.source);
  setText(byId("version"), `edge-asc ${state.version}`);
  setText(byId("kept"), KEPT[state.history] ?? "");
  showModel(state.model);
  show();
  showHistoryAfter(0);
}

function hear(message) {
  if (message.type !== "health") heard.cameMs = Date.now();
  TAKERS[message.type](message);
  show();
}

function lost() {
  heard.connection = "lost";
  show();
}

const TAKERS = {
  estimate(estimate) {
    heard.estimate = estimate;
    heard.over = false;
    // There is sound again; the health that says so may come later, or never.
    if (["starting", "no sound"].includes(heard.health?.state)) {
      heard.health = { ...heard.health, state: "listening", trouble: "" };
    }
  },
  event(event) {
    heard.event = event;
    heard.over = event.scene === null;
    showHistoryAfter(HISTORY_SOON_MS);
  },
  gap(gap) {
    heard.lastGap = gap;
    heard.gapsSince = uncounted([...heard.gapsSince, gap], heard.health);
    showHistoryAfter(HISTORY_SOON_MS);
  },
  health(health) {
    heard.health = health;
    heard.gapsSince = uncounted(heard.gapsSince, health);
  },
};

/** Gaps that end later than what `health` has heard of. */
function uncounted(gaps, health) {
  const told_s = health ? health.heard_s + health.lost_s : -1;
  return gaps.filter((gap) => gap.end_s > told_s + 0.01);
}

const CONNECTIONS = {
  connecting: "connecting",
  live: "live",
  lost: "connection lost, trying again",
};

function show() {
  const { connection, model } = heard;
  byId("connection").dataset.state = connection;
  setText(byId("connection-text"), CONNECTIONS[connection]);
  if (!model) return;
  const silent_s = (Date.now() - heard.cameMs) / 1000;
  const isUsual = silent_s < model.window_s + SILENT_AFTER_WINDOW_S;
  const { title, belief } = showNow(heard, isUsual ? null : silent_s);
  showListener(heard);
  const isLive = connection === "live";
  document.title = `${isLive ? title : "No connection"} · edge-asc`;
  announce(isLive ? title : "Connection lost", isLive ? belief : "–");
}

/** Tells screen readers of another scene or state; not of each second. */
function announce(title, belief) {
  if (announced !== null && title !== announced) {
    byId("announcement").textContent = belief === "–" ? title : `${title}, ${belief}`;
  }
  announced = title;
}

function showHistoryAfter(delayMs) {
  clearTimeout(historyTimer);
  historyTimer = setTimeout(showHistory, delayMs);
}

async function showHistory() {
  if (document.hidden) return;
  showHistoryAfter(HISTORY_EVERY_MS);
  let answer;
  try {
    answer = await fetchJson(`/api/history?hours=${byId("hours").value}`);
  } catch {
    return; // the old picture stays; the next one comes with a connection, or in a minute
  }
  history.show(answer);
}

byId("hours").addEventListener("change", () => {
  byId("csv").href = `/api/history.csv?hours=${byId("hours").value}`;
  showHistoryAfter(0);
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) showHistoryAfter(0);
});
setInterval(show, 1_000);
feed.open();
