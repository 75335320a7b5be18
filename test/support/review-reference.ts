/** The review recursion in slow, readable form, on the weights of a distiller's state dict. */
import type { StateDict } from "../../lib/index.js";
import { concatenate, convolve, FeatureMap, normalizeBatch, referenceHcl, resizeNearest } from "./maps.js";
import { valuesOf } from "./numeric.js";

export interface Fused {
  readonly output: FeatureMap;
  /** What the next shallower fusion receives. */
  readonly residual: FeatureMap;
}

/** One attention based fusion with the weights under `prefix`. The deepest has no residual. */
export function referenceAbf(state: StateDict, prefix: string, x: FeatureMap, residual: FeatureMap | undefined, teacher: FeatureMap): Fused {
  const numbers = (name: string): number[] => valuesOf(state[`${prefix}.${name}`]!);
  const weight = (name: string): FeatureMap => FeatureMap.of(state[`${prefix}.${name}`]!);
  const convolveAndNormalize = (name: string, input: FeatureMap): FeatureMap =>
    normalizeBatch(convolve(input, weight(`${name}.0.weight`)), numbers(`${name}.1.weight`), numbers(`${name}.1.bias`));

  let fused = convolveAndNormalize("conv1", x);
  if (residual !== undefined) {
    const own = fused;
    const deeper = resizeNearest(residual, own.h, own.w);
    const logits = convolve(concatenate(own, deeper), weight("att_conv.0.weight"), numbers("att_conv.0.bias"));
    const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));
    fused = FeatureMap.from(own.n, own.c, own.h, own.w, (n, c, y, column) =>
      own.at(n, c, y, column) * sigmoid(logits.at(n, 0, y, column)) + deeper.at(n, c, y, column) * sigmoid(logits.at(n, 1, y, column)));
  }
  fused = resizeNearest(fused, teacher.h, teacher.w);
  return { output: convolveAndNormalize("conv2", fused), residual: fused };
}

/** Outputs and losses by stage, shallow to deep; stages are listed in this order, too. */
export function referenceReview(
  state: StateDict, student: readonly FeatureMap[], teacher: readonly FeatureMap[],
): { outputs: FeatureMap[]; losses: number[] } {
  const outputs: FeatureMap[] = [];
  const losses: number[] = [];
  let residual: FeatureMap | undefined;
  for (let stage = student.length - 1, depth = 0; stage >= 0; stage--, depth++) {
    const fused = referenceAbf(state, `abfs.${depth}`, student[stage]!, residual, teacher[stage]!);
    residual = fused.residual;
    outputs.unshift(fused.output);
    losses.unshift(referenceHcl(fused.output, teacher[stage]!));
  }
  return { outputs, losses };
}
