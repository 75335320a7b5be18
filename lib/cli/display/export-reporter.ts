import { namedValue, type OnnxFile, type OnnxProgress, type TaskInfo } from "../../index.js";
import { formatBytes, formatCount, formatResult, formatTimeLeft } from "./format.js";
import type { Output } from "./output.js";
import { openProgress } from "./progress-bar.js";
import { renderTable } from "./table.js";

const LABELS: Readonly<Record<OnnxProgress["stage"], string>> = {
  "evaluate-float32": "evaluating float32",
  "calibrate": "reading images",
  "ranges": "finding ranges",
  "evaluate-int8": "evaluating int8",
};

/** The display of an export that measures. */
export interface ExportDisplay extends Disposable {
  readonly progress: (progress: OnnxProgress) => void;
}

export function openExportDisplay(output: Output, now = () => performance.now()): ExportDisplay {
  const live = openProgress(output, now);
  let current: { readonly stage: OnnxProgress["stage"]; readonly startedAt: number } | undefined;
  return {
    progress({ stage, done, total }) {
      if (current?.stage !== stage) {
        if (current !== undefined) live.clear();
        current = { stage, startedAt: now() };
      }
      const text = `${formatCount(done)} of ${formatCount(total)} images${formatTimeLeft({ startedAt: current.startedAt, done, total }, now())}`;
      live.update(done, total, { label: LABELS[stage], text }, () => {
        output.event({ type: "export-progress", stage, done, total });
        if (!output.json) output.notice(`${LABELS[stage]}: ${text}`);
      });
    },
    [Symbol.dispose]: live.clear,
  };
}

/** The size of a network, and its arithmetic for one image. */
export interface NetworkCost {
  readonly name: string;
  readonly bytes: number;
  readonly parameters: number;
  readonly multiplyAdds: number;
}

/** The exported network next to its teacher. */
export function costTable(student: NetworkCost, teacher: NetworkCost | undefined): string {
  const row = (role: string,
    { name, bytes, parameters, multiplyAdds }: NetworkCost): string[] => [`${role} ${name}`, formatBytes(bytes),
    formatCount(parameters), formatCount(multiplyAdds)];
  const rows = teacher === undefined ? [row("network", student)] : [row("student", student), row("teacher", teacher)];
  return renderTable(["", "size", "parameters", "multiply-adds"], rows, ["size", "parameters", "multiply-adds"]);
}

/** The metrics before and after quantization. */
export function quantizationTable({ before, after }: NonNullable<OnnxFile["quantization"]>, { metrics }: TaskInfo):
  | string
  | undefined {
  if (before === null || after === null) return undefined;
  return renderTable(["", "float32", "int8", "difference"], metrics.map((metric) => {
    const [was, is] = [namedValue(before, metric.name), namedValue(after, metric.name)];
    const difference = is - was;
    return [metric.title, formatResult(metric, was), formatResult(metric, is),
      `${difference > 0 ? "+" : ""}${difference.toFixed(metric.unit === "%" ? 2 : 4)}`];
  }), ["float32", "int8", "difference"]);
}
