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
  const drawn = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  drawn.setAttribute("points", values.map((value, at) => `${at * step},${38 - (value / most) * 34}`).join(" "));
  by(id).setAttribute("viewBox", "0 0 100 40");
  by(id).setAttribute("preserveAspectRatio", "none");
  by(id).replaceChildren(drawn);
}

function tiles(id, entries) {
  by(id).replaceChildren(...entries.map(([name, value]) => {
    const tile = element("div");
    tile.append(element("dt", name), element("dd", value));
    return tile;
  }));
}

function health(entries) {
  by("health").replaceChildren(...entries.map(([name, good, said]) => {
    const item = element("li");
    item.append(element("span", good ? "●" : "▲", good ? "good" : "bad"), element("b", name),
      element("span", said, ...(good ? [] : ["bad"])));
    return item;
  }));
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
  by("events-last").textContent = last ? `${whole.format(last.events)} in the last whole minute` : "";
  by("users-last").textContent = last ? whole.format(last.active_users ?? 0) : "";
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
    const link = element("td");
    const to = element("a", run.dag_id);
    to.href = `../dags/${encodeURIComponent(run.dag_id)}`;
    to.target = "_parent";
    link.append(to);
    return [link, run.run_id, verdict(run.state !== "failed", run.state, run.state), clock(run.since)];
  }), "no DAG has run yet");
  const running = airflow.backfills.map((each) => `${each.dag_id}: ${each.runs} ${each.state}`);
  by("backfills").textContent = running.length ? `Backfills: ${running.join(", ")}` : "No backfill is running.";
}

function parts(snapshot) {
  const { live, warehouse, airflow } = snapshot;
  const state = warehouse.state;
  const age = live.as_of ? (Date.parse(snapshot.at) - Date.parse(live.as_of)) / 1000 : undefined;
  const found = [
    ["Redis", !live.error, live.error ?? "answers"],
    ["Stream", age !== undefined && age < 10,
      age === undefined ? "publishes nothing: see the DAG clickstream_stream" : `published ${fine.format(age)} s ago`],
    ["PostgreSQL", !warehouse.error, warehouse.error ?? "answers"],
  ];
  if (state) {
    const failed = state.failed ?? [];
    const warned = state.warned ?? [];
    found.push(["Lease", state.heartbeat_seconds < 30,
      `epoch ${state.epoch}, heartbeat ${fine.format(state.heartbeat_seconds)} s ago`]);
    found.push(["Checks", !failed.length, failed.length ? `failed: ${failed.join(", ")}`
      : warned.length ? `warnings: ${warned.join(", ")}` : state.checked_until ? "all passed" : "none run yet"]);
  }
  Object.entries(airflow.health ?? {}).forEach(([part, status]) => found.push(
    [`Airflow ${part.replaceAll("_", " ")}`, status === "healthy", status]));
  if (airflow.error) found.push(["Airflow", false, airflow.error]);
  return found;
}

function show(snapshot) {
  by("to-live").href = `${snapshot.superset_url}/superset/dashboard/clickstream-live/`;
  by("to-dashboards").href = `${snapshot.superset_url}/dashboard/list/`;
  health(parts(snapshot));
  showLive(snapshot.live.error ? {} : snapshot.live);
  if (!snapshot.warehouse.error) showWarehouse(snapshot.warehouse);
  if (!snapshot.airflow.error) showAirflow(snapshot.airflow);
  by("state").textContent = `updated ${clock(snapshot.at)} UTC, every second`;
  const away = [["Redis", snapshot.live], ["PostgreSQL", snapshot.warehouse]].filter(([, part]) => part.error);
  by("trouble").hidden = !away.length;
  by("trouble").textContent = away.map(([name, part]) => `${name} is away: ${part.error}`).join(" · ");
}

const source = new EventSource("events");
source.onmessage = (message) => show(JSON.parse(message.data));
source.onerror = () => {
  by("trouble").hidden = false;
  by("trouble").textContent = "No connection to Airflow (or you are logged out): trying again …";
};
