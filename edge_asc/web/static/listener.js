/* How the listener is doing, and what is known of its model. */

import { byId, fillTerms, make, makeRow, setText } from "./dom.js";
import { clock, count, duration, isNumber, lostTime, number, percent, sceneTitle, toMs }
  from "./format.js";

const STATES = {
  starting: ["waiting", "waiting for sound"],
  listening: ["ok", "listening"],
  "no sound": ["failing", "no sound"],
  paused: ["waiting", "paused"],
  ended: ["unknown", "ended"],
};

/** `heard`: see headline(); `gapsSince` are those that came after the newest health. */
export function showListener(heard) {
  const { live, health, gapsSince, lastGap } = heard;
  const untold = live ? "not told yet" : "told at the recording's end";
  const [state, words] = STATES[health?.state] ?? ["unknown", untold];
  byId("listener-state").dataset.state = state;
  setText(byId("listener-state-text"), words);
  const lost_s = (health?.lost_s ?? 0) + sum(gapsSince.map((gap) => gap.lost_s));
  const numGaps = (health?.num_gaps ?? 0) + gapsSince.length;
  const latency = health?.latency;
  fillTerms(byId("health"), {
    Trouble: health?.trouble || "none",
    Gaps: numGaps ? `${numGaps}, ${lostTime(lost_s)} lost` : "none",
    "Last gap": gapText(lastGap),
    Heard: duration(health?.heard_s),
    Running: duration(health?.uptime_s),
    "Scene changes": health ? String(health.num_changes) : "–",
    Latency: latency
      ? `${number(latency.median_ms, 0, "ms")}, at most ${number(latency.max_ms, 0, "ms")}` : "–",
    Memory: number(health?.memory_mb, 1, "MB"),
    Drift: driftText(health?.drift),
    "As of": health ? clock(toMs(health.time)) : "–",
  });
  showOutputs(health?.outputs ?? [], untold);
}

function gapText(gap) {
  if (!gap) return "none";
  const ended_ms = toMs(gap.time);
  const at = ended_ms === null ? "" : `, until ${clock(ended_ms, Date.now())}`;
  return `${lostTime(gap.lost_s)}${at}: ${gap.cause}`;
}

function driftText(drift) {
  if (!drift) return "not known for this model";
  const { level_outside, colour_outside, expected } = drift;
  return `level unusual ${percent(level_outside)} of the time, colour ${percent(colour_outside)};`
    + ` ${percent(expected)} is usual`;
}

let shownOutputs = null;

function showOutputs(outputs, untold) {
  const news = JSON.stringify([outputs, untold]);
  if (news === shownOutputs) return;
  shownOutputs = news;
  const rows = outputs.map((output) => {
    const name = make("span", "", output.name);
    const why = output.error ? [make("span", "why", output.error)] : [];
    const pill = make("span", "pill bare", make("span", "dot"), output.state);
    pill.dataset.state = output.state;
    const counts = [String(output.queued), String(output.lost)];
    return makeRow([make("span", "", name, ...why), pill, ...counts], ["", "", "number", "number"]);
  });
  if (!rows.length) rows.push(rowOf(untold));
  byId("outputs").replaceChildren(...rows);
}

function rowOf(words) {
  const cell = make("td", "empty", words);
  cell.colSpan = 4;
  return make("tr", "", cell);
}

/** The model's card: what it is, and how well it does on what. */
export function showModel(model) {
  setText(byId("model-accuracy"), accuracyText(model.evaluation, model.window_s));
  fillTerms(byId("model"), {
    Name: model.name,
    Licence: model.licence,
    Scenes: model.scenes.map(sceneTitle).join(", "),
    Window: `${model.window_s} s`,
    Arithmetic: model.quantization,
    "Trained cities": model.trained_cities.join(", ") || "none",
    ...(model.demonstration && { Purpose: "demonstration: not fit to decide anything" }),
  });
  const recall = Object.entries(model.evaluation.pooled?.recall ?? {});
  byId("recall").replaceChildren(...recall.map(([scene, share]) => {
    const words = isNumber(share) ? percent(share) : "not testable";
    return makeRow([sceneTitle(scene), words], ["", "number"]);
  }));
  byId("recall-details").hidden = !recall.length;
  setText(byId("card"), model.card);
  byId("card-details").hidden = !model.card;
}

function accuracyText(evaluation, window_s) {
  const { pooled } = evaluation;
  if (!pooled) return "Nothing is known of how well it does.";
  const [low, high] = pooled.accuracy_interval.map((share) => number(100 * share, 1));
  const sets = Object.entries(evaluation.test_clips ?? {})
    .map(([name, clips]) => `${count(clips, "recording", "recordings")} of ${name}`);
  const data = `${pooled.num_windows} windows of ${window_s} s, ${sets.join(" and ")}`;
  return `Recognises ${percent(pooled.accuracy, 1)} (95 % interval ${low} to ${high}) of ${data}.`
    + ` Always naming the most frequent scene: ${percent(pooled.majority_rate, 1)}.`;
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
