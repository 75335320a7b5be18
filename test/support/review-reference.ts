/**
 * The methods on feature maps in slow, readable form, using the weights of a distiller's state dict. Lists of stages
 * run shallow to deep.
 */
import type { StateDict } from "../../lib/index.js";
import { concatenate, convolve, FeatureMap, meanSquaredError, normalizeBatch, referenceHcl,
  resizeNearest } from "./maps.js";
import { valuesOf } from "./numeric.js";

const DISTANCES = { hcl: referenceHcl, l2: meanSquaredError };
type DistanceName = keyof typeof DISTANCES;

/** The maps compared with the teacher's, and the distances by teacher stage. */
export interface Comparison {
  readonly outputs: FeatureMap[];
  readonly losses: number[];
}

export interface Fused {
  readonly output: FeatureMap;
  /** The input of the next shallower fusion. */
  readonly residual: FeatureMap;
}

function convolveAndNormalize(state: StateDict, name: string, input: FeatureMap): FeatureMap {
  const numbers = (entry: string): number[] => valuesOf(state[`${name}.${entry}`]!);
  return normalizeBatch(convolve(input, FeatureMap.of(state[`${name}.0.weight`]!)), numbers("1.weight"),
    numbers("1.bias"));
}

/**
 * A fusion with the weights under `prefix`, up to its residual output: by attention if it has such weights, otherwise
 * by addition. The deepest has no residual input.
 */
function fuse(state: StateDict, prefix: string, x: FeatureMap, residual: FeatureMap | undefined,
  teacher: FeatureMap): FeatureMap {
  const own = convolveAndNormalize(state, `${prefix}.conv1`, x);
  if (residual === undefined) return resizeNearest(own, teacher.h, teacher.w);
  const deeper = resizeNearest(residual, own.h, own.w);
  const attention = state[`${prefix}.att_conv.0.weight`];
  if (attention === undefined) {
    const sum = FeatureMap.from(own.n, own.c, own.h, own.w, (n, c, y, column) =>
      own.at(n, c, y, column) + deeper.at(n, c, y, column));
    return resizeNearest(sum, teacher.h, teacher.w);
  }
  const logits = convolve(concatenate(own, deeper), FeatureMap.of(attention),
    valuesOf(state[`${prefix}.att_conv.0.bias`]!));
  const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));
  const sum = FeatureMap.from(own.n, own.c, own.h, own.w,
    (n, c, y, column) =>
      own.at(n, c, y, column) * sigmoid(logits.at(n, 0, y, column)) +
      deeper.at(n, c, y, column) * sigmoid(logits.at(n, 1, y, column)));
  return resizeNearest(sum, teacher.h, teacher.w);
}

/** A fusion with its output convolution. */
export function referenceFusion(state: StateDict, prefix: string, x: FeatureMap, residual: FeatureMap | undefined,
  teacher: FeatureMap): Fused {
  const fused = fuse(state, prefix, x, residual, teacher);
  return { output: convolveAndNormalize(state, `${prefix}.conv2`, fused), residual: fused };
}

/** (d): from the deepest stage on, each fusion receives the output of the previous one. */
export function referenceReview(
  state: StateDict,
  student: readonly FeatureMap[],
  teacher: readonly FeatureMap[],
  distance: DistanceName = "hcl",
): Comparison {
  const outputs: FeatureMap[] = [];
  const losses: number[] = [];
  let residual: FeatureMap | undefined;
  for (let stage = student.length - 1, depth = 0; stage >= 0; stage--, depth++) {
    const fused = referenceFusion(state, `abfs.${depth}`, student[stage]!, residual, teacher[stage]!);
    residual = fused.residual;
    outputs.unshift(fused.output);
    losses.unshift(DISTANCES[distance](fused.output, teacher[stage]!));
  }
  return { outputs, losses };
}

/** (c): a separate recursion per teacher stage, with its own weights, and a single output at its end. */
export function referenceStacks(
  state: StateDict,
  student: readonly FeatureMap[],
  teacher: readonly FeatureMap[],
  distance: DistanceName,
): Comparison {
  const deepest = student.length - 1;
  const outputs = student.map((_, target) => {
    let residual: FeatureMap | undefined;
    for (let stage = deepest; stage > target; stage--) {
      residual = fuse(state, `stacks.${deepest - target}.${deepest - stage}`, student[stage]!, residual,
        teacher[stage]!);
    }
    return referenceFusion(state, `stacks.${deepest - target}.${deepest - target}`, student[target]!, residual,
      teacher[target]!).output;
  });
  return { outputs, losses: outputs.map((output, stage) => DISTANCES[distance](output, teacher[stage]!)) };
}

/** Pairs of stages, from 1: student stage i through its own convolution, compared with the teacher's stage j. */
export function referencePairs(
  state: StateDict,
  pairs: readonly (readonly [i: number, j: number])[],
  student: readonly FeatureMap[],
  teacher: readonly FeatureMap[],
  distance: DistanceName,
): Comparison {
  const byStage = new Map<number, number>();
  const outputs = pairs.map(([i, j], index) => {
    const target = teacher[j - 1]!;
    const weight = FeatureMap.of(state[`transforms.${index}.weight`]!);
    const output = resizeNearest(convolve(student[i - 1]!, weight, valuesOf(state[`transforms.${index}.bias`]!)),
      target.h, target.w);
    byStage.set(j, (byStage.get(j) ?? 0) + DISTANCES[distance](output, target));
    return output;
  });
  return { outputs, losses: [...byStage].sort(([a], [b]) => a - b).map(([, loss]) => loss) };
}
