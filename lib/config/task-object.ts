import { z } from "zod";
import { Measurement } from "./schemas/common.js";

/** COCO's twelve numbers of boxes, and of masks: the metrics of detectors. */
export const DETECTION_METRICS = ["ap", "ap50", "ap75", "apSmall", "apMedium", "apLarge", "ar1", "ar10", "ar100",
  "arSmall", "arMedium", "arLarge", "maskAp", "maskAp50", "maskAp75", "maskApSmall", "maskApMedium", "maskApLarge",
  "maskAr1", "maskAr10", "maskAr100", "maskArSmall", "maskArMedium", "maskArLarge"] as const;

/** The losses of two-stage detectors, with and without masks, and of RetinaNet. */
export const DETECTION_LOSSES = ["objectness", "rpnBoxReg", "classifier", "boxReg", "mask", "classification",
  "bboxRegression"] as const;

type Optional<Name extends string> = { readonly [Key in Name]: z.ZodOptional<typeof Measurement> };

/**
 * An object in which a task names numbers. Its type has the names of classification, since that is what most programs
 * read, and those of other tasks as optional ones; values of every task are accepted.
 *
 * @param shape - all fields, those of classification included.
 * @param named - the fields that classification names.
 * @param others - the fields that other tasks name.
 */
export function taskObject<Shape extends z.ZodRawShape, Other extends string = never>(shape: Shape,
  named: readonly (keyof Shape)[],
  others: readonly Other[] = []): z.ZodObject<Shape & Optional<Other>, z.core.$strict> {
  const fields: z.ZodRawShape = { ...shape,
    ...Object.fromEntries(named.map((name) => [name, z.optional(shape[name] as z.ZodType)])),
    ...Object.fromEntries(others.map((name) => [name, z.optional(Measurement)])) };
  return z.object(fields).catchall(Measurement) as unknown as z.ZodObject<Shape & Optional<Other>, z.core.$strict>;
}
