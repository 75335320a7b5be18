import { networkInfo } from "../../api/network.js";
import { ReviewKdError } from "../../errors.js";
import { Method, type MethodInput } from "../../config/schemas/method.js";
import type { ConditionResult, StudyConfig } from "../../config/schemas/study.js";
import { parse } from "../../config/validation.js";
import { gridPoints, type GridPoint } from "./grid.js";
import { matchedStages, type MatchedStages } from "./matched-stages.js";

/** One way to train the student: a row of a study. `id` is valid as a directory name. */
export interface Condition extends Readonly<
  Pick<ConditionResult, "id" | "label" | "method" | "stage" | "teacherStage" | "published" | "settings" | "baseline">
> {
  /** The student and its training, where they are not the study's. */
  readonly own?: Pick<GridPoint, "student" | "training">;
}

type ConfigOf<Kind extends StudyConfig["kind"]> = Extract<StudyConfig, { kind: Kind }>;

/** Networks, data and number of epochs of the independent re-run whose accuracies are quoted. */
const RERUN = { teacher: "resnet56", student: "resnet20", data: "cifar100", epochs: 240 } as const;

export function isRerun({ teacher, student, data, training }: StudyConfig): boolean {
  return teacher.name === RERUN.teacher && student.name === RERUN.student && data.kind === RERUN.data &&
    training.epochs === RERUN.epochs && training.maxSteps === null;
}

export const STUDENT_ALONE: Condition = { id: "student-alone", label: "student alone", method: null, stage: null,
  teacherStage: null, published: 69.06, settings: null, baseline: null };

/** The common part of all rows of distilled students. */
const DISTILLED = { ...STUDENT_ALONE, published: null, baseline: STUDENT_ALONE.id };

/**
 * The steps from a distance between stages of equal depth to the paper's method.
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), the ablation on ResNet56 and ResNet20
 */
const ABLATION = [
  { id: "same-stage-l2", label: "same stages, L2", published: 69.5, method: { kind: "multi-layer", distance: "l2" } },
  { id: "pairs-l2", label: "review pairs (b), L2", published: 69.53, method: { kind: "review-pairs", distance: "l2" } },
  { id: "residual-sum-l2", label: "residual (d), addition, L2", published: 69.92,
    method: { kind: "review", fusion: "sum", distance: "l2" } },
  { id: "residual-abf-l2", label: "residual (d), ABF, L2", published: 71.28,
    method: { kind: "review", fusion: "abf", distance: "l2" } },
  { id: "residual-sum-hcl", label: "residual (d), addition, HCL", published: 71.51,
    method: { kind: "review", fusion: "sum", distance: "hcl" } },
  { id: "residual-abf-hcl", label: "residual (d), ABF, HCL", published: 71.79,
    method: { kind: "review", fusion: "abf", distance: "hcl" } },
] as const satisfies readonly (Pick<Condition, "id" | "label" | "published"> & { readonly method: MethodInput })[];

/** The rows of a study, starting with the student alone. `stages`: the matched stages. */
export function conditionsOf(config: StudyConfig, stages: MatchedStages): readonly Condition[] {
  switch (config.kind) {
    case "ablation":
      return [STUDENT_ALONE, ...ablationRows(config)];
    case "stages":
      return [STUDENT_ALONE, ...stagePairs(config, stages)];
    case "seeds":
      return [STUDENT_ALONE, { ...DISTILLED, id: "distilled", label: "student distilled", method: config.method }];
    case "grid":
      return gridRows(config);
  }
}

function ablationRows({ method }: ConfigOf<"ablation">): Condition[] {
  const { midChannels, ...common } = method;
  return ABLATION.map(({ method: own, ...row }) => ({
    ...DISTILLED,
    ...row,
    method: parse(Method,
      own.kind === "review" ? { ...common, ...(midChannels === undefined ? {} : { midChannels }), ...own }
        : { ...common, ...own }, row.label),
  }));
}

function stagePairs({ method }: ConfigOf<"stages">, { student }: MatchedStages): Condition[] {
  const numbers = student.map((_, index) => index + 1);
  return numbers.flatMap((stage) =>
    numbers.map((teacherStage) => ({
      ...DISTILLED,
      id: `stage-${stage}-from-${teacherStage}`,
      label: `student stage ${stage} from teacher stage ${teacherStage}`,
      method: parse(Method, { kind: "single-layer", ...method, stage, teacherStage }, "method"),
      stage,
      teacherStage,
    }))
  );
}

/**
 * The combinations of a grid, after the students alone: one for all combinations that differ in the method only, so
 * that each gain is over a student that was trained in the same way.
 */
function gridRows(config: ConfigOf<"grid">): readonly Condition[] {
  const points = gridPoints(config);
  assertComparable(config, new Set(points.map(({ student }) => student.name)));
  const baselines = new Map<string, Condition>();
  const rows = points.map(({ id, label, settings, alone, method, student, training }): Condition => {
    const own = { student, training };
    const key = JSON.stringify(alone.settings);
    const baseline = baselines.get(key) ?? aloneWith(alone, own);
    baselines.set(key, baseline);
    return { ...DISTILLED, id, label, method, settings, baseline: baseline.id, own };
  });
  return [...baselines.values(), ...rows];
}

/** @throws ReviewKdError `UNKNOWN_NAME`; `CONFIG_INVALID`: the students have different tasks. */
function assertComparable({ student, teacher }: ConfigOf<"grid">, names: ReadonlySet<string>): void {
  const metricOf = (name: string): string => networkInfo(name, "student").task.primaryMetric;
  for (const name of names) {
    matchedStages(name, teacher.name);
    if (metricOf(name) === metricOf(student.name)) continue;
    throw new ReviewKdError("CONFIG_INVALID",
      `invalid vary: expected students of one metric, received ${student.name} with ${metricOf(student.name)} and ${name} with ${metricOf(name)}. Compare them in studies of their own.`);
  }
}

function aloneWith({ id, label, settings }: GridPoint["alone"], own: Condition["own"]): Condition {
  const isOnly = id === "";
  return { ...STUDENT_ALONE, ...(own === undefined ? {} : { own }), settings, published: null,
    id: isOnly ? STUDENT_ALONE.id : `${STUDENT_ALONE.id}_${id}`,
    label: isOnly ? STUDENT_ALONE.label : `${STUDENT_ALONE.label}, ${label}` };
}
