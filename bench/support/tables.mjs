// A report of bench/speed.mjs as Markdown.

const ms = ({ median }) => median.toFixed(1);
const row = (cells) => `| ${cells.join(" | ")} |`;
export const table = (head, rows) => [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");
const times = (ratio) => `${ratio.toFixed(2)}×`;

function pairTables({ setting, results, rates, floor, memory }) {
  const { teacher, student, batch, size } = setting;
  const steps = Object.entries(results).map(([name, { step, imagesPerSecond }]) => [
    name,
    ms(step),
    step.lowest.toFixed(1),
    `${step.quarter.toFixed(1)} … ${step.threeQuarters.toFixed(1)}`,
    imagesPerSecond.toFixed(0),
    memory[name] === undefined ? "" : `${(memory[name].stepBytes / 2 ** 20).toFixed(0)}`,
  ]);
  const ours = Object.entries(results).filter(([name]) => name.startsWith("reviewkd"));
  const parts = ours.map((
    [name, entry],
  ) => [name, ...["teacher", "student", "method", "backward", "optimizer"].map((part) => ms(entry[part]))]);
  const lines = [
    `### ${teacher} → ${student}, batch ${batch}, ${size}×${size}`,
    "",
    table(["", "step, ms (median)", "fastest", "quartiles", "images/s", "memory of a step, MiB"], steps),
    "",
    table(["parts, ms", "teacher", "student forward", "review and losses", "backward", "optimizer"], parts),
  ];
  if (results.published !== undefined) {
    const of = (name,
      other) => (results[other] === undefined ? "–" : times(results[other].step.median / results[name].step.median));
    lines.push("",
      table(["faster than", "published style", "expert style", "expert, torch.compile"], ours.map(([name]) => {
        const expert = name.endsWith("bfloat16") ? "expert-bfloat16" : "expert";
        return [name, of(name, "published"), of(name, expert), of(name, `${expert}-compiled`)];
      })));
    lines.push("",
      table(["floor", "GFLOP", "matrix product, GFLOP/s", "copy, GB/s", "arithmetic alone, ms", "roofline, ms",
        "step / roofline"], Object.entries(floor).map(([precision, { gflop, arithmeticSeconds, seconds }]) => [
          precision,
          gflop.toFixed(1),
          rates[precision].toFixed(0),
          rates.copy.toFixed(1),
          (1000 * arithmeticSeconds).toFixed(0),
          (1000 * seconds).toFixed(0),
          times(results[`reviewkd ${precision}`].step.median / (1000 * seconds)),
        ])));
  }
  return lines.join("\n");
}

/** Hardware, versions and command on one line. */
export function describeRun({ machine, command }) {
  const python = machine.baseline === undefined ? ""
    : `; torch ${machine.baseline.torch}, Python ${machine.baseline.python}`;
  return `${machine.cpu}, ${machine.cores} cores (${machine.capability}), ${machine.memoryGiB} GiB; Node ${machine.node}, libtorch ${machine.libtorch}${python}; `
    + `${machine.date}. \`${command}\``;
}

export function tablesOf({ machine, threads, rounds, pairs, loop, augmentation, command }) {
  const lines = [
    `${describeRun({ machine, command: command.trim() })}, ${threads} threads, ${rounds} rounds.`,
    ...pairs.map(pairTables),
  ];
  if (loop !== undefined) {
    lines.push(
      `Own loop (\`session.step\`) at batch ${loop.batch}: ${loop.ownMs.toFixed(1)} ms a step, native epoch ${loop.nativeMs.toFixed(1)} ms: ${(100 * (loop.ownMs / loop.nativeMs - 1)).toFixed(1)} % more.`,
    );
  }
  if (augmentation !== undefined) {
    const other = augmentation.published === undefined ? ""
      : `; published style, 2 workers: ${augmentation.published.toFixed(0)}`;
    lines.push(
      `Augmented images per second, nothing else running: ${augmentation.reviewkd.toFixed(0)} on one thread${other}.`,
    );
  }
  return lines.join("\n\n");
}
