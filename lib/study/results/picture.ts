import type * as echarts from "echarts";
import type { StudyResult } from "../../config/schemas/study.js";
import { ablationBars, seedBars } from "./picture-bars.js";
import { stagesHeatMap } from "./picture-heat-map.js";
import { finished } from "./picture-style.js";

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

/** Draws the results of a study as a picture for a paper: a heat map of stages, or bars. */
export async function drawPicture(result: StudyResult,
  load: () => Promise<Echarts | undefined> = loadEcharts): Promise<Picture> {
  const chart = { ablation: ablationBars, stages: stagesHeatMap, seeds: seedBars }[result.kind](result);
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
