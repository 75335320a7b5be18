import { addon, type NativeDistiller } from "./native.js";
import type { LoadReport, Model } from "./model.js";
import { Seed } from "./schemas/common.js";
import { Method, type MethodInput } from "./schemas/method.js";
import { Tensor, toEntries, toStateDict, type StateDict } from "./tensor.js";
import { parse } from "./validation.js";

/** What one pass of student, teacher and method gives. Lists by stage run from shallow to deep. */
export interface DistillerOutput {
  /** `[N, classes]`. */
  readonly studentLogits: Tensor;
  /** `[N, classes]`. */
  readonly teacherLogits: Tensor;
  /** The fused maps that are held against the teacher's, `[N, C, H, W]`. */
  readonly reviewOutputs: readonly Tensor[];
  /** The teacher's maps, `[N, C, H, W]`. */
  readonly teacherFeatures: readonly Tensor[];
  /** Unweighted loss by stage. */
  readonly perStage: readonly number[];
}

/** A student, its frozen teacher and the method between them. Made by {@link createDistiller}. */
export class Distiller {
  readonly #native: NativeDistiller;

  /** @internal */
  constructor(
    native: NativeDistiller,
    readonly teacher: Model,
    readonly student: Model,
    /** The method with every default filled in. */
    readonly method: Method,
  ) {
    this.#native = native;
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
   * @throws ReviewKdError `SHAPE_MISMATCH`, `BATCH_TOO_SMALL`, `DISPOSED`.
   */
  async forward(images: Tensor): Promise<DistillerOutput> {
    const output = await this.#native.forward(images.native);
    return {
      studentLogits: Tensor.wrap(output.studentLogits),
      teacherLogits: Tensor.wrap(output.teacherLogits),
      reviewOutputs: output.reviewOutputs.map((tensor) => Tensor.wrap(tensor)),
      teacherFeatures: output.teacherFeatures.map((tensor) => Tensor.wrap(tensor)),
      perStage: output.perStage,
    };
  }

  /** A copy of the student's state (`student.*`) and the method's (`abfs.*`, the deepest stage first). */
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
 * Puts a student under a teacher. Channels and sizes are derived from both networks.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT`, `SHAPE_MISMATCH` (numbers of classes differ), `DTYPE_MISMATCH`, `DISPOSED`.
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), equation (d).
 * @example
 * ```ts
 * const distiller = await createDistiller({ teacher, student, method: { kind: "review", weight: 0.6, warmupEpochs: 20 } });
 * ```
 */
export async function createDistiller({ teacher, student, method = { kind: "review" }, seed = 0 }: DistillerParts): Promise<Distiller> {
  const parsed = parse(Method, method, "method");
  const native = await addon().createDistiller(teacher.native, student.native, parsed, parse(Seed, seed, "seed"));
  return new Distiller(native, teacher, student, parsed);
}
