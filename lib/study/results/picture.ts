import type * as echarts from "echarts";
import type { StudyKind, StudyResult } from "../../config/schemas/study.js";
import { ablationBars, gridBars, seedBars } from "./picture-bars.js";
import { gridHeatMap, stagesHeatMap } from "./picture-heat-map.js";
import { finished, variedSettings, type Chart } from "./picture-style.js";

/** An SVG, or the reason why there is none. */
export type Picture = { readonly svg: string } | { readonly missing: string };

type Echarts = Pick<typeof echarts, "init">;

/** Loads ECharts, an optional peer dependency: it is larger than the rest of the package, and only pictures need it. */
async function loadEcharts(): Promise<Echarts | undefined> {
  try {
    return await import("echarts");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"].includes(code ?? "")) return undefined;
    throw error;
  }
}

const CHARTS: Readonly<Record<StudyKind, (result: StudyResult) => Chart | undefined>> = {
  ablation: ablationBars,
  stages: stagesHeatMap,
  seeds: seedBars,
  grid: gridChart,
};

/** One setting: bars of all values; two: a heat map of gains; more: bars of gains. */
function gridChart(result: StudyResult): Chart | undefined {
  const varied = variedSettings(result.config).length;
  if (varied === 2) return gridHeatMap(result);
  return varied < 2 ? seedBars(result) : gridBars(result);
}

/** Draws the results of a study as a picture for a paper: a heat map of stages, or bars. */
export async function drawPicture(result: StudyResult,
  load: () => Promise<Echarts | undefined> = loadEcharts): Promise<Picture> {
  const chart = CHARTS[result.kind](result);
  if (chart === undefined) return { missing: "no picture was drawn: too few cells are done" };
  const library = await load();
  if (library === undefined) {
    return {
      missing:
        "no picture was drawn: the package echarts is not installed. Run `npm install echarts`, then the same study again.",
    };
  }
  const view = library.init(null, null, { renderer: "svg", ssr: true, width: chart.width, height: chart.height });
  try {
    view.setOption(chart.option);
    return { svg: finished(view.renderToSVGString(), chart.title) };
  } finally {
    view.dispose();
  }
}
