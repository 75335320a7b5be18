// A report of bench/scaling.mjs as a picture: one panel per question, one line per precision.
import * as echarts from "echarts";
import { BASE, FRAME, INK, QUIET_INK, TEXT, finished } from "../../dist/study/results/picture-style.js";

const PANEL = { width: 400, height: 300 };
const MARGIN = { left: 72, right: 20, top: 56, bottom: 56 };
const STYLES = { float32: { color: "#0b5cad", type: "solid", symbol: "circle" },
  bfloat16: { color: "#c2410c", type: "dashed", symbol: "diamond" } };

export function drawScaling({ pair, questions }) {
  const columns = Math.min(2, questions.length);
  const rows = Math.ceil(questions.length / columns);
  const place = (index) => ({ left: (index % columns) * PANEL.width + MARGIN.left,
    top: Math.floor(index / columns) * PANEL.height + MARGIN.top });
  const label = { color: QUIET_INK, fontSize: TEXT.small };
  const axis = { axisLabel: label, axisLine: { show: true, lineStyle: { color: FRAME } },
    axisTick: { show: true, lineStyle: { color: FRAME } }, minInterval: 1,
    splitLine: { lineStyle: { color: "#e6e6e6" } }, min: 0 };
  const option = {
    ...BASE,
    legend: { top: 12, left: "center", data: Object.keys(questions[0].lines),
      textStyle: { color: INK, fontSize: TEXT.label }, itemWidth: 36, itemGap: 24 },
    grid: questions.map((_, index) => ({ ...place(index), width: PANEL.width - MARGIN.left - MARGIN.right,
      height: PANEL.height - MARGIN.top - MARGIN.bottom })
    ),
    xAxis: questions.map(({ axis: name }, index) => ({ ...axis, gridIndex: index, type: "value", name,
      nameLocation: "middle", nameGap: 30, nameTextStyle: { color: INK, fontSize: TEXT.label } })
    ),
    yAxis: questions.map((_, index) => ({ ...axis, gridIndex: index, type: "value", name: "ms per step",
      nameLocation: "middle", nameGap: 48, nameTextStyle: { color: INK, fontSize: TEXT.label } })
    ),
    series: questions.flatMap(({ lines }, index) =>
      Object.entries(lines).map(([precision, points]) => ({
        type: "line",
        name: precision,
        xAxisIndex: index,
        yAxisIndex: index,
        symbol: STYLES[precision].symbol,
        symbolSize: 7,
        lineStyle: { color: STYLES[precision].color, type: STYLES[precision].type, width: 2 },
        itemStyle: { color: STYLES[precision].color },
        data: points.map(({ at, ms }) => [at, ms.median]),
      }))
    ),
  };
  const view = echarts.init(null, null, { renderer: "svg", ssr: true, width: columns * PANEL.width,
    height: rows * PANEL.height });
  try {
    view.setOption(option);
    const what = questions.map(({ name }) => name).join(", ");
    return finished(view.renderToSVGString(),
      `Milliseconds of a training step of ${pair.student} distilled from ${pair.teacher} against ${what}`);
  } finally {
    view.dispose();
  }
}
