import { z } from "zod";

/**
 * An object in which a task names numbers. Its type has the names of classification, since that is what most programs
 * read; values of every task are accepted.
 *
 * @param shape - all fields, those of classification included.
 * @param named - the fields that classification names.
 */
export function taskObject<Shape extends z.ZodRawShape>(shape: Shape,
  named: readonly (keyof Shape)[]): z.ZodObject<Shape, z.core.$strict> {
  const optional = Object.fromEntries(named.map((name) => [name, z.optional(shape[name] as z.ZodType)]));
  const fields: z.ZodRawShape = { ...shape, ...optional };
  return z.object(fields).catchall(z.number()) as unknown as z.ZodObject<Shape, z.core.$strict>;
}
