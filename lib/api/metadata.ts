// Keys of the metadata of weights files, and their values.
import { type z } from "zod";
import { ClassNames } from "../config/schemas/common.js";
import { type Preprocessing, RecordedPreprocessing } from "../config/schemas/data.js";

/** Metadata key of weights and checkpoints that holds the class names as a JSON array. */
export const CLASS_NAMES_KEY = "classNames";

/** Metadata key of a detector's weights that holds the ids of its categories as a JSON array. */
export const CATEGORY_IDS_KEY = "categoryIds";

/** A value of JSON that fits a schema; `null` for any other text. */
export function storedIn<S extends z.ZodType>(schema: S, text = ""): z.output<S> | null {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** The class names under {@link CLASS_NAMES_KEY}; `null` if missing or invalid. */
export function classNamesIn(metadata: Readonly<Record<string, string>>): string[] | null {
  return storedIn(ClassNames, metadata[CLASS_NAMES_KEY]);
}

/** Metadata keys of what a classifier's input is, as in {@link Preprocessing}; the values are JSON. */
export const PREPROCESSING_KEYS = ["imageSize", "resizeSize", "normalization"] as const;

/** The preprocessing under {@link PREPROCESSING_KEYS}, without what is missing or invalid. */
export function preprocessingIn(metadata: Readonly<Record<string, string>>): Partial<Preprocessing> {
  const { shape } = RecordedPreprocessing;
  const stored = {
    imageSize: storedIn(shape.imageSize, metadata["imageSize"]),
    resizeSize: storedIn(shape.resizeSize, metadata["resizeSize"]),
    normalization: storedIn(shape.normalization, metadata["normalization"]),
  };
  return Object.fromEntries(Object.entries(stored).filter(([, value]) => value !== null));
}

/** The reverse of {@link classNamesIn} and {@link preprocessingIn}. */
export function classifierMetadata({ classNames, imageSize, resizeSize, normalization }: {
  readonly [Key in keyof Preprocessing]?: Preprocessing[Key] | undefined;
} & { readonly classNames?: readonly string[] | null }): Record<string, string> {
  const values = { [CLASS_NAMES_KEY]: classNames ?? undefined, imageSize, resizeSize, normalization };
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [[key, JSON.stringify(value)]])),
  );
}
