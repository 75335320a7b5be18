import { withSignal } from "./abort.js";
import { createDistiller, type Distiller } from "./distiller.js";
import { ReviewKdError } from "../errors.js";
import { createModel, listModels } from "./model.js";
import { findByName } from "../config/nearest-name.js";
import { PairOptions, type PairExplanation, type PairOptionsInput } from "../config/schemas/pair.js";
import { parse } from "../config/validation.js";

/** The pair, image size and batch size to measure, and a signal that stops the measurement. */
export interface ExplainPairOptions extends PairOptionsInput {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Explains what review does with a pair of networks before they are trained: the matched stages and the cost in
 * parameters, arithmetic and memory. Measures the networks on random input on the CPU: takes a few seconds, longer for
 * ImageNet.
 *
 * @throws ReviewKdError `UNKNOWN_NAME` (with the list of names), `INVALID_ARGUMENT`, `SHAPE_MISMATCH` if a network does
 * not support the image size, `ABORTED` after the signal was aborted.
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), figure 2 (d).
 * @example
 * ```ts
 * const { stages, trainingOnly, memory } = await explainPair({ teacher: "resnet56", student: "resnet20", batchSize: 128
 * }); ```
 */
export async function explainPair({ signal, ...options }: ExplainPairOptions): Promise<PairExplanation> {
  const pair = parse(PairOptions, options, "pair options");
  const models = listModels();
  findByName(models, pair.teacher, "teacher");
  const published = findByName(models, pair.student, "student");
  const { batchSize, fusion, midChannels, numClasses = published.numClasses,
    imageSize: [height, width] = published.imageSize } = pair;

  using teacher = await createModel(pair.teacher, { numClasses });
  using student = await createModel(pair.student, { numClasses });
  const specs = { teacher: teacher.featureSpecs(height, width), student: student.featureSpecs(height, width) };
  // No warm-up, so that the very first steps run the full method.
  const method = { kind: "review" as const, warmupEpochs: 0, fusion,
    ...(midChannels === undefined ? {} : { midChannels }) };
  using distiller = await createDistiller({ teacher, student, method });
  const parameters = await parametersByStage(distiller);
  const cost = await withSignal({ signal, what: "the explanation" },
    (stop) => distiller.native.measure(height, width, batchSize, stop));

  const matched = distiller.matching.stages.length;
  const stages = distiller.matching.stages.map((names, index) => {
    const ofStudent = present(specs.student.find(({ name }) => name === names.student), names.student);
    const ofTeacher = present(specs.teacher.find(({ name }) => name === names.teacher), names.teacher);
    const resized = ofStudent.height !== ofTeacher.height || ofStudent.width !== ofTeacher.width;
    return { student: ofStudent, teacher: ofTeacher, resized,
      parameters: present(parameters[index], `fusion ${index}`) };
  });
  return {
    imageSize: [height, width],
    numClasses,
    batchSize,
    teacher: { name: teacher.name, parameters: teacher.parameterCount(), multiplyAdds: cost.teacherMultiplyAdds },
    student: { name: student.name, parameters: student.parameterCount(), multiplyAdds: cost.studentMultiplyAdds },
    trainingOnly: { parameters: distiller.trainingOnlyParameterCount(), multiplyAdds: cost.trainingOnlyMultiplyAdds },
    stages,
    unmatched: { teacher: specs.teacher.slice(0, -matched), student: specs.student.slice(0, -matched) },
    memory: {
      state: cost.stateBytes,
      momentumBuffers: cost.momentumBytes,
      step: cost.stepBytes,
      tensors: cost.stateBytes + cost.momentumBytes + cost.stepBytes,
      process: cost.mappedBytes,
    },
  };
}

function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new ReviewKdError("INTERNAL", `missing ${what} in this pair.`);
  return value;
}

/** Trainable parameters of each fusion module, shallow to deep; `abfs.0` is the deepest. */
async function parametersByStage(distiller: Distiller): Promise<number[]> {
  const counts: number[] = [];
  for (const [name, tensor] of Object.entries(await distiller.stateDict())) {
    const depth = /^abfs\.(\d+)\.(?!.*(running_mean|running_var|num_batches_tracked)$)/.exec(name)?.[1];
    if (depth !== undefined)
      counts[Number(depth)] = (counts[Number(depth)] ?? 0) + tensor.shape.reduce((a, b) => a * b, 1);
    tensor.dispose();
  }
  return counts.reverse();
}
