import { z } from "zod";
import { NonNegativeNumber, PositiveCount, PositiveNumber } from "./common.js";

/** Whether a feature map is taken before or after a stage's last activation. */
export const FeatureTap = z.enum(["before", "after"]);
export type FeatureTap = z.infer<typeof FeatureTap>;

/** `"eval"` freezes the teacher's running statistics; `"train"` uses those of the batch, as the CIFAR code does. */
export const TeacherMode = z.enum(["eval", "train"]);
export type TeacherMode = z.infer<typeof TeacherMode>;

/** Distance of two maps: `"hcl"`, the hierarchical context loss of the paper, or `"l2"`, the mean squared error. */
export const Distance = z.enum(["hcl", "l2"]);
export type Distance = z.infer<typeof Distance>;

/** Fusion of a student stage with the deeper ones: by attention (`"abf"`) or addition (`"sum"`). */
export const Fusion = z.enum(["abf", "sum"]);
export type Fusion = z.infer<typeof Fusion>;

const REVIEW_PAPER = "Chen et al., Distilling Knowledge via Knowledge Review, CVPR 2021";

/** Options shared by all terms: their contribution to the loss. */
const share = (warmupEpochs: number) => ({
  /** Weight λ of the term relative to cross entropy. */
  weight: NonNegativeNumber.default(1),
  /** λ(epoch) = weight · min(1, (epoch + warmupFrom) / warmupEpochs), epochs from 0; 0: no warm-up. */
  warmupEpochs: NonNegativeNumber.default(warmupEpochs),
  /** Start of the warm-up: 0 as in the official CIFAR code (off in the first epoch), or 1 as in mdistiller. */
  warmupFrom: z.literal([0, 1]).default(0),
});

/** Warm-up of the published CIFAR training, in epochs. */
const WARMUP = 20;

/** A matched stage, counted from 1 (shallow). The matched stages are the deepest ones that both networks have. */
const Stage = PositiveCount.describe("a whole number ≥ 1, counted from the shallowest of the matched stages");

/** Options shared by all methods on feature maps. */
const onFeatures = (distance: Distance) => ({
  ...share(WARMUP),
  /** Where the teacher's maps are taken. */
  teacherFeatures: FeatureTap.default("before"),
  /** Where the student's maps are taken. */
  studentFeatures: FeatureTap.default("after"),
  distance: Distance.default(distance),
});

/** A factor per matched stage of the teacher, shallow to deep. Default: all 1. */
const stageWeights = z.array(NonNegativeNumber).min(1).describe("a number ≥ 0 for each matched stage, shallow to deep")
  .optional();

/** Options shared by the review methods with fusion. */
const fused = {
  ...onFeatures("hcl"),
  fusion: Fusion.default("abf"),
  /** Channels inside the fusion modules. Default: min(512, channels of the student's deepest stage). */
  midChannels: PositiveCount.max(65_536).optional(),
  stageWeights,
};

/**
 * Soft targets: T² · KL(softmax(Y_t / T) ‖ softmax(Y_s / T)), summed over classes, averaged over images.
 * @see Hinton, Vinyals, Dean: "Distilling the Knowledge in a Neural Network" (2015), section 2
 */
export const KdTerm = z.strictObject({
  kind: z.literal("kd"),
  ...share(0),
  /** Temperature T, by which logits are divided. */
  temperature: PositiveNumber.default(4),
}).meta({
  summary: "The student matches the teacher's softened class distribution.",
  source: "Hinton et al., Distilling the Knowledge in a Neural Network, 2015",
});

/**
 * Decoupled soft targets: T² · (α · TCKD + β · NCKD), averaged over images. TCKD is the divergence between the
 * two-class distributions (label, rest), NCKD that between the distributions over the classes other than the label.
 * @see Zhao et al., "Decoupled Knowledge Distillation" (CVPR 2022), equation 7
 */
export const DkdTerm = z.strictObject({
  kind: z.literal("dkd"),
  ...share(WARMUP),
  /** Temperature T, by which logits are divided. */
  temperature: PositiveNumber.default(4),
  /** Weight of the part on the label's class. */
  alpha: NonNegativeNumber.default(1),
  /** Weight of the part on the other classes. */
  beta: NonNegativeNumber.default(8),
}).meta({
  summary:
    "Softened class distributions in two separately weighted parts: the label against the other classes, and these among themselves.",
  source: "Zhao et al., Decoupled Knowledge Distillation, CVPR 2022",
});

/**
 * One student stage i learns one teacher stage j: D(M(F_s^i), F_t^j), where M is a 1×1 convolution and a nearest
 * resize.
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), equation 2
 */
export const SingleLayerTerm = z.strictObject({
  kind: z.literal("single-layer"),
  ...onFeatures("l2"),
  /** The student's stage i. Default: the deepest. */
  stage: Stage.optional(),
  /** The teacher's stage j. Default: i. */
  teacherStage: Stage.optional(),
}).meta({ summary: "One stage of the student learns one stage of the teacher.",
  source: `${REVIEW_PAPER}, equation 2` });

/**
 * Each student stage learns the teacher stage of the same depth: Σ_i D(M^i(F_s^i), F_t^i).
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), equation 3
 */
export const MultiLayerTerm = z.strictObject({
  kind: z.literal("multi-layer"),
  ...onFeatures("l2"),
  stageWeights,
}).meta({ summary: "Each stage of the student learns the teacher's stage of the same depth.",
  source: `${REVIEW_PAPER}, equation 3` });

/**
 * One student stage i learns the teacher's stages up to its depth: Σ_{j ≤ i} D(M^{i,j}(F_s^i), F_t^j).
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), equation 4 and figure 2 (a)
 */
export const ReviewStageTerm = z.strictObject({
  kind: z.literal("review-stage"),
  ...onFeatures("l2"),
  /** The student's stage i. Default: the deepest. */
  stage: Stage.optional(),
  stageWeights,
}).meta({ summary: "One stage of the student reviews the teacher's stages up to its depth: variant (a).",
  source: `${REVIEW_PAPER}, figure 2 (a)` });

/**
 * Each student stage learns the teacher's stages up to its depth: Σ_i Σ_{j ≤ i} D(M^{i,j}(F_s^i), F_t^j), n(n+1)/2
 * pairs.
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), equation 5 and figure 2 (b)
 */
export const ReviewPairsTerm = z.strictObject({
  kind: z.literal("review-pairs"),
  ...onFeatures("l2"),
  stageWeights,
}).meta({ summary: "Each stage of the student reviews the teacher's stages up to its depth: variant (b).",
  source: `${REVIEW_PAPER}, figure 2 (b)` });

/**
 * The sums of (b) swapped: Σ_j D(U_j(F_s^j, …, F_s^n), F_t^j), where U_j is a separate stack of fusions from stage n
 * down to j.
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), equation 7 and figure 2 (c)
 */
export const ReviewFusedTerm = z.strictObject({ kind: z.literal("review-fused"), ...fused }).meta({
  summary: "The student's stages, fused separately for each stage of the teacher: variant (c).",
  source: `${REVIEW_PAPER}, figure 2 (c)`,
});

/**
 * The residual framework, the method of the paper: r_n = fusion of F_s^n; (out_j, r_j) = fusion of F_s^j and r_{j+1};
 * Σ_j D(out_j, F_t^j).
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), equation 8 and figure 2 (d)
 */
export const ReviewTerm = z.strictObject({ kind: z.literal("review"), ...fused }).meta({
  summary:
    "The student's stages, fused from deep to shallow, each result compared with the teacher's: variant (d), the paper's method.",
  source: `${REVIEW_PAPER}, figure 2 (d)`,
});

/** The methods that can be terms of a sum. */
const TERMS = [
  KdTerm,
  DkdTerm,
  SingleLayerTerm,
  MultiLayerTerm,
  ReviewStageTerm,
  ReviewPairsTerm,
  ReviewFusedTerm,
  ReviewTerm,
] as const;

/** A method as a part of a sum. */
export const Term = z.discriminatedUnion("kind", TERMS).meta({
  fix: "The terms of a sum are single methods: add the terms of an inner sum to the outer one.",
});
export type Term = z.infer<typeof Term>;
export type TermInput = z.input<typeof Term>;

/** The kinds of methods other than a sum. */
export const TermKind = z.enum(TERMS.map((term) => term.shape.kind.value));
export type TermKind = z.infer<typeof TermKind>;

/** Options shared by all terms, because the teacher runs once. */
const once = { teacherMode: TeacherMode.default("eval") };

/** Several methods at once: Σ_k λ_k · loss_k, each term with its own weight and warm-up. */
export const SumMethod = z.strictObject({
  kind: z.literal("sum"),
  /** The methods. */
  of: z.array(Term).min(1).describe("an array of one or more methods").meta({
    fix:
      'List the terms, such as of: [{ kind: "review" }, { kind: "kd" }]; on the command line in a file for --config.',
  }).readonly(),
  ...once,
}).meta({ summary: "Several methods at once, each with its own weight and warm-up.",
  source: "the sum of the losses of its terms" });

const method = z.discriminatedUnion("kind", [
  KdTerm.extend(once),
  DkdTerm.extend(once),
  SingleLayerTerm.extend(once),
  MultiLayerTerm.extend(once),
  ReviewStageTerm.extend(once),
  ReviewPairsTerm.extend(once),
  ReviewFusedTerm.extend(once),
  ReviewTerm.extend(once),
  SumMethod,
]);
/** A distillation method. */
export const Method: MethodSchema = method;
/** A distillation method with all its settings. */
export type Method = z.infer<typeof method>;
/** A distillation method, with or without the settings that have defaults. */
export type MethodInput = z.input<typeof method>;
/** Declarations that use {@link Method} name it, instead of repeating its shape. */
export interface MethodSchema extends z.ZodType<Method, MethodInput> {}
export type MethodKind = Method["kind"];

/** The terms of a sum, or the method itself as the only term. */
export function termsOf(method: Method): readonly Term[] {
  return method.kind === "sum" ? method.of : [method];
}

/** An entry of the table of methods. */
export const MethodInfo = z.strictObject({
  kind: z.string(),
  /** Description in one sentence. */
  summary: z.string(),
  /** The publication, or an equivalent description. */
  source: z.string(),
});
export interface MethodInfo extends z.infer<typeof MethodInfo> {}

/** All methods, as described by their schemas. */
export const METHODS: readonly MethodInfo[] = [...TERMS, SumMethod].map((schema) => {
  const { summary, source } = schema.meta() ?? {};
  return MethodInfo.parse({ kind: schema.shape.kind.value, summary, source });
});

/** A pair of matched stages, by their names in the networks. */
export const StagePair = z.strictObject({ student: z.string(), teacher: z.string() });
export interface StagePair extends z.infer<typeof StagePair> {}

/** The stages of student and teacher that are matched. */
export const Matching = z.strictObject({
  /** The deepest stages that both networks have, shallow to deep. Stage numbers in options count these, from 1. */
  stages: z.array(StagePair),
  /** Description of the unmatched stages; `null` if all are matched. */
  note: z.string().nullable(),
});
export interface Matching extends z.infer<typeof Matching> {}

/** The input settings of one kind of method. */
export type MethodInputOf<Kind extends MethodKind> = Extract<MethodInput, { kind: Kind }>;
