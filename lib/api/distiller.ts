import { ReviewKdError } from "../errors.js";
import { addon } from "../native.js";
import type { NativeDistiller } from "../native-types.js";
import { Detector, type DetectorOutput } from "./detection/detector.js";
import { natives, wrapped } from "./functional/call.js";
import type { Model } from "./model.js";
import { CLASS_NAME, NativeObject, receivedText } from "./native-object.js";
import { LoadStateDictOptions, Network as AnyNetwork, networkFix, NETWORKS } from "./network.js";
import { Seed } from "../config/schemas/common.js";
import { StateDictOptions, type StateDictOptionsInput } from "../config/schemas/detection/detector.js";
import { Method, METHODS, termsOf, type Matching, type MethodInfo, type MethodInput,
  type TermKind } from "../config/schemas/method.js";
import type { LoadReport } from "../config/schemas/weights.js";
import { nativeTensor, Tensor, toEntries, toStateDict, type StateDict } from "./tensor.js";
import { withDetectorMethodDefaults } from "../config/detector-defaults.js";
import { assertObject, parse } from "../config/validation.js";

/** The output of one method for one batch. */
export interface TermOutput {
  readonly kind: TermKind;
  /** Includes stage weights but not λ. */
  readonly loss: number;
  /** Unweighted distance per participating teacher stage, shallow to deep; empty for methods on logits. */
  readonly perStage: readonly number[];
}

/**
 * The output of one pass of student, teacher and method. Lists per stage run from shallow to deep: pair by pair if
 * several maps are compared with one teacher map, and term by term for a sum.
 */
export interface DistillerOutput {
  /** `[N, classes]`. */
  readonly studentLogits: Tensor;
  /** `[N, classes]`. */
  readonly teacherLogits: Tensor;
  /** The student's maps as compared with the teacher's, `[N, C, H, W]`. */
  readonly reviewOutputs: readonly Tensor[];
  /** The teacher's maps that they are compared with, `[N, C, H, W]`. */
  readonly teacherFeatures: readonly Tensor[];
  /** The `perStage` of all terms, concatenated. */
  readonly perStage: readonly number[];
  readonly terms: readonly TermOutput[];
}

/** The output of one pass of two detectors and a method. Lists by level run from shallow to deep. */
export interface DetectorDistillerOutput {
  /** In train mode. */
  readonly student: DetectorOutput;
  readonly teacher: Pick<DetectorOutput, "input" | "imageSizes" | "levels">;
  /** The student's maps as compared with the teacher's, `[N, C, H, W]`. */
  readonly reviewOutputs: readonly Tensor[];
  /** The teacher's maps that they are compared with, `[N, C, H, W]`. */
  readonly teacherFeatures: readonly Tensor[];
  /** Unweighted distances of all terms. */
  readonly perStage: readonly number[];
}

/**
 * A student, its frozen teacher and the distillation method. `dispose()` frees the method's modules once no session
 * uses them, and keeps the networks. Created by {@link createDistiller}.
 */
export class Distiller<Network extends Model | Detector = Model> extends NativeObject<NativeDistiller> {
  /** The student stage matched with each teacher stage, and a note on stages without a match. */
  readonly matching: Matching;

  /** @internal */
  constructor(
    native: NativeDistiller,
    readonly teacher: Network,
    readonly student: Network,
    /** The method with all defaults applied. */
    readonly method: Method,
  ) {
    super(native);
    this.matching = native.matching();
  }

  /** @internal */
  override get [CLASS_NAME](): string {
    return "Distiller";
  }

  /** Number of trainable parameters of the modules that exist only in training. */
  trainingOnlyParameterCount(): number {
    return this.native.parameters();
  }

  /**
   * Runs the student and the method in train mode and the teacher in its own mode on one batch, without changing
   * parameters.
   * Running statistics are updated as in training.
   *
   * @param args - images `[N, 3, H, W]`, normalized, and options: labels `[N]`, int64, which dkd requires; for
   * detectors a list of images `[3, H, W]`, RGB from 0 to 1.
   * @throws ReviewKdError `INVALID_ARGUMENT` (no labels for dkd), `SHAPE_MISMATCH`, `DTYPE_MISMATCH`,
   * `LABEL_OUT_OF_RANGE`, `BATCH_TOO_SMALL` (before any statistic is updated), `DISPOSED`.
   */
  async forward(...args: ForwardArguments<Network>): Promise<ForwardOutput<Network>> {
    const [images, options = {}] = args as [Tensor | readonly Tensor[], { readonly labels?: Tensor }?];
    assertObject(options, "options of forward");
    const output = images instanceof Tensor ? await this.#forwardBatch(images, options.labels)
      : wrapped(await this.native.forwardImages(natives(images)));
    return output as ForwardOutput<Network>;
  }

  async #forwardBatch(images: Tensor, labels: Tensor | undefined): Promise<DistillerOutput> {
    const output = await this.native.forward(images.native,
      labels === undefined ? undefined : nativeTensor(labels, "labels"));
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
   * A copy of the student's state (`student.*`) and the method's: `abfs.*` of review (deepest stage first),
   * `stacks.J.K.*` of review-fused (both indices in that order), `transforms.*` of the others, prefixed with
   * `methods.K.` for term K of a sum.
   */
  async stateDict(options: StateDictOptionsInput = {}): Promise<StateDict> {
    return toStateDict(await this.native.stateDict(parse(StateDictOptions, options, "state dict options").names));
  }

  /**
   * Copies values into the student and the method.
   *
   * @throws ReviewKdError `STATE_DICT_MISMATCH`.
   */
  async loadStateDict(state: Readonly<StateDict>,
    options: StateDictOptionsInput & { strict?: boolean } = {}): Promise<LoadReport> {
    const { strict, names } = parse(LoadStateDictOptions, options, "state dict options");
    return this.native.loadStateDict(toEntries(state), strict, names);
  }
}

/** The arguments of a forward pass of classifiers or of detectors. */
type ForwardArguments<Network> = Network extends Detector ? [images: readonly Tensor[]]
  : [images: Tensor, options?: { readonly labels?: Tensor | undefined }];
type ForwardOutput<Network> = Network extends Detector ? DetectorDistillerOutput : DistillerOutput;

/** A distiller of any networks. */
export type AnyDistiller = Distiller<Model | Detector>;

/** The parts of a distiller. */
export interface DistillerParts<Network extends Model | Detector = Model> {
  readonly teacher: Network;
  readonly student: Network;
  /** Default: review with its defaults. */
  readonly method?: MethodInput;
  /** Seeds the method's own modules. Default 0. */
  readonly seed?: number;
}

/**
 * The distillation methods with a summary and source for each.
 *
 * @example
 * ```ts
 * for (const { kind, summary } of listMethods()) console.log(kind, summary);
 * ```
 */
export function listMethods(): readonly MethodInfo[] {
  return METHODS;
}

/** Logits are compared class by class: equal numbers of other classes would teach nonsense. */
function assertSameClasses(teacher: Model | Detector, student: Model | Detector, method: Method): void {
  if (!(teacher instanceof Detector) || !(student instanceof Detector)) return;
  const onLogits = termsOf(method).find((term) => !("studentFeatures" in term));
  const [ofTeacher, ofStudent] = [teacher.classNames, student.classNames];
  if (onLogits === undefined || ofTeacher === null || ofStudent === null) return;
  const index = ofStudent.findIndex((name, position) =>
    name.normalize("NFC") !== ofTeacher[position]?.normalize("NFC")
  );
  if (index === -1 && ofTeacher.length === ofStudent.length) return;
  const position = Math.max(index, 0);
  throw new ReviewKdError("INVALID_ARGUMENT",
    `invalid teacher for ${onLogits.kind}: expected the student's classes in their order, received "${ofTeacher[position] ?? ""}" instead of "${ofStudent[position] ?? ""}" as class ${position + 1}. Only methods on levels, such as "review", take detectors of other classes.`);
}

/**
 * Creates a distiller from a student and a teacher: two classifiers, or two detectors, whose pyramids are compared
 * level by level. Channels and sizes are derived from both networks. Between detectors, `kd` and `dkd` compare the
 * class logits of the regions that the student is trained on; `warmupEpochs` is 0 there, and dkd has α 1, β 0.25 and a
 * temperature of 1 by default.
 *
 * @throws ReviewKdError `INVALID_ARGUMENT` (options; an unknown stage, with the list of stages; a classifier with a
 * detector), `SHAPE_MISMATCH` (different numbers of classes, which only methods on levels of pyramids take),
 * `DTYPE_MISMATCH`, `DISPOSED`.
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), figure 2 (d), for the default.
 * @example
 * ```ts
 * const distiller = await createDistiller({ teacher, student, method: { kind: "review", weight: 0.6, warmupEpochs: 20 }
 * }); const both = await createDistiller({ teacher, student, method: { kind: "sum", of: [{ kind: "review", weight: 0.6
 * }, { kind: "kd" }] } }); ```
 */
export async function createDistiller<Network extends Model | Detector = Model>(
  parts: DistillerParts<Network>,
): Promise<Distiller<Network>> {
  assertObject(parts, "parts of a distiller");
  const { teacher, student, method = { kind: "review" }, seed = 0 } = parts;
  for (const [role, network] of Object.entries({ teacher, student })) {
    if (network instanceof AnyNetwork) continue;
    throw new ReviewKdError("INVALID_ARGUMENT",
      `invalid ${role}: expected a Model or a Detector, received ${receivedText(network, ...NETWORKS)}. ${networkFix(network)}`);
  }
  const parsed = parse(Method, withDetectorMethodDefaults(student.name, method), "method");
  assertSameClasses(teacher, student, parsed);
  const native = await addon().createDistiller(teacher.native, student.native, parsed, parse(Seed, seed, "seed"));
  return new Distiller(native, teacher, student, parsed);
}
