import { z } from "zod";

declare global {
  // For programs without `@types/node` and without the DOM's types: with either, these add nothing.
  interface AbortSignal {
    readonly aborted: boolean;
  }
  // The types of zod name it.
  interface URL {
    href: string;
  }
}

/** Metadata of settings in which a resumed run may differ: of the machine and of saving, not of training. */
export const RESUMABLE = { resumable: true };

/** A whole number ≥ 0. */
export const Count = z.int().nonnegative();

/** An integer ≥ 1. */
export const PositiveCount = z.int().positive();

/** A finite number > 0. */
export const PositiveNumber = z.number().positive();

/** Names of classes in label order, none of them empty. */
export const ClassNames = z.array(z.string().min(1));

/** A finite number ≥ 0. */
export const NonNegativeNumber = z.number().nonnegative();

/** A measured number, which may be infinite or NaN: the loss of a network that has diverged. */
export const Measurement = z.custom<number>((value) => typeof value === "number", { error: "a number" });

/** More than any machine has; each takes memory, whose end ends the process. */
export const MOST_THREADS = 1024;

/** Threads of one operation. */
export const ThreadCount = PositiveCount.max(MOST_THREADS);

/** Height or width that images are resized to, in pixels: larger ones would not fit into memory. */
export const ImageSide = PositiveCount.max(16_384);

/** A random seed: an integer from 0 to 2^53 - 1. */
export const Seed = z.int().nonnegative();

/** Element types of tensors. Networks compute in `"float64"` or `"float32"`. */
export const DType = z.enum(["float64", "float32", "bfloat16", "int64", "uint8"]);
export type DType = z.infer<typeof DType>;

/** Element types of a network's parameters. */
export const ModelDType = z.enum(["float64", "float32"]);
export type ModelDType = z.infer<typeof ModelDType>;

/** Arithmetic of a training step: `"bfloat16"` keeps parameters, losses and statistics in float32. */
export const Precision = z.enum(["float32", "bfloat16"]);
export type Precision = z.infer<typeof Precision>;

/** Compute device: `"auto"` uses CUDA if available, otherwise the CPU. */
export const Device = z.enum(["cpu", "cuda", "auto"]);
export type Device = z.infer<typeof Device>;

/**
 * Rotation of images by their EXIF data: `"ignore"` keeps the stored pixels, which COCO's annotations count;
 * `"rotate"` turns them upright first.
 */
export const Exif = z.enum(["ignore", "rotate"]);
export type Exif = z.infer<typeof Exif>;

/** Strings that a file holds in addition to its tensors. Native code would read a name until its NUL character. */
export const Metadata = z.record(z.string(), z.string())
  .refine((metadata) => Object.keys(metadata).every((name) => !name.includes("\0")), "names without a NUL character");
export type Metadata = z.infer<typeof Metadata>;

/** Shape of a tensor: one length per dimension. */
export const Shape = z.array(Count).readonly();
export type Shape = z.infer<typeof Shape>;
