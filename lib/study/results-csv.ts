import type { CellResult, ConditionResult, StudyResult } from "../config/schemas/study.js";

type Value = string | number | null | undefined;

interface Column {
  readonly head: string;
  readonly value: (cell: CellResult, condition: ConditionResult | undefined) => Value;
}

/** Accuracies in percent, losses as cross entropy, times in seconds. Epochs are counted from 1, as on the terminal. */
const COLUMNS: readonly Column[] = [
  { head: "cell", value: ({ id }) => id },
  { head: "condition", value: ({ condition }) => condition },
  { head: "label", value: ({ condition }, row) => row?.label ?? condition },
  { head: "student_stage", value: (_, row) => row?.stage },
  { head: "teacher_stage", value: (_, row) => row?.teacherStage },
  { head: "seed", value: ({ seed }) => seed },
  { head: "status", value: ({ status }) => status },
  { head: "last_top1", value: ({ last }) => last?.top1 },
  { head: "last_top5", value: ({ last }) => last?.top5 },
  { head: "last_loss", value: ({ last }) => last?.loss },
  { head: "best_top1", value: ({ best }) => best?.top1 },
  { head: "best_epoch", value: ({ best }) => (best === null ? null : best.epoch + 1) },
  { head: "seconds", value: ({ seconds }) => seconds },
  { head: "error", value: ({ error }) => error?.code },
];

/** A header line and one line per cell, following RFC 4180 except for Unix line endings. */
export function resultsCsv({ cells, conditions }: Pick<StudyResult, "cells" | "conditions">): string {
  const rows = cells.map((cell) => {
    const condition = conditions.find(({ id }) => id === cell.condition);
    return COLUMNS.map(({ value }) => value(cell, condition));
  });
  return [COLUMNS.map(({ head }) => head), ...rows].map((row) => `${row.map(field).join(",")}\n`).join("");
}

function field(value: Value): string {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
