import type { ConditionResult, Spread, StudyResult } from "../../config/schemas/study.js";
import { BASE, capitalized, FONT, FRAME, INK, measureOf, QUIET_INK, signed, subject, TEXT, textWidth, variedSettings,
  type Chart } from "./picture-style.js";

const CELL = 78;
const MARGIN = { left: 104, top: 16, bottom: 76 } as const;
/** Room for the title of the rows, to the left of their labels. */
const AXIS_TITLE = 44;
const BAR = { gap: 28, width: 14, labels: 44, title: 24 } as const;

/** ColorBrewer's RdBu without its darkest ends, safe for colour-blind readers: worse is red, better is blue. */
const DIVERGING = ["#b2182b", "#d6604d", "#f4a582", "#fddbc7", "#f7f7f7", "#d1e5f0", "#92c5de", "#4393c3", "#2166ac"];
const NOTHING = "#e4e4e4";

/** Fraction of the largest difference above which a cell is so dark that its text must be white. */
const DARK = 0.72;

/** One axis: its title and its labels, each with a line of small print if there is one. */
interface Axis {
  readonly title: string;
  readonly labels: readonly { readonly text: string; readonly note?: string }[];
}

/** A square of the map, by its places on the axes. */
interface Square {
  readonly row: number;
  readonly column: number;
  readonly gain: Spread | null;
}

/** Gains over the student alone, student stages by row, teacher stages by column; `undefined` if no gain is known. */
export function stagesHeatMap(result: StudyResult): Chart | undefined {
  const { stages: { student, teacher }, conditions } = result;
  const numbered = (names: readonly string[]) => names.map((note, index) => ({ text: String(index + 1), note }));
  const squares = conditions.flatMap(({ stage, teacherStage, gain }) =>
    stage === null || teacherStage === null ? [] : [{ row: stage - 1, column: teacherStage - 1, gain }]
  );
  return heatMap(result, squares, { title: "Student stage", labels: numbered(student) }, { title: "Teacher stage",
    labels: numbered(teacher) });
}

/** Gains over the student alone by the values of a grid's two settings; `undefined` if no gain is known. */
export function gridHeatMap(result: StudyResult): Chart | undefined {
  const [rows, columns] = variedSettings(result.config);
  if (rows === undefined || columns === undefined) return undefined;
  const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
  const axis = ({ path, values }: typeof rows): Axis => ({ title: path,
    labels: values.map((value) => ({ text: textOf(value) })) });
  const placeOf = ({ path, values }: typeof rows, settings: ConditionResult["settings"]): number =>
    values.map(textOf).indexOf(textOf(settings?.[path]));
  const squares = result.conditions.filter(({ baseline }) => baseline !== null)
    .map(({ settings, gain }) => ({ row: placeOf(rows, settings), column: placeOf(columns, settings), gain }));
  return heatMap(result, squares, axis(rows), axis(columns));
}

/** Gains over the student alone as squares with colours; `undefined` if no gain is known. */
function heatMap(result: StudyResult, squares: readonly Square[], rows: Axis, columns: Axis): Chart | undefined {
  const { title, differenceUnit, digits } = measureOf(result.taskInfo);
  const gains = squares.flatMap(({ gain }) => (gain === null ? [] : [gain.mean]));
  if (gains.length === 0) return undefined;
  // A symmetric range keeps white at zero difference; rounded up for the scale's ends, to the decimals that are shown.
  const power = 10 ** digits;
  const reach = Math.max(1, Math.ceil(Math.max(...gains.map(Math.abs)) * power)) / power;
  const scaleTitle = `Difference to the student alone${differenceUnit}`;
  const size = {
    width: columns.labels.length * Math.max(CELL, widestLabel(columns) + 12, share(columns.title, columns)),
    height: rows.labels.length * Math.max(CELL, share(rows.title, rows), share(scaleTitle, rows)),
  };
  const left = Math.max(MARGIN.left, widestLabel(rows) + AXIS_TITLE);
  const barLeft = left + size.width + BAR.gap;
  const labels = Math.max(BAR.labels, Math.ceil(textWidth(signed(reach, digits), TEXT.label)) + 10);
  const by = `by ${lowered(rows.title)} and ${lowered(columns.title)}`;

  return {
    width: barLeft + BAR.width + labels + BAR.title,
    height: MARGIN.top + size.height + MARGIN.bottom,
    title: `${capitalized(title)} of the last epoch, difference to the student alone${differenceUnit === "" ? "" : " in points"}, ${by}: ${subject(result.config)}`,
    option: {
      ...BASE,
      grid: { left, top: MARGIN.top, ...size },
      xAxis: { ...axisOf(columns), nameGap: columns.labels.some(({ note }) => note !== undefined) ? 48 : 34 },
      yAxis: { ...axisOf(rows), nameGap: left - 28, inverse: true },
      visualMap: {
        type: "continuous",
        show: false,
        min: -reach,
        max: reach,
        dimension: 2,
        inRange: { color: DIVERGING },
      },
      series: [{
        type: "heatmap",
        silent: true,
        itemStyle: { borderColor: "#ffffff", borderWidth: 2 },
        label: { show: true, fontSize: TEXT.axisTitle },
        data: squares.map((square) => cell(square, reach, digits)),
      }],
      graphic: scale(reach, { left: barLeft, height: size.height, labels, title: scaleTitle, digits }),
    },
  };
}

/** The title of an axis within a sentence; a path of a setting stays as it is. */
function lowered(title: string): string {
  return title.includes(".") ? title : `${title.charAt(0).toLowerCase()}${title.slice(1)}`;
}

function widestLabel({ labels }: Axis): number {
  return Math.ceil(Math.max(...labels.map(({ text }) => textWidth(text, TEXT.axisTitle))));
}

/** The size of each of an axis's squares with which a title fits next to all of them. */
function share(title: string, { labels }: Axis): number {
  return Math.ceil(textWidth(title, TEXT.axisTitle) / labels.length);
}

function axisOf({ title, labels }: Axis) {
  return {
    type: "category" as const,
    name: title,
    data: labels.map(({ text, note }) => `{number|${text}}${note === undefined ? "" : `\n{name|${note}}`}`),
    nameLocation: "middle" as const,
    nameTextStyle: { fontSize: TEXT.axisTitle, color: INK },
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: {
      interval: 0,
      rich: {
        number: { fontSize: TEXT.axisTitle, color: INK, align: "center" as const, lineHeight: 17 },
        name: { fontSize: TEXT.small, color: QUIET_INK, align: "center" as const, lineHeight: 14 },
      },
    },
  };
}

function cell({ row, column, gain }: Square, reach: number, digits: number) {
  const place = [column, row];
  if (gain === null) {
    return { value: [...place, 0], itemStyle: { color: NOTHING }, label: { formatter: "–", color: QUIET_INK } };
  }
  const deviation = gain.deviation === null ? "" : `\n{small|± ${gain.deviation.toFixed(digits)}}`;
  const color = Math.abs(gain.mean) > DARK * reach ? "#ffffff" : INK;
  return {
    value: [...place, gain.mean],
    label: { formatter: `${signed(gain.mean, digits)}${deviation}`, color,
      rich: { small: { fontSize: TEXT.small, color, lineHeight: 16 } } },
  };
}

interface Scale {
  readonly left: number;
  readonly height: number;
  /** Width of its labels. */
  readonly labels: number;
  readonly title: string;
  readonly digits: number;
}

/** The scale of colours with its ends, its middle and what it measures. */
function scale(reach: number, { left, height, labels, title, digits }: Scale) {
  const label = (value: number, top: number) => ({
    type: "text" as const,
    left: left + BAR.width + 8,
    top: top - TEXT.label / 2,
    style: { text: signed(value, digits), fontFamily: FONT, fontSize: TEXT.label, fill: INK },
  });
  const colorStops = DIVERGING.map((color, index) => ({ offset: 1 - index / (DIVERGING.length - 1), color })).reverse();
  return [
    {
      type: "rect" as const,
      shape: { x: left, y: MARGIN.top + 1, width: BAR.width, height: height - 2 },
      style: { fill: { type: "linear" as const, x: 0, y: 0, x2: 0, y2: 1, colorStops }, stroke: FRAME, lineWidth: 0.5 },
    },
    label(reach, MARGIN.top + TEXT.label / 2),
    label(0, MARGIN.top + height / 2),
    label(-reach, MARGIN.top + height - TEXT.label / 2),
    {
      type: "text" as const,
      x: left + BAR.width + labels + 10,
      y: MARGIN.top + height / 2,
      rotation: Math.PI / 2,
      style: {
        text: title,
        fontFamily: FONT,
        fontSize: TEXT.axisTitle,
        fill: INK,
        align: "center" as const,
        verticalAlign: "middle" as const,
      },
    },
  ];
}
