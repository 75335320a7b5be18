import { z } from "zod";
import { NonNegativeNumber, PositiveCount, PositiveNumber } from "./common.js";

/** Which side of a stage's last activation a feature map is taken from. */
export const FeatureTap = z.enum(["before", "after"]);
export type FeatureTap = z.infer<typeof FeatureTap>;

/** `"eval"` freezes the teacher's running statistics; `"train"` uses batch statistics, as the official CIFAR code does. */
export const TeacherMode = z.enum(["eval", "train"]);
export type TeacherMode = z.infer<typeof TeacherMode>;

/** How far two maps are apart: `"hcl"`, the hierarchical context loss of the paper, or `"l2"`, the mean squared error. */
export const Distance = z.enum(["hcl", "l2"]);
export type Distance = z.infer<typeof Distance>;

/** How a student stage is merged with the deeper ones: by attention (`"abf"`), or plainly added (`"sum"`). */
export const Fusion = z.enum(["abf", "sum"]);
export type Fusion = z.infer<typeof Fusion>;

const REVIEW_PAPER = "Chen et al., Distilling Knowledge via Knowledge Review, CVPR 2021";

/** What every term has beside its own options: its share of the loss. */
const share = (warmupEpochs: number) => ({
  /** Weight λ of the term beside cross entropy. */
  weight: NonNegativeNumber.default(1),
  /** λ(epoch) = weight · min(1, (epoch + warmupFrom) / warmupEpochs), epochs from 0; 0: no warm-up. */
  warmupEpochs: NonNegativeNumber.default(warmupEpochs),
  /** Where the warm-up begins: 0, as the official CIFAR code has it (no such loss in the first epoch), or 1, as mdistiller has it. */
  warmupFrom: z.literal([0, 1]).default(0),
});

/** Warm-up of the published CIFAR training, epochs. */
const WARMUP = 20;

/** A stage, counted from 1 (shallow) to the number of matched stages: the deepest that both networks have. */
const Stage = PositiveCount.describe("a whole number ≥ 1, counted from the shallowest of the matched stages");

/** What every method on feature maps has. */
const onFeatures = (distance: Distance) => ({
  ...share(WARMUP),
  teacherFeatures: FeatureTap.default("before"),
  studentFeatures: FeatureTap.default("after"),
  distance: Distance.default(distance),
});

/** A factor for each matched stage of the teacher, shallow to deep; omitted: all 1. */
const stageWeights = z.array(NonNegativeNumber).min(1).describe("a number ≥ 0 for each matched stage, shallow to deep").optional();

/** What fused review has. */
const fused = {
  ...onFeatures("hcl"),
  fusion: Fusion.default("abf"),
  /** Channels inside the fusion modules; omitted: min(512, channels of the student's deepest stage). */
  midChannels: PositiveCount.optional(),
  stageWeights,
};

/**
 * Soft targets: T² · KL(softmax(Y_t / T) ‖ softmax(Y_s / T)), summed over classes, mean over images.
 * @see Hinton, Vinyals, Dean: "Distilling the Knowledge in a Neural Network" (2015), section 2
 */
export const KdTerm = z.strictObject({
  kind: z.literal("kd"),
  ...share(0),
  /** T, by which logits are divided. */
  temperature: PositiveNumber.default(4),
}).meta({
  summary: "The student's softened class distribution follows the teacher's.",
  source: "Hinton et al., Distilling the Knowledge in a Neural Network, 2015",
});

/**
 * Decoupled soft targets: T² · (α · TCKD + β · NCKD), mean over images. TCKD is the divergence between the two-class
 * distributions (label, rest), NCKD that between the distributions over the classes that are not the label.
 * @see Zhao et al., "Decoupled Knowledge Distillation" (CVPR 2022), equation 7
 */
export const DkdTerm = z.strictObject({
  kind: z.literal("dkd"),
  ...share(WARMUP),
  /** T, by which logits are divided. */
  temperature: PositiveNumber.default(4),
  /** Weight of the part on the label's class. */
  alpha: NonNegativeNumber.default(1),
  /** Weight of the part on the other classes. */
  beta: NonNegativeNumber.default(8),
}).meta({
  summary: "Softened class distributions in two parts with weights of their own: the label against the other classes, and these among themselves.",
  source: "Zhao et al., Decoupled Knowledge Distillation, CVPR 2022",
});

/**
 * One student stage i learns one teacher stage j: D(M(F_s^i), F_t^j), M a 1×1 convolution and a nearest resize.
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), equation 2
 */
export const SingleLayerTerm = z.strictObject({
  kind: z.literal("single-layer"),
  ...onFeatures("l2"),
  /** The student's stage i; omitted: the deepest. */
  stage: Stage.optional(),
  /** The teacher's stage j; omitted: i. */
  teacherStage: Stage.optional(),
}).meta({ summary: "One stage of the student learns one stage of the teacher.", source: `${REVIEW_PAPER}, equation 2` });

/**
 * Each student stage learns the teacher's stage of its depth: Σ_i D(M^i(F_s^i), F_t^i).
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), equation 3
 */
export const MultiLayerTerm = z.strictObject({
  kind: z.literal("multi-layer"),
  ...onFeatures("l2"),
  stageWeights,
}).meta({ summary: "Each stage of the student learns the teacher's stage of its depth.", source: `${REVIEW_PAPER}, equation 3` });

/**
 * One student stage i learns the teacher's stages up to its depth: Σ_{j ≤ i} D(M^{i,j}(F_s^i), F_t^j).
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), equation 4 and figure 2 (a)
 */
export const ReviewStageTerm = z.strictObject({
  kind: z.literal("review-stage"),
  ...onFeatures("l2"),
  /** The student's stage i; omitted: the deepest. */
  stage: Stage.optional(),
  stageWeights,
}).meta({ summary: "One stage of the student reviews the teacher's stages up to its depth: variant (a).", source: `${REVIEW_PAPER}, figure 2 (a)` });

/**
 * Each student stage learns the teacher's stages up to its depth: Σ_i Σ_{j ≤ i} D(M^{i,j}(F_s^i), F_t^j), n(n+1)/2 pairs.
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), equation 5 and figure 2 (b)
 */
export const ReviewPairsTerm = z.strictObject({
  kind: z.literal("review-pairs"),
  ...onFeatures("l2"),
  stageWeights,
}).meta({ summary: "Each stage of the student reviews the teacher's stages up to its depth: variant (b).", source: `${REVIEW_PAPER}, figure 2 (b)` });

/**
 * The sums of (b) exchanged: Σ_j D(U_j(F_s^j, …, F_s^n), F_t^j), U_j a stack of fusions of its own from stage n down to j.
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), equation 7 and figure 2 (c)
 */
export const ReviewFusedTerm = z.strictObject({ kind: z.literal("review-fused"), ...fused }).meta({
  summary: "The student's stages, fused anew for each stage of the teacher: variant (c).",
  source: `${REVIEW_PAPER}, figure 2 (c)`,
});

/**
 * The residual framework, the method of the paper: r_n = fusion of F_s^n; (out_j, r_j) = fusion of F_s^j and r_{j+1};
 * Σ_j D(out_j, F_t^j).
 * @see Chen et al., "Distilling Knowledge via Knowledge Review" (CVPR 2021), equation 8 and figure 2 (d)
 */
export const ReviewTerm = z.strictObject({ kind: z.literal("review"), ...fused }).meta({
  summary: "The student's stages, fused from deep to shallow, each result held against the teacher's: variant (d), the method.",
  source: `${REVIEW_PAPER}, figure 2 (d)`,
});

/** The methods by themselves. */
const TERMS = [
  KdTerm, DkdTerm, SingleLayerTerm, MultiLayerTerm, ReviewStageTerm, ReviewPairsTerm, ReviewFusedTerm, ReviewTerm,
] as const;

/** A method as a part of a sum. */
export const Term = z.discriminatedUnion("kind", TERMS).meta({
  fix: "The terms of a sum are single methods: add the terms of an inner sum to the outer one.",
});
export type Term = z.infer<typeof Term>;
export type TermInput = z.input<typeof Term>;

/** The kinds of methods, but for their sum. */
export const TermKind = z.enum(TERMS.map((term) => term.shape.kind.value));
export type TermKind = z.infer<typeof TermKind>;

/** What is decided once for all terms, for the teacher runs once. */
const once = { teacherMode: TeacherMode.default("eval") };

/** Several methods at once: Σ_k λ_k · loss_k, each term with a weight and a warm-up of its own. */
export const SumMethod = z.strictObject({
  kind: z.literal("sum"),
  of: z.array(Term).min(1).describe("an array of one or more methods"),
  ...once,
}).meta({ summary: "Several methods at once, each with a weight and a warm-up of its own.", source: "the sum of the losses of its terms" });

/** How a student learns from its teacher. */
export const Method = z.discriminatedUnion("kind", [
  KdTerm.extend(once), DkdTerm.extend(once), SingleLayerTerm.extend(once), MultiLayerTerm.extend(once), ReviewStageTerm.extend(once),
  ReviewPairsTerm.extend(once), ReviewFusedTerm.extend(once), ReviewTerm.extend(once), SumMethod,
]);
export type Method = z.infer<typeof Method>;
export type MethodInput = z.input<typeof Method>;
export type MethodKind = Method["kind"];

/** The terms of a sum, or the method as the only one. */
export function termsOf(method: Method): readonly Term[] {
  return method.kind === "sum" ? method.of : [method];
}

/** A row of the table of methods. */
export const MethodInfo = z.strictObject({
  kind: z.string(),
  /** What it does, in one sentence. */
  summary: z.string(),
  /** The publication, or what stands for it. */
  source: z.string(),
});
export type MethodInfo = z.infer<typeof MethodInfo>;

/** Every method as its schema describes it. */
export const METHODS: readonly MethodInfo[] = [...TERMS, SumMethod].map((schema) => {
  const { summary, source } = schema.meta() ?? {};
  return MethodInfo.parse({ kind: schema.shape.kind.value, summary, source });
});

/** A matched pair of stages, by their names in the networks. */
export const StagePair = z.strictObject({ student: z.string(), teacher: z.string() });
export type StagePair = z.infer<typeof StagePair>;

/** Which stage of the student belongs to which of the teacher. */
export const Matching = z.strictObject({
  /** The deepest stages that both have, shallow to deep: the numbers of stages in options count these, from 1. */
  stages: z.array(StagePair),
  /** In words which stages have no partner; `null` where all have one. */
  note: z.string().nullable(),
});
export type Matching = z.infer<typeof Matching>;

/** The settings of one kind of method, as they may be written. */
export type MethodInputOf<Kind extends MethodKind> = Extract<MethodInput, { kind: Kind }>;
