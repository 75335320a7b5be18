import { z } from "zod";
import { Count, Shape } from "./common.js";

/** An entry whose shape differs from the network's. */
const ShapeMismatch = z.strictObject({ name: z.string(), expected: Shape, got: Shape });

/** Differences between a state dict and a network. */
export const StateDifferences = z.strictObject({
  /** Names only in the network: these keep their values. */
  missing: z.array(z.string()),
  /** Names only in the state dict. */
  unexpected: z.array(z.string()),
  /** Names in both with different shapes: these keep their values, too. */
  mismatched: z.array(ShapeMismatch),
});

/** Result of loading a state dict into a network. */
export const LoadReport = StateDifferences.extend({
  /** Number of loaded entries; 0 only for an empty state dict, because another one that matches nothing is an error. */
  matched: Count,
});
export type LoadReport = z.infer<typeof LoadReport>;
