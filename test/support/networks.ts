/** Networks and distillers whose every weight is the value of its name. */
import { createDistiller, createModel, type Distiller, type Model } from "../../lib/index.js";
import type { MethodInput, MethodInputOf } from "../../lib/schemas/method.js";
import { filled } from "./deterministic.js";

/** A float64 network of the registry, filled. */
export async function filledModel(name: string, numClasses: number, prefix = ""): Promise<Model> {
  const model = await createModel(name, { numClasses, dtype: "float64" });
  await model.loadStateDict(filled(await model.stateDict(), prefix));
  return model;
}

/** Settings of review, whose kind need not be said. */
export type ReviewOptions = Omit<MethodInputOf<"review">, "kind">;

export interface PairOptions {
  readonly teacher?: string;
  readonly student?: string;
  readonly numClasses?: number;
  /** Default: review. Settings without a kind are those of review without warm-up; others stand as they are. */
  readonly method?: ReviewOptions | MethodInput;
}

/** A filled teacher and student in float64 with a filled method between them. */
export async function filledDistiller({
  teacher = "resnet8", student = "resnet8", numClasses = 10, method = {},
}: PairOptions = {}): Promise<Distiller> {
  const distiller = await createDistiller({
    teacher: await filledModel(teacher, numClasses, "teacher."),
    student: await filledModel(student, numClasses),
    method: "kind" in method ? method : { kind: "review", warmupEpochs: 0, ...method },
  });
  await distiller.loadStateDict(filled(await distiller.stateDict()));
  return distiller;
}
