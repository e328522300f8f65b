/* What is heard now: the scene, how sure that is, the probabilities, the level. */

import { byId, make, setText, tone } from "./dom.js";
import { clock, duration, isNumber, number, percent, sceneName, sceneTitle, toMs }
  from "./format.js";

const FLOOR_DBFS = -80;

/** What is said in each state of the listener in which nothing is heard. */
const SILENT_STATES = {
  starting: ["Waiting for sound", "None has come yet."],
  "no sound": ["No sound", "None has come for some seconds."],
  paused: ["Paused", "Nothing is listened to until it is continued."],
  ended: ["Ended", "The listener was stopped, or its recording is over."],
};

/**
 * What the big line says: {title, detail, scene}; `scene` is null where it names none.
 *
 * `heard` is what app.js keeps: the newest estimate, event and health, the model, ...
 */
export function headline({ model, estimate, event, health, over }) {
  if (health?.state in SILENT_STATES) {
    const [title, words] = SILENT_STATES[health.state];
    return { title, detail: health.trouble || `${words} ${before(over, event)}`, scene: null };
  }
  if (!estimate) {
    const detail = `The first answer comes when ${model.window_s} s have been heard.`;
    return { title: "Listening", detail, scene: null };
  }
  const { decision, scene } = estimate;
  if (!decision) {
    const detail = "The likeliest by the last window alone: this listener decides nothing (--raw).";
    return { title: sceneTitle(scene), detail, scene };
  }
  if (decision.scene === null || over) {
    return { title: "Not decided yet", detail: likeliest(decision.probabilities), scene: null };
  }
  if (decision.scene === "unknown") {
    const detail = "This sound is unlike what the model was trained on.";
    return { title: "Unknown scene", detail, scene: "unknown" };
  }
  const detail = before(event?.scene === decision.scene, event);
  return { title: sceneTitle(decision.scene), detail, scene: decision.scene };
}

/** The scene before the last change, if that is what is shown. */
function before(isShown, event) {
  if (!isShown || !event?.previous) return "";
  const { scene, duration_s } = event.previous;
  return `Before that: ${sceneName(scene)}, for ${duration(duration_s)}.`;
}

function likeliest(probabilities) {
  const order = Object.entries(probabilities).sort(([, one], [, other]) => other - one);
  const words = order.slice(0, 2).map(([scene, share]) => `${sceneName(scene)} ${percent(share)}`);
  return `No scene is ahead of the others: ${words.join(", ")}.`;
}

/** How long, since when and how sure: texts for `headline`'s scene. */
export function facts(heard, scene) {
  const { estimate } = heard;
  const decision = estimate?.decision;
  if (scene === null) return { during: "–", since: "–", belief: "–" };
  if (!decision) return { during: "–", since: "–", belief: percent(estimate.confidence) };
  const lasted_s = decision.since_s === null ? null : estimate.end_s - decision.since_s;
  const end_ms = toMs(estimate.time);
  const known = isNumber(lasted_s) && end_ms !== null;
  return {
    during: duration(lasted_s),
    since: known ? clock(end_ms - 1000 * lasted_s, end_ms) : "–",
    belief: percent(decision.confidence),
  };
}

/** Shows all of it. `silent_s`: for how long no message has come, null if that is usual. */
export function showNow(heard, silent_s) {
  const { title, detail, scene } = headline(heard);
  const { during, since, belief } = facts(heard, scene);
  const scenes = sceneNames(heard);
  const isLive = heard.connection === "live";
  const listens = isLive && !(heard.health?.state in SILENT_STATES);
  const fresh = listens && silent_s === null;
  const silence = listens && !fresh ? `No news for ${duration(silent_s)}. ` : "";
  byId("now").className = `panel now ${scene === null ? "tone-none" : tone(scenes, scene)}`;
  byId("now").classList.toggle("stale", !fresh);
  byId("now").classList.toggle("lost", !isLive);
  setText(byId("scene"), title);
  setText(byId("scene-detail"), silence + detail || "\u00a0");
  setText(byId("scene-for"), during);
  setText(byId("scene-since"), since);
  setText(byId("scene-belief"), belief);
  showBars(scenes, heard.estimate, scene);
  showLevel(fresh ? heard.estimate?.level_dbfs : null);
  return { title, belief };
}

/** The scenes in the model's order; those of the estimates, if they are of another model. */
function sceneNames({ model, estimate }) {
  return estimate ? Object.keys(estimate.probabilities) : model.scenes;
}

let shown = "";

function showBars(scenes, estimate, current) {
  const body = byId("bars");
  if (JSON.stringify(scenes) !== shown) {
    body.replaceChildren(...scenes.map((scene) => barRow(scenes, scene)));
    shown = JSON.stringify(scenes);
  }
  const alone = estimate?.probabilities ?? {};
  const believed = estimate?.decision?.probabilities ?? alone;
  scenes.forEach((scene, index) => {
    const row = body.rows[index];
    row.classList.toggle("current", scene === current);
    row.querySelector(".fill").style.width = `${100 * (believed[scene] ?? 0)}%`;
    row.querySelector(".mark").style.left = `${100 * (alone[scene] ?? 0)}%`;
    row.querySelector(".mark").hidden = !estimate?.decision;
    setText(row.cells[2], percent(believed[scene]));
    setText(row.cells[3], percent(alone[scene]));
  });
}

function barRow(scenes, scene) {
  const name = make("th", "", sceneTitle(scene));
  name.scope = "row";
  const mark = make("div", "mark");
  mark.hidden = true;
  const track = make("td", "bar", make("div", "track", make("div", "fill"), mark));
  const row = make("tr", tone(scenes, scene));
  row.append(name, track, make("td", "number", "–"), make("td", "number raw", "–"));
  return row;
}

function showLevel(level_dbfs) {
  const meter = byId("level");
  const isKnown = isNumber(level_dbfs);
  const shown_dbfs = isKnown ? Math.max(FLOOR_DBFS, Math.min(0, level_dbfs)) : FLOOR_DBFS;
  const text = number(level_dbfs, 0, "dBFS");
  meter.setAttribute("aria-valuenow", Math.round(shown_dbfs));
  meter.setAttribute("aria-valuetext", isKnown ? text : "not known, or digital silence");
  meter.firstElementChild.style.width = `${100 * (1 - shown_dbfs / FLOOR_DBFS)}%`;
  setText(byId("level-value"), text);
}
