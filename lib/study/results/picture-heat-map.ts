import type { ConditionResult, StudyResult } from "../../config/schemas/study.js";
import { BASE, capitalized, FONT, FRAME, INK, measureOf, QUIET_INK, signed, subject, TEXT, textWidth,
  type Chart } from "./picture-style.js";

const CELL = 78;
const MARGIN = { left: 104, top: 16, bottom: 76 } as const;
const BAR = { gap: 28, width: 14, labels: 44, title: 24 } as const;

/** ColorBrewer's RdBu without its darkest ends, safe for colour-blind readers: worse is red, better is blue. */
const DIVERGING = ["#b2182b", "#d6604d", "#f4a582", "#fddbc7", "#f7f7f7", "#d1e5f0", "#92c5de", "#4393c3", "#2166ac"];
const NOTHING = "#e4e4e4";

/** Fraction of the largest difference above which a cell is so dark that its text must be white. */
const DARK = 0.72;

/** Gains over the student alone, student stages by row, teacher stages by column; `undefined` if no gain is known. */
export function stagesHeatMap(result: StudyResult): Chart | undefined {
  const { stages: { student, teacher }, conditions } = result;
  const { title, differenceUnit, digits } = measureOf(result.taskInfo);
  const pairs = conditions.filter((condition) => condition.stage !== null && condition.teacherStage !== null);
  const gains = pairs.flatMap(({ gain }) => (gain === null ? [] : [gain.mean]));
  if (gains.length === 0) return undefined;
  // A symmetric range keeps white at zero difference; rounded up for the scale's ends, to the decimals that are shown.
  const power = 10 ** digits;
  const reach = Math.max(1, Math.ceil(Math.max(...gains.map(Math.abs)) * power)) / power;
  const size = { width: teacher.length * CELL, height: student.length * CELL };
  const barLeft = MARGIN.left + size.width + BAR.gap;
  const labels = Math.max(BAR.labels, Math.ceil(textWidth(signed(reach, digits), TEXT.label)) + 10);

  return {
    width: barLeft + BAR.width + labels + BAR.title,
    height: MARGIN.top + size.height + MARGIN.bottom,
    title: `${capitalized(title)} of the last epoch, difference to the student alone${differenceUnit === "" ? "" : " in points"}, by student stage and teacher stage: ${subject(result.config)}`,
    option: {
      ...BASE,
      grid: { left: MARGIN.left, top: MARGIN.top, ...size },
      xAxis: { ...axis(teacher), name: "Teacher stage", nameGap: 48 },
      yAxis: { ...axis(student), name: "Student stage", nameGap: 76, inverse: true },
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
        data: pairs.map((pair) => cell(pair, reach, digits)),
      }],
      graphic: scale(reach, { left: barLeft, height: size.height, labels, differenceUnit, digits }),
    },
  };
}

function axis(names: readonly string[]) {
  return {
    type: "category" as const,
    data: names.map((name, index) => `{number|${index + 1}}\n{name|${name}}`),
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

function cell({ stage, teacherStage, gain }: ConditionResult, reach: number, digits: number) {
  const place = [(teacherStage ?? 0) - 1, (stage ?? 0) - 1];
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
  readonly differenceUnit: string;
  readonly digits: number;
}

/** The scale of colours with its ends, its middle and what it measures. */
function scale(reach: number, { left, height, labels, differenceUnit, digits }: Scale) {
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
        text: `Difference to the student alone${differenceUnit}`,
        fontFamily: FONT,
        fontSize: TEXT.axisTitle,
        fill: INK,
        align: "center" as const,
        verticalAlign: "middle" as const,
      },
    },
  ];
}
