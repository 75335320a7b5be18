import type { EChartsOption } from "echarts";
import type { StudyConfig } from "../../config/schemas/study.js";
import type { TaskInfo } from "../../config/schemas/task.js";
import { metricDecimals, primaryMetric } from "../../api/task.js";

/** A picture before rendering. Sizes are in SVG pixels. */
export interface Chart {
  readonly width: number;
  readonly height: number;
  /** Description of the content, for accessibility. */
  readonly title: string;
  readonly option: EChartsOption;
}

export const TEXT = { axisTitle: 14, label: 13, small: 11 } as const;

export const INK = "#1a1a1a";
export const QUIET_INK = "#555555";
export const FRAME = "#888888";

export const FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif";

export const BASE = { animation: false, textStyle: { fontFamily: FONT, color: INK } } satisfies EChartsOption;

/** Approximate width of a text of this size; there is no way to measure it here. */
export function textWidth(text: string, size: number): number {
  return text.length * size * 0.54;
}

/** How pictures show the primary metric of a study. */
export interface Measure {
  readonly title: string;
  /** After a value, and after the title of differences. */
  readonly unit: string;
  readonly differenceUnit: string;
  /** Decimals of values and differences. */
  readonly digits: number;
}

export function measureOf(task: TaskInfo): Measure {
  const metric = primaryMetric(task);
  const { title, unit } = metric;
  return { title, unit: unit === "" ? "" : ` ${unit}`, differenceUnit: unit === "%" ? " (points)" : "",
    digits: metricDecimals(metric, 1) };
}

export function capitalized(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** A difference with its sign, by a true minus. */
export function signed(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return `${value < 0 ? "−" : "+"}${text}`;
}

/** Adds a title to an SVG and removes interaction markup, so that the same picture gives the same file. */
export function finished(svg: string, title: string): string {
  const escaped = title.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const still = svg
    .replace(/<style\b[^>]*>.*?<\/style>\s*/s, "")
    .replaceAll(/ (?:class|pointer-events|ecmeta_\w+)="[^"]*"/g, "")
    // Gradient names contain a counter of the process's pictures.
    .replaceAll(/\bzr\d+-(?=g\d)/g, "");
  return `${still.replace(/<svg ([^>]*)>/, `<svg role="img" $1>\n<title>${escaped}</title>`).trimEnd()}\n`;
}

export function subject({ student, teacher, data }: Pick<StudyConfig, "student" | "teacher" | "data">): string {
  return `${student.name} under ${teacher.name} on ${data.kind}`;
}

/** The settings of which a grid has several values. */
export function variedSettings(config: StudyConfig): { readonly path: string; readonly values: readonly unknown[] }[] {
  return config.kind !== "grid" ? []
    : Object.entries(config.vary).map(([path, values]) => ({ path, values })).filter(({ values }) => values.length > 1);
}
