/** Soft targets in slow, readable form: in probabilities, class by class. */
import type { Tensor } from "../../lib/index.js";
import { meanOf, sumOf, valuesOf } from "./numeric.js";

/** Rows of a matrix `[N, C]`. */
export function rowsOf(matrix: Tensor): number[][] {
  const [count, width] = matrix.shape;
  const values = valuesOf(matrix);
  return Array.from({ length: count! }, (_, row) => values.slice(row * width!, (row + 1) * width!));
}

/** Probabilities of softened logits. */
export function soften(logits: readonly number[], temperature: number): number[] {
  const powers = logits.map((logit) => Math.exp(logit / temperature));
  return powers.map((power) => power / sumOf(powers));
}

/** KL(p ‖ q). */
export function divergence(p: readonly number[], q: readonly number[]): number {
  return sumOf(p.map((value, i) => value * Math.log(value / q[i]!)));
}

/** Hinton's loss of a batch. */
export function referenceKd(student: Tensor, teacher: Tensor, temperature: number): number {
  const teachers = rowsOf(teacher);
  const losses = rowsOf(student).map((row, i) =>
    divergence(soften(teachers[i]!, temperature), soften(row, temperature))
  );
  return temperature ** 2 * meanOf(losses);
}

/** The two parts of the decoupled loss of a batch, without their weights and the square of the temperature. */
export function referenceDkd(
  student: Tensor,
  teacher: Tensor,
  labels: readonly number[],
  temperature: number,
): { readonly tckd: number; readonly nckd: number } {
  const decoupled = (logits: readonly number[], label: number): { target: number[]; others: number[] } => {
    const p = soften(logits, temperature);
    const rest = 1 - p[label]!;
    return { target: [p[label]!, rest], others: p.filter((_, i) => i !== label).map((value) => value / rest) };
  };
  const teachers = rowsOf(teacher).map((row, i) => decoupled(row, labels[i]!));
  const students = rowsOf(student).map((row, i) => decoupled(row, labels[i]!));
  return {
    tckd: meanOf(students.map(({ target }, i) => divergence(teachers[i]!.target, target))),
    nckd: meanOf(students.map(({ others }, i) => divergence(teachers[i]!.others, others))),
  };
}
