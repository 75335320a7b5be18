import type { BarSeriesOption, CustomSeriesOption } from "echarts";
import type { Spread, StudyResult } from "../../config/schemas/study.js";
import { BASE, capitalized, FONT, FRAME, INK, measureOf, QUIET_INK, signed, subject, TEXT, textWidth, type Chart,
  type Measure } from "./picture-style.js";

const ROW = 46;
const THICKNESS = 18;
const GAP = 4;
const MARGIN = { top: 14, bottom: 58, right: 20 } as const;
const PLOT_WIDTH = 360;

/** Blue and a light shade of it, distinguishable also in greyscale print. */
const FILLS = ["#2166ac", "#a6cbe3"] as const;

interface Bar {
  readonly value: number;
  readonly deviation: number | null;
  readonly text: string;
}

interface BarChart {
  readonly title: string;
  readonly axisTitle: string;
  readonly rows: readonly string[];
  /** Each series has one bar, or `null`, per row, and a name if there are several series. */
  readonly series: readonly { readonly name: string; readonly bars: readonly (Bar | null)[] }[];
  readonly reference?: { readonly value: number; readonly text: string } | undefined;
  /** Decimals of values. */
  readonly digits: number;
}

/** Gain of each design step over the student alone; `undefined` if no gain is known. */
export function ablationBars(result: StudyResult): Chart | undefined {
  return gainBars(result, "design step");
}

/** Gain of each combination of a grid over the student alone; `undefined` if no gain is known. */
export function gridBars(result: StudyResult): Chart | undefined {
  return gainBars(result, "combination of settings");
}

function gainBars(result: StudyResult, by: string): Chart | undefined {
  const { conditions, config, taskInfo } = result;
  const { title, unit, differenceUnit, digits } = measureOf(taskInfo);
  if (conditions.every(({ gain }) => gain === null)) return undefined;
  const bars = conditions.map(({ method, gain, last }): Bar | null => {
    if (last === null) return null;
    const value = `${last.mean.toFixed(digits)}${unit}`;
    if (method === null) return { value: 0, deviation: null, text: value };
    return gain === null ? null
      : { value: gain.mean, deviation: gain.deviation, text: `${signed(gain.mean, digits)}  (${value})` };
  });
  return barChart({
    title: `Gain in ${title} of the last epoch over the student alone, by ${by}: ${subject(config)}`,
    axisTitle: `Gain in ${title} over the student alone${differenceUnit}`,
    rows: conditions.map(({ label }) => label),
    series: [{ name: "", bars }],
    digits,
  });
}

/** The primary metric of the last and the best epoch, mean and deviation over seeds. */
export function seedBars({ conditions, config, taskInfo, teacherMetric }: StudyResult): Chart | undefined {
  if (conditions.every(({ last }) => last === null)) return undefined;
  const measure = measureOf(taskInfo);
  const { title, unit, digits } = measure;
  return barChart({
    title: `${capitalized(title)}, ${config.seeds.length === 1 ? "one seed" : `mean and standard deviation over ${config.seeds.length} seeds`}: ${subject(config)}`,
    axisTitle: `${capitalized(title)}${unit === "" ? "" : ` (${unit.trim()})`}`,
    rows: conditions.map(({ label }) => label),
    series: [
      { name: "last epoch", bars: conditions.map(({ last }) => spreadBar(last, measure)) },
      { name: "best epoch (chosen on the test set)", bars: conditions.map(({ best }) => spreadBar(best, measure)) },
    ],
    reference: teacherMetric === null ? undefined
      : { value: teacherMetric, text: `teacher ${teacherMetric.toFixed(digits)}${unit}` },
    digits,
  });
}

function spreadBar(spread: Spread | null, { unit, digits }: Measure): Bar | null {
  if (spread === null) return null;
  const { mean, deviation } = spread;
  return { value: mean, deviation,
    text: `${mean.toFixed(digits)}${deviation === null ? "" : ` ± ${deviation.toFixed(digits)}`}${unit}` };
}

/** Horizontal bars that start at 0, so that their lengths are comparable. */
function barChart({ title, axisTitle, rows, series, reference, digits }: BarChart): Chart {
  const left = Math.ceil(Math.max(...rows.map((row) => textWidth(row, TEXT.label)))) + 20;
  const several = series.length > 1;
  const top = MARGIN.top + (several ? 28 : 0) + (reference === undefined ? 0 : 18);
  const height = rows.length * Math.max(ROW, series.length * (THICKNESS + GAP) + 20);
  // The longest bar ends within the plot, so its text fits into this margin.
  const right =
    Math.ceil(Math.max(...series.flatMap(({ bars }) => bars.map((bar) => textWidth(bar?.text ?? "", TEXT.label))))) +
    MARGIN.right;
  return {
    width: left + PLOT_WIDTH + right,
    height: top + height + MARGIN.bottom,
    title,
    option: {
      ...BASE,
      grid: { left, top, width: PLOT_WIDTH, height },
      ...(several
        ? {
          legend: { left, top: 4, itemWidth: 14, itemHeight: 10, itemGap: 24, padding: 0,
            textStyle: { fontSize: TEXT.label, color: INK }, selectedMode: false },
        } : {}),
      xAxis: {
        type: "value",
        name: axisTitle,
        nameLocation: "middle",
        nameGap: 32,
        nameTextStyle: { fontSize: TEXT.axisTitle, color: INK },
        ...range(series.flatMap(({ bars }) => bars), reference, digits),
        axisLabel: { fontSize: TEXT.label, color: INK, formatter: tickText },
        axisLine: { show: true, lineStyle: { color: FRAME } },
        axisTick: { show: true, lineStyle: { color: FRAME } },
        splitLine: { show: false },
      },
      yAxis: {
        type: "category",
        inverse: true,
        data: [...rows],
        axisLabel: { fontSize: TEXT.label, color: INK, interval: 0 },
        axisLine: { lineStyle: { color: FRAME } },
        axisTick: { show: false },
      },
      series: [
        ...series.map(({ name, bars }, index) => filled(name, bars, index, index === 0 ? reference : undefined)),
        ...series.map(({ bars }, index) => endings(bars, offset(index, series.length))),
      ],
    },
  };
}

function filled(name: string, bars: readonly (Bar | null)[], index: number,
  reference: BarChart["reference"]): BarSeriesOption {
  return {
    type: "bar",
    name,
    silent: true,
    barWidth: THICKNESS,
    barGap: `${(100 * GAP) / THICKNESS}%`,
    itemStyle: { color: FILLS[index] ?? FILLS[0] },
    data: bars.map((bar) => bar?.value ?? "-"),
    ...(reference === undefined ? {} : { markLine: referenceLine(reference) }),
  };
}

/** Offset of a series' bar from the center of its row, in pixels downwards. */
function offset(index: number, count: number): number {
  return (index - (count - 1) / 2) * (THICKNESS + GAP);
}

/** A multiple of the interval, which is rounded, without the error of the multiplication. */
function tickText(value: number): string {
  return String(Number(value.toFixed(6))).replace("-", "−");
}

/** The range of the axis, which has at least the smallest difference that is shown. */
function range(bars: readonly (Bar | null)[], reference: BarChart["reference"],
  digits: number): { min: number; max: number; interval: number } {
  const known = bars.filter((bar) => bar !== null);
  const ends = known.map(({ value, deviation }) => value + (deviation ?? 0));
  const lowest = Math.min(0, ...known.map(({ value, deviation }) => value - (deviation ?? 0)));
  const highest = Math.max(lowest + 10 ** -digits, reference?.value ?? 0, ...ends);
  const interval = roundStep((highest - lowest) / 6);
  return { min: Math.floor(lowest / interval) * interval, max: Math.ceil(highest / interval) * interval, interval };
}

/** Rounds up to 1, 2 or 5 times a power of ten. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  return ([1, 2, 5].find((factor) => factor * power >= step) ?? 10) * power;
}

/** Error bars, and the text after each bar. */
function endings(bars: readonly (Bar | null)[], shift: number): CustomSeriesOption {
  return {
    type: "custom",
    silent: true,
    // Drawn above the reference line.
    z: 10,
    data: bars.map((bar, row) => [bar?.value ?? 0, row]),
    renderItem: (params, api) => {
      const bar = bars[params.dataIndex];
      if (bar === null || bar === undefined) return null;
      const at = (value: number): number => api.coord([value, params.dataIndex])[0] ?? 0;
      const y = (api.coord([0, params.dataIndex])[1] ?? 0) + shift;
      const { value, deviation, text } = bar;
      const end = at(Math.max(0, value + (deviation ?? 0)));
      const label = {
        type: "text" as const,
        // The white outline keeps the text readable over a line.
        style: { text, x: end + 8, y, fontFamily: FONT, fontSize: TEXT.label, fill: INK, stroke: "#ffffff",
          lineWidth: 3, verticalAlign: "middle" as const },
      };
      if (deviation === null) return { type: "group", children: [label] };
      const [from, to, half] = [at(value - deviation), at(value + deviation), 4];
      const line = (x1: number, y1: number, x2: number, y2: number) => ({ type: "line" as const,
        shape: { x1, y1, x2, y2 }, style: { stroke: INK, lineWidth: 1.2 } });
      return { type: "group",
        children: [line(from, y, to, y), line(from, y - half, from, y + half), line(to, y - half, to, y + half),
          label] };
    },
  };
}

function referenceLine({ value, text }: NonNullable<BarChart["reference"]>) {
  return {
    silent: true,
    symbol: "none",
    lineStyle: { color: QUIET_INK, type: "dashed" as const, width: 1.2 },
    label: { formatter: text, position: "start" as const, fontSize: TEXT.label, color: QUIET_INK },
    data: [{ xAxis: value }],
  };
}
