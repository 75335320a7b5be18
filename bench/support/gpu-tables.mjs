// The figures of bench/gpu.mjs as Markdown.

/** The paper trains 240 epochs of 50,000 images. */
const IMAGES_OF_THE_PAPER = 240 * 50_000;

function table(header, rows) {
  return [header, header.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function kernelTable(rates) {
  const [copy] = rates;
  const speed = ({ bytes, seconds }) => bytes / seconds / 1e9;
  const arithmetic = ({ operations, seconds }) => (operations === 0 ? "–" : (operations / seconds / 1e12).toFixed(1));
  return table(["kernel", "µs", "GB/s", "relative to a copy", "TFLOP/s"], rates.map((rate) => [
    rate.name,
    (1e6 * rate.seconds).toFixed(1),
    speed(rate).toFixed(0),
    `${(100 * speed(rate) / speed(copy)).toFixed(0)} %`,
    arithmetic(rate),
  ]));
}

function pairTable({ setting, results, graphs, failures = {} }) {
  const published = results.published?.median;
  const rows = Object.entries(results).map(([name, { median, quarter, threeQuarters }]) => [
    name,
    `${median.toFixed(2)} (${quarter.toFixed(2)} to ${threeQuarters.toFixed(2)})`,
    (1000 * setting.batch / median).toFixed(0),
    published === undefined ? "–" : `${(published / median).toFixed(2)}×`,
    `${(IMAGES_OF_THE_PAPER / (1000 * setting.batch / median) / 60).toFixed(1)} min`,
    graphs[name] === undefined || graphs[name] === null ? "–"
      : graphs[name].replayed ? "replayed" : graphs[name].reason,
  ]);
  for (const [name, reason] of Object.entries(failures))
    rows.push([name, "failed", "–", "–", "–", reason.replaceAll("|", "\\|")]);
  return `${setting.teacher} → ${setting.student}, batch ${setting.batch}\n\n${table(["", "ms per step (quartiles)", "images/s", "faster than published", "240 epochs", "recorded steps"], rows)}`;
}

export function gpuTables({ command, machine, rounds, steps, pairs, kernels }) {
  const python = machine.baseline === undefined ? ""
    : `; torch ${machine.baseline.torch} on ${machine.baseline.gpu ?? "no GPU"}`;
  const lines = [
    `${machine.gpu.join(", ") || "no GPU"}, plugin for ${machine.plugin?.builtFor ?? "no device"}; ${machine.cpu}, ${machine.cores} cores; Node ${machine.node}, libtorch ${machine.libtorch}${python}; `
    + `${rounds} rounds of ${steps} steps, in turns, ${machine.date}. \`${command}\``,
    ...pairs.map(pairTable),
  ];
  for (const [precision, rates] of Object.entries(kernels)) {
    if (rates.length > 0)
      lines.push(`Kernels in ${precision}: their minimal traffic per second\n\n${kernelTable(rates)}`);
  }
  return lines.join("\n\n");
}
