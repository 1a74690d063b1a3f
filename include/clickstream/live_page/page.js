"use strict";
// Shows the snapshots that come as server-sent events. Text is only ever set as text, never as HTML.

const by = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const number = (value, format = whole) => (value === undefined || value === null ? "–" : format.format(Number(value)));
const share = (value) => (value === undefined ? "–" : `${fine.format(Number(value) * 100)} %`);
const clock = (text) => (text ? new Date(text).toISOString().slice(0, 19).replace("T", " ") : "–");

function element(name, text, ...classes) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  made.classList.add(...classes);
  return made;
}

function table(id, rows, empty) {
  const body = by(id).tBodies[0];
  body.replaceChildren(...rows.map((cells) => {
    const row = element("tr");
    cells.forEach((cell, column) => {
      const numeric = by(id).tHead.rows[0].cells[column].classList.contains("n");
      row.append(cell instanceof Node ? cell : element("td", cell, ...(numeric ? ["n"] : [])));
    });
    return row;
  }));
  if (!rows.length) {
    const cell = element("td", empty, "empty");
    cell.colSpan = by(id).tHead.rows[0].cells.length;
    body.append(element("tr"));
    body.lastChild.append(cell);
  }
}

function bars(id, entries, unit, empty) {
  const most = Math.max(1, ...entries.map(([, value]) => value));
  by(id).replaceChildren(...entries.map(([name, value, said]) => {
    const line = element("div");
    const meter = element("meter");
    meter.max = most;
    meter.value = value;
    line.append(element("span", name), meter, element("span", said ?? `${whole.format(value)} ${unit}`));
    return line;
  }));
  if (!entries.length) by(id).append(element("p", empty, "empty"));
}

function line(id, values) {
  const most = Math.max(1, ...values);
  const step = 100 / Math.max(1, values.length - 1);
  const points = values.map((value, at) => `${at * step},${40 - (value / most) * 36}`).join(" ");
  by(id).setAttribute("viewBox", "0 0 100 40");
  by(id).setAttribute("preserveAspectRatio", "none");
  by(id).replaceChildren(...[["polygon", `0,40 ${points} ${(values.length - 1) * step},40`], ["polyline", points]]
    .map(([name, at]) => {
      const drawn = document.createElementNS("http://www.w3.org/2000/svg", name);
      drawn.setAttribute("points", values.length ? at : "");
      return drawn;
    }));
}

function tiles(id, entries) {
  by(id).replaceChildren(...entries.map(([name, value]) => {
    const tile = element("div");
    tile.append(element("dt", name), element("dd", value));
    return tile;
  }));
}

// good: true, false, or undefined when nobody can tell.
function health(entries) {
  by("health").replaceChildren(...entries.map(([name, good, said, address]) => {
    const item = element("li");
    const [mark, look] = good === undefined ? ["○", "faint"] : good ? ["●", "good"] : ["▲", "bad"];
    item.append(element("span", mark, look), element("b", name), element("span", said, ...(good ? [] : [look])));
    if (address) item.append(link(address, "Spark UI"));
    return item;
  }));
}

function link(address, text) {
  const made = element("a", text);
  made.href = address;
  made.target = "_blank";
  made.rel = "noopener";
  return made;
}

function verdict(good, yes, no) {
  return element("td", good ? yes : no, good ? "good" : "bad");
}

function showLive(live) {
  const speed = live.performance ?? {};
  const funnel = live.conversion ?? {};
  const users = live.active_users ?? {};
  tiles("flow", [
    ["events/s in", number(speed.events_per_second)], ["events/s stored", number(speed.stored_per_second)],
    ["records waiting", number(speed.lag_events)], ["batch, ms", number(speed.batch_ms)],
    ["latency p50, ms", number(speed.latency_p50_ms)], ["p95, ms", number(speed.latency_p95_ms)],
    ["p99, ms", number(speed.latency_p99_ms)], ["users, 5 min", number(users["5m"])],
    ["users, 30 min", number(users["30m"])], ["conversion", share(funnel.conversion_rate)],
    ["revenue, 60 min", number(funnel.revenue)], ["page load p75, ms", number(speed.page_load_p75_ms)],
  ]);
  const series = live.series ?? [];
  line("events", series.map((minute) => minute.events));
  line("users", series.map((minute) => minute.active_users ?? 0));
  const last = series.at(-2);
  const told = (name) => `${whole.format(last[name] ?? 0)} in the last whole minute, at most ${
    whole.format(Math.max(...series.map((minute) => minute[name] ?? 0)))}`;
  by("events-last").textContent = last ? told("events") : "";
  by("users-last").textContent = last ? told("active_users") : "";
  bars("stages", Object.entries(live.stages ?? {}).map(([name, ms]) => [name, Number(ms)]), "ms", "no batch yet");
  bars("lag", Object.entries(live.lag ?? {}).map(([name, lag]) => [`partition ${name}`, Number(lag)]), "", "unknown");
  const steps = [["sessions", "sessions"], ["views", "product viewed"], ["carts", "added to cart"],
    ["checkouts", "checkout begun"], ["purchases", "purchase"]];
  bars("funnel", funnel.sessions === undefined ? [] : steps.map(([key, name]) => [name, Number(funnel[key])]), "",
    "nobody was here in the last hour, or nothing streams");
  table("anomalies", (live.anomalies ?? []).map((found) => [clock(found.minute), found.metric,
    number(found.value, fine), number(found.expected, fine), number(found.score, fine), found.reason]),
  "none in the last 24 hours");
}

function showWarehouse(warehouse) {
  table("reconciliation", warehouse.reconciliation.map((part) => [part.topic, number(part.partition),
    number(part.read), number(part.accepted), number(part.duplicate), number(part.rejected),
    verdict(part.agrees, "yes", "NO: see docs/operations.md"), clock(part.updated_at)]),
  "clickstream_models has not run yet");
  table("slices", warehouse.slices.map((slice) => [clock(slice.applied_at), number(slice.partition), number(slice.read),
    number(slice.accepted), number(slice.duplicate), number(slice.rejected), number(slice.late), number(slice.ms)]),
  "nothing was streamed yet: is the DAG clickstream_stream running?");
}

function showAirflow(airflow) {
  table("runs", airflow.runs.map((run) => {
    const cell = element("td");
    const to = element("a", run.dag_id);
    to.href = `../dags/${encodeURIComponent(run.dag_id)}`;
    to.target = "_parent";
    cell.append(to);
    return [cell, run.run_id, verdict(run.state !== "failed", run.state, run.state), clock(run.since)];
  }), "no DAG has run yet");
  const running = airflow.backfills.map((each) => `${each.dag_id}: ${each.runs} ${each.state}`);
  by("backfills").textContent = running.length ? `Backfills: ${running.join(", ")}` : "No backfill is running.";
}

function streamHealth({ live, at }) {
  if (live.error) return ["Live figures", undefined, "unknown: Redis is away"];
  if (!live.as_of) return ["Live figures", false, "nobody publishes: see the DAG clickstream_stream"];
  const age = Math.max(0, (Date.parse(at) - Date.parse(live.as_of)) / 1000);
  return ["Live figures", age < 10, `published ${whole.format(age)} s ago`];
}

function leaseHealth({ warehouse, airflow }) {
  if (warehouse.error) return ["Stream", undefined, "unknown: PostgreSQL is away", airflow.spark_ui];
  const state = warehouse.state;
  if (!state) return ["Stream", false, "no job has run yet: see the DAG clickstream_stream"];
  const beats = state.heartbeat_seconds < 30;
  const said = `epoch ${state.epoch}, heartbeat ${whole.format(Math.max(0, state.heartbeat_seconds))} s ago`;
  return ["Stream", beats, beats ? said : `${said}: see the DAG clickstream_stream`, airflow.spark_ui];
}

function checksHealth({ warehouse }) {
  if (warehouse.error) return ["Checks", undefined, "unknown: PostgreSQL is away"];
  const { failed, warned, checked_until: checked } = warehouse.state ?? {};
  if (!checked) return ["Checks", undefined, "none has run yet"];
  if (failed.length) return ["Checks", false, `failed: ${failed.join(", ")}`];
  return ["Checks", true, warned.length ? `warnings: ${warned.join(", ")}` : "all passed"];
}

function parts(snapshot) {
  const { live, warehouse, airflow } = snapshot;
  const found = [streamHealth(snapshot), leaseHealth(snapshot), checksHealth(snapshot)];
  for (const name of ["Kafka", "Superset"]) {
    const asked = (Array.isArray(snapshot.services) ? snapshot.services : []).find((one) => one.name === name);
    found.push(asked ? [name, asked.well, asked.said] : [name, undefined, "asking …"]);
  }
  found.push(["PostgreSQL", !warehouse.error, warehouse.error ?? "answers"], ["Redis", !live.error, live.error ?? "answers"]);
  if (airflow.error) return [...found, ["Airflow", false, airflow.error]];
  const states = Object.entries(airflow.health).map(([part, status]) =>
    [`Airflow ${part.replaceAll("_", " ").replace("dag", "DAG")}`, status === "healthy", status]);
  return [...found, ...states];
}

const names = { live: "Redis", warehouse: "PostgreSQL", airflow: "Airflow" };
const drawn = {}; // part → when its figures on the page were true

// What is old stays to be read, but says so and since when.
function mark(part, trouble) {
  document.querySelectorAll(`[data-part=${part}]`).forEach((section) => {
    section.classList.toggle("stale", trouble !== undefined);
    section.querySelector(".since")?.remove();
    if (trouble === undefined) return;
    const since = drawn[part] ? `figures of ${clock(drawn[part])} UTC` : "nothing is known yet";
    section.querySelector("h2").after(element("p", `${trouble}: ${since}`, "since"));
  });
}

const draw = { live: showLive, warehouse: showWarehouse, airflow: showAirflow };

function show(snapshot) {
  const away = Object.keys(names).filter((part) => snapshot[part].error);
  for (const part of Object.keys(names)) {
    if (!snapshot[part].error) {
      draw[part](snapshot[part]);
      drawn[part] = snapshot.at;
    }
    mark(part, snapshot[part].error ? `${names[part]} is away` : undefined);
  }
  health(parts(snapshot));
  by("dashboards").replaceChildren(...dashboards.map((name) =>
    link(`${snapshot.superset_url}/superset/dashboard/clickstream-${name}/`, name)));
  by("state").textContent = `updated ${clock(snapshot.at)} UTC, every second`;
  tell(away.map((part) => `${names[part]} is away: ${snapshot[part].error}`).join(" · "));
}

function tell(trouble) {
  by("trouble").hidden = !trouble;
  by("trouble").textContent = trouble;
}

function lost() {
  tell("No connection to Airflow, or you are logged out: trying again …");
  by("state").textContent = "not updated";
  Object.keys(names).forEach((part) => mark(part, "No connection to Airflow"));
}

const dashboards = ["live", "sessions", "funnels", "journeys", "acquisition", "trust"];
// A stream ends every ten minutes and the next begins at once: only a longer silence is trouble.
const PATIENCE_MS = 10000;
const RETRY_MS = 5000;
let silence = setTimeout(lost, PATIENCE_MS);

function connect() {
  const source = new EventSource("events");
  source.onmessage = (message) => {
    clearTimeout(silence);
    silence = setTimeout(lost, PATIENCE_MS);
    show(JSON.parse(message.data));
  };
  // An answer that is an error (a login that is over, an Airflow that starts) ends an EventSource for good.
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
  };
}

connect();
