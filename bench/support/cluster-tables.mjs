// The tables of bench/cluster.mjs.

const percent = (share) => `${(100 * share).toFixed(0)} %`;
const ms = (seconds) => (1000 * seconds).toFixed(1000 * seconds < 10 ? 2 : 0);

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function checkTable({ loopback, checked, from }) {
  const head = ["network", "parameters", "one process, ms", `${from.processes} processes: model, ms`, "measured, ms",
    "model / measured − 1"];
  const rows = checked.map((
    { network, parameters, alone, predicted, found, error },
  ) => [network, `${(parameters / 1e6).toFixed(2)} M`, ms(alone), ms(predicted), ms(found),
    `${(100 * error).toFixed(1)} %`]
  );
  return `Link between the processes: ${(1e6 * loopback.latency).toFixed(0)} µs a message, ${(loopback.bandwidth / 1e9).toFixed(2)} GB/s.\n\n${table(head, rows)}`;
}

function predictionTable(title, predictions) {
  const counts = predictions[0].points.map(({ count }) => count);
  return `${title}\n\n${
    table(["link", ...counts.map((count) => `${count}`)],
      predictions.map(({ link, points }) => [link, ...points.map(({ seconds, efficiency }) =>
        `${percent(efficiency)} (${ms(seconds)} ms)`
      )]))
  }`;
}

export function clusterTables(report) {
  const { measuredPair: { teacher, student, compute, predictions }, accelerators } = report;
  return [checkTable(report),
    predictionTable(`${teacher} → ${student} on processors, ${ms(compute)} ms for a process's share:`, predictions),
    ...accelerators.map((each) =>
      predictionTable(`A GPU that computes ${ms(each.compute)} ms on its share, 25.6 M parameters:`, each.predictions)
    )].join("\n\n");
}
