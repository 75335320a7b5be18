// Curves, drawn by ECharts on a canvas: it needs no style that the page's content security policy forbids.
import { LineChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { init, use, type EChartsType } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import type { Curve } from "./views.js";

use([LineChart, GridComponent, TooltipComponent, LegendComponent, AriaComponent, CanvasRenderer]);

/** The style sheet's name of a curve's colour, and a dash pattern to distinguish curves without colours. */
const STYLES: Readonly<Record<string, { readonly colour: string; readonly dash: "solid" | "dashed" | "dotted" }>> = {
  teacher: { colour: "--teacher", dash: "dashed" },
  alone: { colour: "--alone", dash: "dotted" },
  distilled: { colour: "--distilled", dash: "solid" },
  total: { colour: "--total", dash: "solid" },
  crossEntropy: { colour: "--cross-entropy", dash: "dashed" },
};

export interface ChartOptions {
  /** Formats a value. */
  readonly format: (value: number) => string;
  /** Whether individual epochs are marked. */
  readonly marks: boolean;
}

/** One chart of curves over epochs, in the colours of the page. */
export class CurveChart {
  readonly #chart: EChartsType;
  #shown: { readonly curves: readonly Curve[]; readonly epochs: number } | undefined;
  #waiting = false;

  constructor(private readonly place: HTMLElement, private readonly options: ChartOptions) {
    this.#chart = init(place, undefined, { renderer: "canvas" });
    new ResizeObserver(() => {
      this.#chart.resize();
    }).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#drawSoon();
    });
  }

  /** Shows curves over `epochs` epochs. Drawn once per frame, however often this is called. */
  show(curves: readonly Curve[], epochs: number, sentence: string): void {
    this.#shown = { curves, epochs };
    if (this.place.getAttribute("aria-label") !== sentence) this.place.setAttribute("aria-label", sentence);
    this.#drawSoon();
  }

  #drawSoon(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    requestAnimationFrame(() => {
      this.#waiting = false;
      this.#draw();
    });
  }

  #draw(): void {
    if (this.#shown === undefined) return;
    const { curves, epochs } = this.#shown;
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const [quiet, line, panel, text] = [colour("--quiet"), colour("--line"), colour("--panel"), colour("--text")];
    const { format, marks } = this.options;
    const axis = { axisLine: { lineStyle: { color: line } }, axisLabel: { color: quiet }, axisTick: { show: false },
      splitLine: { lineStyle: { color: line, opacity: 0.6 } } };
    this.#chart.setOption({
      animation: false,
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
      grid: { left: 4, right: 12, top: 36, bottom: 24, containLabel: true },
      legend: { top: 2, left: 0, itemWidth: 28, itemHeight: 8, itemGap: 14, itemStyle: { opacity: 0 },
        textStyle: { color: quiet, fontSize: 12 }, data: curves.map(({ name }) => name) },
      // Drawn on the canvas: elements would bring their own styles.
      tooltip: {
        trigger: "axis",
        renderMode: "richText",
        backgroundColor: panel,
        borderColor: line,
        textStyle: { color: text, fontSize: 12 },
        confine: true,
        valueFormatter: (value: unknown) => typeof value === "number" ? format(value) : "–",
      },
      xAxis: { type: "value", min: marks ? 1 : 0, max: Math.max(marks ? 2 : 1, epochs), minInterval: 1, name: "epoch",
        nameLocation: "middle", nameGap: 26, nameTextStyle: { color: quiet }, ...axis, splitLine: { show: false } },
      yAxis: { type: "value", scale: !marks, min: marks ? 0 : undefined, max: marks ? 100 : undefined, ...axis },
      series: curves.map(({ id, name, points }) => {
        const { colour: own, dash } = STYLES[id] ??
          { colour: "--term", dash: id === "term-0" ? "solid" as const : "dotted" as const };
        return {
          id,
          name,
          type: "line" as const,
          data: points.map(([x, y]) => [x, y]),
          showSymbol: marks && points.length <= 30,
          symbol: "circle",
          symbolSize: 5,
          sampling: "lttb" as const,
          itemStyle: { color: colour(own) },
          lineStyle: { color: colour(own), width: 2, type: dash },
          emphasis: { disabled: true },
        };
      }),
    }, { replaceMerge: ["series"] });
  }
}
