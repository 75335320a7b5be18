import type { PresetInput } from "../schemas/preset.js";

/** An entry of a preset table, keyed by its name. */
export type PresetEntry = Omit<PresetInput, "name">;

export const PAPER = "Distilling Knowledge via Knowledge Review (CVPR 2021, arXiv 2104.09044)";

/** The settings that differ between the pairs of networks of a data set. */
export interface PresetPair {
  readonly published: NonNullable<PresetInput["published"]>;
  readonly marks?: NonNullable<PresetInput["marks"]>;
}
