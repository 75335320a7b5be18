// A report of bench/detector-distillation.mjs as Markdown.
import { table } from "./tables.mjs";

const range = ({ lowest, highest }, digits) => `${lowest.toFixed(digits)} … ${highest.toFixed(digits)}`;
const ms = (spread) => (spread === undefined ? "–" : spread.median.toFixed(0));

/** The largest relative difference of numbers with the same names; NaN if names differ. */
export function largestDifference(left, right) {
  const names = Object.keys(left);
  if (names.length === 0 || names.length !== Object.keys(right).length) return NaN;
  return names.reduce((largest, name) => {
    const difference = Math.abs(left[name] - right[name]) / Math.max(Math.abs(left[name]), Math.abs(right[name]));
    // Math.max passes NaN on, of a name that is missing and of 0 / 0.
    return Math.max(largest, left[name] === right[name] ? 0 : difference);
  }, 0);
}

/** Rows of ours: the step's parts alone and in distillation. */
const OUR_PARTS = { "teacher's forward pass": "teacher", "student's forward pass": "student",
  "review, heads and losses": "method", "backward pass": "backward", optimizer: "optimizer" };
const THEIR_PARTS = { "teacher's forward pass": "teacher", "student's forward pass": "student", review: "review",
  "heads and losses": "heads", "backward pass": "backward", optimizer: "optimizer" };

function partsTable(name, { student, distill }, parts) {
  const rows = Object.entries({ ...parts, "whole step": "seconds" }).map(([label, part]) => {
    const more = (distill[part]?.median ?? 0) - (student[part]?.median ?? 0);
    return [label, ms(student[part]), ms(distill[part]), more.toFixed(0)];
  });
  return `### ${name}\n\n${table(["ms (median)", "student alone", "distillation", "more"], rows)}`;
}

export function distillationTables({ results, ratios, losses }, ours) {
  const names = Object.keys(results);
  const [mine, theirs] = Object.keys(losses).filter((name) => typeof losses[name] === "object");
  const calls = names.flatMap((name) =>
    Object.entries({ student: "student's step alone", teacher: "teacher's forward pass", distill: "distillation step" })
      .map(([call, label]) => {
        const passes = name === ours && call === "teacher"; // not only the pyramid: see below
        const { seconds, processor } = results[name][call];
        return [name, passes ? `${label}, with proposals` : label, ms(seconds), range(seconds, 0), ms(processor)];
      })
  );
  const { teacher } = results[ours].distill;
  calls.push([ours, "teacher's forward pass, within the step", ms(teacher), range(teacher, 0), ""]);
  const lossRow = (name) => [name, losses[mine][name].toPrecision(6), losses[theirs][name].toPrecision(6)];
  const ratioRows = (label, byName) =>
    Object.entries(byName).map(([name, ratio]) => [label(name), ratio.median.toFixed(3), range(ratio, 3)]);
  const compared = [
    ...ratioRows((name) => `${name}: distillation / (student alone + teacher within the step)`, {
      [ours]: ratios.ofStudentAndTeacher,
    }),
    ...ratioRows((name) => `${name}: distillation / (student alone + teacher)`, ratios.theirsOfStudentAndTeacher),
    ...ratioRows((name) => `distillation: ${name} / ${ours}`, ratios.fasterThan),
  ];
  return [
    table(["", "", "ms (median)", "lowest … highest", "processor time, ms"], calls),
    table(["ratio", "median of the rounds", "lowest … highest"], compared),
    ...names.map((name) => partsTable(name, results[name], name === ours ? OUR_PARTS : THEIR_PARTS)),
    `Losses of a first step in float32 without random samples differ by ${losses.largestDifference.toExponential(1)} at most:`,
    table(["", mine, theirs], Object.keys(losses[mine]).map(lossRow)),
  ];
}
