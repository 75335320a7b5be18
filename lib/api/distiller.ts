import { addon, type NativeDistiller } from "../native.js";
import type { Model } from "./model.js";
import { Seed } from "../config/schemas/common.js";
import { Method, METHODS, type Matching, type MethodInfo, type MethodInput, type TermKind } from "../config/schemas/method.js";
import type { LoadReport } from "../config/schemas/weights.js";
import { Tensor, toEntries, toStateDict, type StateDict } from "./tensor.js";
import { parse } from "../config/validation.js";

/** What one method gives for one batch. */
export interface TermOutput {
  readonly kind: TermKind;
  /** Stage weights included, λ not. */
  readonly loss: number;
  /** Distance by stage of the teacher that takes part, shallow to deep, without weights; empty for methods on logits. */
  readonly perStage: readonly number[];
}

/**
 * What one pass of student, teacher and method gives. Lists by stage run from shallow to deep; where several maps are held
 * against one of the teacher's, pair by pair; of a sum, term by term.
 */
export interface DistillerOutput {
  /** `[N, classes]`. */
  readonly studentLogits: Tensor;
  /** `[N, classes]`. */
  readonly teacherLogits: Tensor;
  /** The student's maps as they are held against the teacher's, `[N, C, H, W]`. */
  readonly reviewOutputs: readonly Tensor[];
  /** The teacher's maps that they are held against, `[N, C, H, W]`. */
  readonly teacherFeatures: readonly Tensor[];
  /** The terms' `perStage`, one after the other. */
  readonly perStage: readonly number[];
  readonly terms: readonly TermOutput[];
}

/** A student, its frozen teacher and the method between them. Made by {@link createDistiller}. */
export class Distiller {
  readonly #native: NativeDistiller;

  /** Which stage of the student belongs to which of the teacher, and in words which have no partner. */
  readonly matching: Matching;

  /** @internal */
  constructor(
    native: NativeDistiller,
    readonly teacher: Model,
    readonly student: Model,
    /** The method with every default filled in. */
    readonly method: Method,
  ) {
    this.#native = native;
    this.matching = native.matching();
  }

  /** @internal */
  get native(): NativeDistiller {
    return this.#native;
  }

  /** Trainable values of the modules that exist in training alone. */
  trainingOnlyParameterCount(): number {
    return this.#native.parameters();
  }

  /**
   * Runs the student and the method in train mode and the teacher in its mode, on one batch and without touching
   * parameters. Running statistics move, as in training.
   *
   * @param images - `[N, 3, H, W]`, normalized.
   * @param options - labels `[N]`, int64: dkd needs them.
   * @throws ReviewKdError `INVALID_ARGUMENT` (no labels for dkd), `SHAPE_MISMATCH`, `DTYPE_MISMATCH`, `LABEL_OUT_OF_RANGE`,
   * `BATCH_TOO_SMALL` (before any statistic has moved), `DISPOSED`.
   */
  async forward(images: Tensor, options: { readonly labels?: Tensor | undefined } = {}): Promise<DistillerOutput> {
    const output = await this.#native.forward(images.native, options.labels?.native);
    return {
      studentLogits: Tensor.wrap(output.studentLogits),
      teacherLogits: Tensor.wrap(output.teacherLogits),
      reviewOutputs: output.reviewOutputs.map((tensor) => Tensor.wrap(tensor)),
      teacherFeatures: output.teacherFeatures.map((tensor) => Tensor.wrap(tensor)),
      perStage: output.terms.flatMap(({ perStage }) => perStage),
      terms: output.terms,
    };
  }

  /**
   * A copy of the student's state (`student.*`) and the method's: `abfs.*` of review (the deepest stage first), `stacks.J.K.*` of
   * review-fused (the same order, twice), `transforms.*` of the others, `methods.K.` before the names of term K of a sum.
   */
  async stateDict(): Promise<StateDict> {
    return toStateDict(await this.#native.stateDict());
  }

  /**
   * Copies values into the student and the method.
   *
   * @throws ReviewKdError `STATE_DICT_MISMATCH`.
   */
  async loadStateDict(state: Readonly<StateDict>, options: { strict?: boolean } = {}): Promise<LoadReport> {
    return this.#native.loadStateDict(toEntries(state), options.strict ?? true);
  }

  /** Frees the method's modules once no session uses them. Teacher and student stay. */
  dispose(): void {
    this.#native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** What a distiller is made of. */
export interface DistillerParts {
  readonly teacher: Model;
  readonly student: Model;
  /** Default: review with its defaults. */
  readonly method?: MethodInput;
  /** Seeds the method's own modules. Default 0. */
  readonly seed?: number;
}

/**
 * The methods by which a student can learn, with what each does and where it was published.
 *
 * @example
 * ```ts
 * for (const { kind, summary } of listMethods()) console.log(kind, summary);
 * ```
 */
export function listMethods(): readonly MethodInfo[] {
  return METHODS;
}

/**
 * Puts a student under a teacher. Channels and sizes are derived from both networks.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT` (options; a stage that there is not, with those that there are), `SHAPE_MISMATCH`
 * (numbers of classes differ), `DTYPE_MISMATCH`, `DISPOSED`.
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), figure 2 (d), for the default.
 * @example
 * ```ts
 * const distiller = await createDistiller({ teacher, student, method: { kind: "review", weight: 0.6, warmupEpochs: 20 } });
 * const both = await createDistiller({ teacher, student, method: { kind: "sum", of: [{ kind: "review", weight: 0.6 }, { kind: "kd" }] } });
 * ```
 */
export async function createDistiller({ teacher, student, method = { kind: "review" }, seed = 0 }: DistillerParts): Promise<Distiller> {
  const parsed = parse(Method, method, "method");
  const native = await addon().createDistiller(teacher.native, student.native, parsed, parse(Seed, seed, "seed"));
  return new Distiller(native, teacher, student, parsed);
}
