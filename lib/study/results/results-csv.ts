import type { CellResult, ConditionResult, StudyResult } from "../../config/schemas/study.js";
import type { TaskInfo } from "../../config/schemas/task.js";
import { valueIfNamed } from "../../api/task.js";

type Value = string | number | null | undefined;

interface Column {
  readonly head: string;
  readonly value: (cell: CellResult, condition: ConditionResult | undefined) => Value;
}

/**
 * Metrics in the units of the student's task, empty for a teacher without them; times in seconds. Epochs count from 1,
 * as on the terminal.
 */
const columnsOf = ({ metrics, primaryMetric }: TaskInfo, settings: readonly string[]): readonly Column[] => [
  { head: "cell", value: ({ id }) => id },
  { head: "condition", value: ({ condition }) => condition },
  { head: "label", value: ({ condition }, row) => row?.label ?? condition },
  { head: "student_stage", value: (_, row) => row?.stage },
  { head: "teacher_stage", value: (_, row) => row?.teacherStage },
  ...settings.map((path): Column => ({ head: path, value: (_, row) => settingText(row?.settings?.[path]) })),
  { head: "seed", value: ({ seed }) => seed },
  { head: "status", value: ({ status }) => status },
  ...metrics.map(({ name }): Column => ({ head: `last_${name}`,
    value: ({ last }) => (last === null ? null : valueIfNamed(last, name)) })
  ),
  { head: `best_${primaryMetric}`, value: ({ best }) => (best === null ? null : valueIfNamed(best, primaryMetric)) },
  { head: "best_epoch", value: ({ best }) => (best === null ? null : best.epoch + 1) },
  { head: "seconds", value: ({ seconds }) => seconds },
  { head: "error", value: ({ error }) => error?.code },
];

/** One line per cell under a line of names, as RFC 4180 has it but for line ends, which are those of Unix. */
export function resultsCsv(
  { cells, conditions, taskInfo }: Pick<StudyResult, "cells" | "conditions" | "taskInfo">,
): string {
  // Rows of distilled students, which are last, have all settings of a grid.
  const columns = columnsOf(taskInfo, Object.keys(conditions.at(-1)?.settings ?? {}));
  const rows = cells.map((cell) => {
    const condition = conditions.find(({ id }) => id === cell.condition);
    return columns.map(({ value }) => value(cell, condition));
  });
  return [columns.map(({ head }) => head), ...rows].map((row) => `${row.map(field).join(",")}\n`).join("");
}

/** A value of a grid; empty where a row does not depend on it. */
function settingText(value: unknown): Value {
  return typeof value === "string" || typeof value === "number" || value === undefined ? value : JSON.stringify(value);
}

function field(value: Value): string {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
