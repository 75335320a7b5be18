// The tables of bench/cluster.mjs.

const percent = (share) => `${(100 * share).toFixed(0)} %`;
const signed = (share) => `${share >= 0 ? "+" : "−"}${Math.abs(100 * share).toFixed(0)} %`;
const ms = (seconds) => (1000 * seconds).toFixed(1000 * seconds < 10 ? 1 : 0);

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function checkTable(processes, { name, link, rows }) {
  const compared = ({ predicted, found, error }) => `${ms(predicted)} / ${ms(found)} (${signed(error)})`;
  const head = ["network", "parameters", "one process, ms", "one bucket: model / measured, ms", "overlapping buckets"];
  return `${processes} processes ${name}, fitted from the first and the last row: ${(1e6 * link.latency).toFixed(0)} µs a message, ${(link.bandwidth / 1e6).toFixed(0)} MB/s.\n\n${
    table(head, rows.map((
      { network, parameters, alone, one, overlapping },
    ) => [network, `${(parameters / 1e6).toFixed(2)} M`, ms(alone), compared(one), compared(overlapping)]))
  }`;
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

export function clusterTables({ from, checked, pair, accelerators }) {
  return [...checked.map((each) => checkTable(from.processes, each)), predictionTable(
    `${pair.teacher} → ${pair.student} on processors, one thread each, ${ms(pair.compute)} ms for a process's share:`,
    pair.predictions,
  ),
    ...accelerators.map((each) =>
      predictionTable(`A GPU that computes ${ms(each.compute)} ms on its share, 25.6 M parameters:`, each.predictions)
    )].join("\n\n");
}
