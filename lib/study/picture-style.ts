import type { EChartsOption } from "echarts";
import type { TaskInfo } from "../schemas/task.js";
import { primaryMetric } from "../task.js";

/** A picture before it is drawn. Sizes in pixels of the SVG. */
export interface Chart {
  readonly width: number;
  readonly height: number;
  /** What it shows, for readers who cannot see it. */
  readonly title: string;
  readonly option: EChartsOption;
}

/** Sizes of text in pixels. */
export const TEXT = { axisTitle: 14, label: 13, small: 11 } as const;

export const INK = "#1a1a1a";
export const QUIET_INK = "#555555";
export const FRAME = "#888888";

/** Fonts that a paper's reader has. */
export const FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif";

/** What all pictures have in common. */
export const BASE = { animation: false, textStyle: { fontFamily: FONT, color: INK } } satisfies EChartsOption;

/** About how wide a text of this size is; nothing here can measure it. */
export function textWidth(text: string, size: number): number {
  return text.length * size * 0.54;
}

/** How pictures call the primary metric of a study: its title, its value with the unit, and the unit of differences. */
export function measureOf(task: TaskInfo): { readonly title: string; readonly unit: string; readonly differenceUnit: string } {
  const { title, unit } = primaryMetric(task);
  return { title, unit: unit === "" ? "" : ` ${unit}`, differenceUnit: unit === "%" ? " (points)" : "" };
}

/** A sentence begins with a capital letter. */
export function capitalized(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/** A difference with its sign, by a true minus. */
export function signed(value: number, digits = 1): string {
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return `${value < 0 ? "−" : "+"}${text}`;
}

/** Gives an SVG a title and takes out what a browser would need to react to a pointer: the same picture is the same file then. */
export function finished(svg: string, title: string): string {
  const escaped = title.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const still = svg
    .replace(/<style\b[^>]*>.*?<\/style>\s*/s, "")
    .replaceAll(/ (?:class|pointer-events|ecmeta_\w+)="[^"]*"/g, "")
    // Names of gradients count the pictures of the process.
    .replaceAll(/\bzr\d+-(?=g\d)/g, "");
  return `${still.replace(/<svg ([^>]*)>/, `<svg role="img" $1>\n<title>${escaped}</title>`).trimEnd()}\n`;
}

/** What a picture is about, in words. */
export function subject({ student, teacher, data }: {
  readonly student: { readonly name: string }; readonly teacher: { readonly name: string }; readonly data: { readonly kind: string };
}): string {
  return `${student.name} under ${teacher.name} on ${data.kind}`;
}
