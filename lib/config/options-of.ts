import type { z } from "zod";

/** The settings that a schema names, out of an object with more. */
export function optionsOf<Schema extends z.ZodObject>(schema: Schema, settings: z.output<Schema>): z.output<Schema> {
  const record: Readonly<Record<string, unknown>> = settings;
  return Object.fromEntries(
    Object.keys(schema.shape).flatMap((key) => (record[key] === undefined ? [] : [[key, record[key]]])),
  ) as z.output<Schema>;
}
