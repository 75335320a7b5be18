import { metricDecimals, primaryMetric, type ConditionResult, type Spread, type StudyResult } from "../../index.js";
import { formatDuration } from "./format.js";
import { renderTable } from "./table.js";

/** The results of a study: one row per condition, or for stages a matrix of gains. */
export function studyTable(result: StudyResult): string {
  const parts = [result.kind === "stages" ? stagesTable(result) : conditionsTable(result)];
  if (result.teacherMetric !== null) {
    const value = result.teacherMetric.toFixed(decimalsOf(result));
    parts.push(`teacher ${result.config.teacher.name}: ${value}${unitOf(result)}`);
  }
  if (result.conditions.some(({ published }) => published !== null)) {
    parts.push("re-run %: an independent re-run of ResNet56 → ResNet20 on CIFAR-100, 240 epochs");
  }
  return parts.join("\n");
}

function unitOf({ taskInfo }: StudyResult): string {
  const { unit } = primaryMetric(taskInfo);
  return unit === "" ? "" : ` ${unit}`;
}

function decimalsOf({ taskInfo }: StudyResult): number {
  return metricDecimals(primaryMetric(taskInfo), 2);
}

function conditionsTable(result: StudyResult): string {
  const { cells, conditions } = result;
  const [unit, decimals] = [unitOf(result), decimalsOf(result)];
  const published = conditions.some((condition) => condition.published !== null);
  // Rows of distilled students, which are last, have all settings of a grid.
  const settings = Object.keys(conditions.at(-1)?.settings ?? {});
  const head = ["", ...settings, "seeds", `last${unit}`, `best${unit}`, "gain", ...(published ? [`re-run${unit}`] : []),
    "time"];
  const rows = conditions.map((condition) => {
    const seconds = cells.filter((cell) => cell.condition === condition.id)
      .reduce((sum, cell) => sum + (cell.seconds ?? 0), 0);
    return [
      settings.length === 0 ? condition.label : condition.method === null ? "student alone" : "distilled",
      ...settings.map((path) => settingText(condition.settings?.[path])),
      String(condition.seeds.length),
      spreadText(condition.last, decimals),
      spreadText(condition.best, decimals),
      gain(condition, decimals),
      ...(published ? [condition.published?.toFixed(decimals) ?? ""] : []),
      seconds === 0 ? "" : formatDuration(seconds),
    ];
  });
  return renderTable(head, rows, head.slice(1));
}

/** A value of a grid; empty where a row does not depend on it. */
function settingText(value: unknown): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

function stagesTable(result: StudyResult): string {
  const { conditions, stages } = result;
  const [unit, decimals] = [unitOf(result), decimalsOf(result)];
  const alone = conditions.find(({ method }) => method === null);
  const number = (names: readonly string[], role: string): string[] =>
    names.map((name, index) => `${role} ${index + 1} (${name})`);
  const head = ["gain over the student alone", ...number(stages.teacher, "teacher")];
  const rows = number(stages.student, "student").map((label, row) => [
    label,
    ...stages.teacher.map((_, column) => {
      const pair = conditions.find(({ stage, teacherStage }) => stage === row + 1 && teacherStage === column + 1);
      return pair === undefined ? "" : gain(pair, decimals);
    }),
  ]);
  const [last, best] = [alone?.last ?? null, alone?.best ?? null].map((spread) => spreadText(spread, decimals));
  return `${renderTable(head, rows, head.slice(1))}\nstudent alone: ${last}${unit} after the last epoch, ${best}${unit} best`;
}

function spreadText(spread: Spread | null, decimals: number): string {
  if (spread === null) return "-";
  return spread.deviation === null ? spread.mean.toFixed(decimals)
    : `${spread.mean.toFixed(decimals)} ± ${spread.deviation.toFixed(decimals)}`;
}

function gain({ gain: spread }: ConditionResult, decimals: number): string {
  if (spread === null) return "";
  return `${spread.mean < 0 ? "-" : "+"}${spreadText({ ...spread, mean: Math.abs(spread.mean) }, decimals)}`;
}
