import { z } from "zod";
import { NonNegativeNumber, PositiveCount } from "./common.js";

/** Which side of a stage's last activation a feature map is taken from. */
export const FeatureTap = z.enum(["before", "after"]);
export type FeatureTap = z.infer<typeof FeatureTap>;

/** `"eval"` freezes the teacher's running statistics; `"train"` uses batch statistics, as the official CIFAR code does. */
export const TeacherMode = z.enum(["eval", "train"]);
export type TeacherMode = z.infer<typeof TeacherMode>;

/** Distilling Knowledge via Knowledge Review (CVPR 2021), residual framework with ABF and HCL: variant (d) of the paper. */
export const ReviewMethod = z.strictObject({
  kind: z.literal("review"),
  /** Weight λ of the review loss beside cross entropy. */
  weight: NonNegativeNumber.default(1),
  /** λ(epoch) = weight · min(1, epoch / warmupEpochs), epochs from 0; 0: no warm-up. */
  warmupEpochs: NonNegativeNumber.default(20),
  teacherMode: TeacherMode.default("eval"),
  teacherFeatures: FeatureTap.default("before"),
  studentFeatures: FeatureTap.default("after"),
  /** Channels inside the fusion modules; omitted: min(512, channels of the student's deepest stage). */
  midChannels: PositiveCount.optional(),
});
export type ReviewMethod = z.infer<typeof ReviewMethod>;

/** How a student learns from its teacher. */
export const Method = z.discriminatedUnion("kind", [ReviewMethod]);
export type Method = z.infer<typeof Method>;
export type MethodInput = z.input<typeof Method>;
