// The tables of bench/processes.mjs.

const ms = ({ median }) => median.toFixed(median < 10 ? 2 : 0);
const ratio = ({ median, lowest, highest }) => `${median.toFixed(3)} (${lowest.toFixed(3)} … ${highest.toFixed(3)})`;

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function throughputTable({ processes, batch, throughput: { pair, one, several, exchange, efficiency } }) {
  return `${pair.teacher} → ${pair.student}, ${batch} images for each process, one thread each:\n\n${
    table(["", "step, ms", "of it exchange, ms", `throughput of ${processes} × one process`], [
      ["one process", ms(one), "–", "–"],
      [`${processes} processes`, ms(several), ms(exchange), ratio(efficiency)],
    ])
  }`;
}

function bucketTable({ processes, networkBatch: batch, buckets }) {
  return `Each network alone, ${batch} images for each process, ${processes} processes:\n\n${
    table(["network", "parameters", "one process, ms", "one bucket, ms", "of it exchange", "overlapping, ms",
      "of it exchange", "one bucket / overlapping"], buckets.map((
        row,
      ) => [row.network, `${(row.parameters / 1e6).toFixed(2)} M`, ms(row.alone), ms(row.one), ms(row.oneExchange),
        ms(row.overlapping), ms(row.overlappingExchange), ratio(row.gain)]
      ))
  }`;
}

export function processTables(report) {
  return [...(report.throughput === undefined ? [] : [throughputTable(report)]),
    ...(report.buckets === undefined ? [] : [bucketTable(report)])].join("\n\n");
}
