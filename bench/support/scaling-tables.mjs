// A report of bench/scaling.mjs as Markdown.
import { linearFit } from "./statistics.mjs";
import { describeRun, table } from "./tables.mjs";

const ms = ({ median }) => median.toFixed(1);

/** The sentence below a question's table. */
function remark({ name, lines }) {
  const of = (text) => Object.entries(lines).map(([precision, points]) => `${precision} ${text(points)}`).join("; ");
  if (name === "batch") {
    return `Linear fit: ${
      of((points) => {
        const { intercept, slope, r2 } = linearFit(points.map(({ at }) => at), points.map((point) => point.ms.median));
        return `${intercept.toFixed(1)} ms + ${slope.toFixed(3)} ms per image, R² ${r2.toFixed(4)}`;
      })
    }.`;
  }
  if (name === "threads" && lines.float32.length > 1) {
    return `From ${lines.float32[0].at} to ${lines.float32[1].at} threads: ${of((points) => `${(points[0].ms.median / points[1].ms.median).toFixed(2)}×`)}.`;
  }
  return undefined;
}

function questionTable(question) {
  const precisions = Object.keys(question.lines);
  const rows = question.lines[precisions[0]].map(({ at }, index) => [
    String(at),
    ...precisions.flatMap((precision) => {
      const spread = question.lines[precision][index].ms;
      return [ms(spread), `${spread.quarter.toFixed(1)} … ${spread.threeQuarters.toFixed(1)}`];
    }),
  ]);
  const lines = [`### Against ${question.name}`, "",
    table([question.axis, ...precisions.flatMap((precision) => [`${precision}, ms`, "quartiles"])], rows)];
  const text = remark(question);
  if (text !== undefined) lines.push("", text);
  return lines.join("\n");
}

export function scalingTables({ machine, pair, rounds, questions, command }) {
  return [
    `${pair.student} distilled from ${pair.teacher}, batch ${pair.batch}, ${pair.size}×${pair.size}, ${pair.threads} threads unless stated otherwise; medians of ${rounds} steps in turns.`,
    describeRun({ machine, command }),
    ...questions.map(questionTable),
  ].join("\n\n");
}
