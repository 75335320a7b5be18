import type { PresetInput } from "../schemas/preset.js";

/** A row of a table of presets, whose key is its name. */
export type PresetEntry = Omit<PresetInput, "name">;

export const PAPER = "Distilling Knowledge via Knowledge Review (CVPR 2021, arXiv 2104.09044)";

/** A pair of networks, with what tells it from the other pairs on its data set. */
export interface PresetPair {
  readonly teacher: string;
  readonly student: string;
  readonly published: NonNullable<PresetInput["published"]>;
  readonly marks?: NonNullable<PresetInput["marks"]>;
}
