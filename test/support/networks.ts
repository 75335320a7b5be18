/** Networks and distillers whose every weight is the value of its name. */
import { createDistiller, createModel, Tensor, type Distiller, type Model } from "../../lib/index.js";
import type { ModelDType } from "../../lib/config/schemas/common.js";
import type { MethodInput, MethodInputOf } from "../../lib/config/schemas/method.js";
import { filled } from "./deterministic.js";
import { FeatureMap } from "./maps.js";

/** A network of the registry, filled. */
export async function filledModel(name: string, numClasses: number, prefix = "",
  dtype: ModelDType = "float64"): Promise<Model> {
  const model = await createModel(name, { numClasses, dtype });
  await model.loadStateDict(filled(await model.stateDict(), prefix));
  return model;
}

/** Settings of review, whose kind may be omitted. */
export type ReviewOptions = Omit<MethodInputOf<"review">, "kind">;

export interface PairOptions {
  readonly teacher?: string;
  readonly student?: string;
  readonly numClasses?: number;
  /** Default: review. Settings without a kind are those of review without warm-up; others are used unchanged. */
  readonly method?: ReviewOptions | MethodInput;
  /** Default: float64. */
  readonly dtype?: ModelDType;
}

/** A filled teacher and student with a filled method between them. */
export async function filledDistiller({
  teacher = "resnet8",
  student = "resnet8",
  numClasses = 10,
  method = {},
  dtype = "float64",
}: PairOptions = {}): Promise<Distiller> {
  const distiller = await createDistiller({
    teacher: await filledModel(teacher, numClasses, "teacher.", dtype),
    student: await filledModel(student, numClasses, "", dtype),
    method: "kind" in method ? method : { kind: "review", warmupEpochs: 0, ...method },
  });
  await distiller.loadStateDict(filled(await distiller.stateDict()));
  return distiller;
}

/** Sets entries to one value each, or to the listed values. */
export async function setEntries(part: Model | Distiller,
  values: Readonly<Record<string, number | readonly number[]>>): Promise<void> {
  const state = await part.stateDict();
  const chosen = Object.entries(values).map(([name, value]): [string, Tensor] => {
    const { shape } = state[name]!;
    const count = shape.reduce((a, b) => a * b, 1);
    return [name,
      Tensor.from(typeof value === "number" ? new Float64Array(count).fill(value) : Float64Array.from(value), shape)];
  });
  await part.loadStateDict(Object.fromEntries(chosen), { strict: false });
}

/** Makes every map of a CIFAR ResNet 0 by removing the scale and shift of all normalizations. */
export async function silence(model: Model): Promise<void> {
  const norms = Object.keys(await model.stateDict()).filter((name) =>
    /(bn\d|downsample\.1)\.(weight|bias)$/.test(name)
  );
  await setEntries(model, Object.fromEntries(norms.map((name) => [name, 0])));
}

/** Makes a network produce the same logits for every image, whatever its features. */
export async function setLogits(model: Model, logits: readonly number[]): Promise<void> {
  await setEntries(model, { "fc.weight": 0, "fc.bias": logits });
}

/**
 * The maps that a method uses by default: the student's after, the teacher's before the activation; all stages,
 * shallow to deep.
 */
export async function mapsOf(
  { student, teacher }: Distiller,
  images: Tensor,
  { studentFeatures = "after", teacherFeatures = "before" }: ReviewOptions = {},
): Promise<{ student: FeatureMap[]; teacher: FeatureMap[] }> {
  // Train mode does not change the student's parameters and normalizes with batch statistics, so every pass gives the
  // same maps.
  const of = { student: await student.forward(images, { features: true, mode: "train" }),
    teacher: await teacher.forward(images, { features: true }) };
  return {
    student: of.student.features.map((feature) => FeatureMap.of(feature[studentFeatures])),
    teacher: of.teacher.features.map((feature) => FeatureMap.of(feature[teacherFeatures])),
  };
}
