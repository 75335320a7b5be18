// Keys of the metadata of weights files, and their values.
import { z } from "zod";

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
  return storedIn(z.array(z.string()), metadata[CLASS_NAMES_KEY]);
}
